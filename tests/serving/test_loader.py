"""Exports as a server sees them: through the C++ loader, in a process of its own."""

import numpy as np
import pytest
import tensorflow as tf

from tfgen import serving

SEEDS = np.array([0, 1, 1, -1, -(2**63), 2**63 - 1, 12345678901234567], np.int64)
RNG = np.random.default_rng(0)
X = RNG.uniform(size=[len(SEEDS), 16]).astype(np.float32)
Z = RNG.normal(size=[len(SEEDS), 3]).astype(np.float32)
CALLS = [
    ("sample", {"seed": SEEDS}),
    ("serving_default", {"seed": SEEDS}),
    ("decode", {"z": Z}),
    ("encode", {"x": X}),
    ("reconstruct", {"x": X, "seed": SEEDS}),
]


def assert_same(result, expected, atol=1e-6):
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(result[name], value, rtol=0, atol=atol)


def in_python(signatures, name, arrays):
    name = {"serving_default": "sample"}.get(name, name)
    function = signatures[name].function
    return function(**{key: tf.constant(value) for key, value in arrays.items()})


def test_served_numbers_are_those_of_python(signatures, version_dir, in_loader):
    answer = in_loader(version_dir, CALLS)
    assert not answer["modules"] & {"tensorflow", "keras", "tensorflow_probability"}
    assert "tfgen" not in answer["modules"]
    for (name, arrays), result in zip(CALLS, answer["rounds"][0], strict=True):
        assert_same(result, in_python(signatures, name, arrays))


@pytest.mark.slow
def test_two_processes_two_sessions_and_four_threads_agree(version_dir, in_loader):
    first = in_loader(version_dir, CALLS)["rounds"][0]
    rounds = in_loader(version_dir, CALLS, sessions=2, threads=4)["rounds"]
    assert len(rounds) == 8
    for results in rounds:
        for result, expected in zip(results, first, strict=True):
            assert_same(result, expected)


def test_a_row_does_not_depend_on_its_batch(version_dir, in_loader):
    """What a batching server does: joins requests, pads with a row, splits."""
    padded = [
        (name, {key: np.concatenate([a, a[:1]]) for key, a in arrays.items()})
        for name, arrays in CALLS
    ]
    single = [
        (name, {key: a[row : row + 1] for key, a in arrays.items()})
        for name, arrays in CALLS
        for row in range(len(SEEDS))
    ]
    results = in_loader(version_dir, CALLS + padded + single)["rounds"][0]
    whole, padded, single = np.split(np.array(results), [len(CALLS), 2 * len(CALLS)])
    for i, result in enumerate(whole):
        rows = single[i * len(SEEDS) : (i + 1) * len(SEEDS)]
        joined = {key: np.concatenate([row[key] for row in rows]) for key in result}
        assert_same(joined, result)
        assert_same({key: a[:-1] for key, a in padded[i].items()}, result)


def test_a_seed_is_a_sample_of_its_own(version_dir, in_loader):
    (result,) = in_loader(version_dir, CALLS[:1])["rounds"][0]
    same = [
        (i, j)
        for i in range(len(SEEDS))
        for j in range(i)
        if np.array_equal(result["mean"][i], result["mean"][j])
    ]
    assert same == [(2, 1)]  # the only pair of equal seeds


def test_xla_twins_match_where_xla_is_on(signatures, version_dir, in_loader):
    calls = [(f"{n}_xla", a) for n, a in CALLS if n != "serving_default"]
    for (name, arrays), result in zip(
        calls, in_loader(version_dir, calls, xla=True)["rounds"][0], strict=True
    ):
        assert_same(result, in_python(signatures, name.removesuffix("_xla"), arrays))


def test_xla_twins_fail_with_the_servers_error_where_xla_is_off(version_dir, in_loader):
    ((code, message),) = in_loader(version_dir, [("sample_xla", {"seed": SEEDS})])[
        "rounds"
    ][0]
    assert code == 13  # INTERNAL
    assert message.startswith("XLA compilation disabled")


@pytest.mark.parametrize("xla", [False, True])
def test_bad_requests_get_an_error_that_names_the_input(version_dir, in_loader, xla):
    suffix = "_xla" if xla else ""
    bad = {
        "rank too high": ("sample", {"seed": SEEDS[None]}, "seed"),
        "scalar": ("sample", {"seed": SEEDS[0]}, "seed"),
        "wrong size": ("decode", {"z": Z[:, :2]}, r"z\w* \[7,2\] .* \[\?,3\]"),
        "no batch": ("encode", {"x": X[0]}, r"x\w* \[16\] .* \[\?,16\]"),
        "rows": ("reconstruct", {"x": X, "seed": SEEDS[:3]}, "same number of rows"),
        "dtype": ("sample", {"seed": SEEDS.astype(np.int32)}, "to be int64 but int32"),
        "float seed": ("sample", {"seed": SEEDS.astype(float)}, "to be int64 but dou"),
        "missing": ("reconstruct", {"x": X}, r"takes \['seed', 'x'\]"),
        "unknown": ("sample", {"seeds": SEEDS}, r"takes \['seed'\]"),
        "signature": ("samples", {"seed": SEEDS}, "must be one of"),
    }
    calls = [(name + suffix, arrays) for name, arrays, _ in bad.values()]
    results = in_loader(version_dir, calls, xla=xla)["rounds"][0]
    for (kind, (_, _, message)), result in zip(bad.items(), results, strict=True):
        assert isinstance(result, tuple), kind
        code, text = result
        assert code in (3, "KeyError"), kind  # 3 is INVALID_ARGUMENT
        with pytest.raises(ValueError, match=message):
            raise ValueError(text)


def test_odd_values_have_defined_results(version_dir, in_loader):
    holed = X.copy()
    holed[1, 2] = np.nan
    calls = [
        ("sample", {"seed": SEEDS[:0]}),
        ("reconstruct", {"x": X[:0], "seed": SEEDS[:0]}),
        ("encode", {"x": holed}),
        ("encode", {"x": X}),
    ]
    empty, none, with_nan, without = in_loader(version_dir, calls)["rounds"][0]
    assert empty["samples"].shape == (0, 16)
    assert none["mean"].shape == (0, 16)
    assert np.isnan(with_nan["mean"][1]).all()  # NaN stays in the row it came in
    others = np.arange(len(SEEDS)) != 1
    np.testing.assert_array_equal(with_nan["mean"][others], without["mean"][others])


def test_the_loader_lists_what_was_exported(version_dir, in_loader):
    names = {"sample", "decode", "encode", "reconstruct"}
    twins = {f"{name}_xla" for name in names}
    listed = in_loader(version_dir, [])["signatures"]
    assert set(listed) == names | twins | {"serving_default"}


def test_a_constant_held_by_a_signature_is_served(tmp_path, in_loader):
    table = tf.constant(RNG.normal(size=[3, 2]).astype(np.float32))
    signature = serving.Signature(
        lambda z: {"mean": z @ table}, {"z": tf.TensorSpec([None, 3], tf.float32)}
    )
    path = serving.export(tmp_path / "constant", {"decode": signature})
    (result,) = in_loader(path, [("decode", {"z": Z})])["rounds"][0]
    np.testing.assert_allclose(result["mean"], Z @ table.numpy(), atol=1e-6)
