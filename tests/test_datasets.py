import builtins
import gzip
import pathlib
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgen import datasets


def write_idx(filepath, array, magic=None):
    magic = 0x0800 + array.ndim if magic is None else magic
    header = struct.pack(f">{1 + array.ndim}i", magic, *array.shape)
    with gzip.open(filepath, "wb") as file:
        file.write(header + array.tobytes())


@pytest.fixture
def fashion_directory(tmp_path):
    """Fashion-MNIST's four files, holding seven and three random images."""
    rng = np.random.default_rng(0)
    content = {}
    for name, num in (("train", 7), ("t10k", 3)):
        images = rng.integers(0, 256, [num, 28, 28], dtype=np.uint8)
        labels = rng.integers(0, 10, [num], dtype=np.uint8)
        write_idx(tmp_path / f"{name}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{name}-labels-idx1-ubyte.gz", labels)
        content[name] = images, labels
    return tmp_path, content


def test_digits_are_scikit_learns_each_once():
    from sklearn.datasets import load_digits

    expected, classes = load_digits(return_X_y=True)
    train, test = datasets.load_digits("counts", labels=True)
    images = np.concatenate([train[0], test[0]]).reshape(-1, 64)
    labels = np.concatenate([train[1], test[1]])
    received = np.column_stack([images, labels])
    expected = np.column_stack([expected, classes])
    order = lambda rows: rows[np.lexsort(rows.T)]
    np.testing.assert_array_equal(order(received), order(expected))


def test_digits_hold_out_a_fifth_of_every_class():
    (_, y_train), (_, y_test) = datasets.load_digits(labels=True)
    total = np.bincount(y_train) + np.bincount(y_test)
    np.testing.assert_allclose(np.bincount(y_test), total / 5, atol=1)


def test_digits_split_follows_the_seed_alone():
    first, _ = datasets.load_digits(seed=1)
    np.random.seed(123)
    again, _ = datasets.load_digits(seed=1)
    other, _ = datasets.load_digits(seed=2)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_kinds_are_the_same_images_on_their_own_scales():
    counts, _ = datasets.load_digits("counts")
    unit, _ = datasets.load_digits("unit")
    binary, _ = datasets.load_digits("binary")
    assert set(np.unique(counts)) == set(range(17))
    np.testing.assert_array_equal(unit * 16, counts)
    np.testing.assert_array_equal(binary, counts >= 8)
    assert {image.dtype.name for image in (counts, unit, binary)} == {"float32"}


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"`kind` must be .*; received 'grey'"):
        datasets.load_digits("grey")


def test_digits_without_scikit_learn_name_the_extra(monkeypatch):
    real_import = builtins.__import__

    def no_sklearn(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_sklearn)
    with pytest.raises(ImportError, match=r"tfgen\[examples\]"):
        datasets.load_digits()


def test_fashion_mnist_reads_the_bytes_of_the_files(fashion_directory):
    directory, content = fashion_directory
    train, test = datasets.load_fashion_mnist("counts", labels=True, directory=directory)
    for (images, labels), name in ((train, "train"), (test, "t10k")):
        np.testing.assert_array_equal(images[..., 0], content[name][0])
        np.testing.assert_array_equal(labels, content[name][1])


@pytest.mark.parametrize("magic", [0x0801, 0x0D03])
def test_fashion_mnist_refuses_a_file_of_another_type(fashion_directory, magic):
    directory, content = fashion_directory
    filepath = directory / "t10k-images-idx3-ubyte.gz"
    write_idx(filepath, content["t10k"][0], magic)
    with pytest.raises(ValueError, match=r"t10k-images.* must be an IDX file"):
        datasets.load_fashion_mnist(directory=directory)


def test_fashion_mnist_refuses_a_file_cut_short(fashion_directory):
    directory, _ = fashion_directory
    filepath = directory / "train-labels-idx1-ubyte.gz"
    whole = gzip.decompress(filepath.read_bytes())
    filepath.write_bytes(gzip.compress(whole[:-1]))
    with pytest.raises(ValueError, match=r"\[2049, 7\], followed by 6 bytes"):
        datasets.load_fashion_mnist(directory=directory)


def test_fashion_mnist_comes_through_keras_where_there_is_no_directory(monkeypatch):
    images = np.full([2, 28, 28], 255, np.uint8)
    parts = (images, np.zeros(2, np.uint8)), (images[:1], np.zeros(1, np.uint8))
    monkeypatch.setattr(keras.datasets.fashion_mnist, "load_data", lambda: parts)
    x_train, x_test = datasets.load_fashion_mnist("unit", directory="/nowhere")
    np.testing.assert_array_equal(x_train, np.ones([2, 28, 28, 1]))
    assert x_test.shape == (1, 28, 28, 1)


@pytest.mark.parametrize(
    ("load", "module", "hint"),
    [
        (datasets.load_mnist, keras.datasets.mnist, "mnist.npz"),
        (
            lambda: datasets.load_fashion_mnist(directory="/nowhere"),
            keras.datasets.fashion_mnist,
            "apt-get install dataset-fashion-mnist",
        ),
    ],
)
def test_data_that_cannot_be_had_say_how_to_get_them(monkeypatch, load, module, hint):
    def offline():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(module, "load_data", offline)
    with pytest.raises(OSError, match=f"URL fetch failure.*{hint}"):
        load()


def test_mnist_is_keras_mnist(monkeypatch):
    images = np.arange(28 * 28 * 2).reshape(2, 28, 28).astype("uint8")
    parts = (images, np.array([3, 4], "uint8")), (images[:1], np.array([3], "uint8"))
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: parts)
    (x_train, y_train), _ = datasets.load_mnist("counts", labels=True)
    np.testing.assert_array_equal(x_train[..., 0], images)
    np.testing.assert_array_equal(y_train, [3, 4])
    binary, _ = datasets.load_mnist()
    np.testing.assert_array_equal(binary[..., 0], images >= 128)


@pytest.mark.skipif(
    not pathlib.Path(datasets.DEBIAN_FASHION_MNIST).is_dir(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_fashion_mnist_of_debians_package_is_the_published_set():
    (x_train, y_train), (x_test, y_test) = datasets.load_fashion_mnist("unit", labels=True)
    assert x_train.shape == (60000, 28, 28, 1)
    assert x_test.shape == (10000, 28, 28, 1)
    np.testing.assert_array_equal(np.bincount(y_train), np.full(10, 6000))
    np.testing.assert_array_equal(np.bincount(y_test), np.full(10, 1000))
    # The mean intensity that users of the set normalise by.
    np.testing.assert_allclose(x_train.mean(dtype="float64"), 0.2860, atol=5e-5)


def test_static_mnist_is_unpacked_most_significant_bit_first(tmp_path):
    rows = np.zeros([2, 98], np.uint8)
    rows[1, 3] = 0b10000001  # pixels 24 and 31: row 0 column 24, row 1 column 3
    np.savez(tmp_path / "mnist.npz", train=rows, valid=rows[:1], test=rows[1:])
    x_train, x_valid, x_test = datasets.load_static_mnist(tmp_path / "mnist.npz")
    assert [part.shape[0] for part in (x_train, x_valid, x_test)] == [2, 1, 1]
    np.testing.assert_array_equal(np.argwhere(x_train[..., 0]), [[1, 0, 24], [1, 1, 3]])
    np.testing.assert_array_equal(np.argwhere(x_test[..., 0]), [[0, 0, 24], [0, 1, 3]])


def test_static_mnist_of_the_benchmark_has_its_sizes(shared_data):
    parts = datasets.load_static_mnist(shared_data / "static_mnist.npz")
    assert [part.shape for part in parts] == [
        (num, 28, 28, 1) for num in (50_000, 10_000, 10_000)
    ]
    for part in parts:
        assert set(np.unique(part[:1000])) == {0.0, 1.0}
        # An upright image, were the bits in another order it would be noise: the
        # border is empty, the middle is not.
        assert part[:, 0].mean() < 1e-3
        assert part[:, 14, 14].mean() > 0.3


def test_static_mnist_refuses_another_file(tmp_path):
    np.savez(tmp_path / "x.npz", train=np.zeros([2, 784], np.uint8))
    with pytest.raises(ValueError, match=r"`filepath` must hold .*\(784,\)"):
        datasets.load_static_mnist(tmp_path / "x.npz")


def ring_log_density(x):
    """By hand, in float64: eight modes of radius 2 and standard deviation 0.1."""
    angles = np.arange(8) * np.pi / 4
    modes = 2 * np.stack([np.cos(angles), np.sin(angles)], -1)
    squares = np.sum((x[:, None] - modes) ** 2, -1)
    terms = -squares / 0.02 - np.log(2 * np.pi * 0.01) - np.log(8)
    return np.logaddexp.reduce(terms, axis=1)


def test_ring_density_equals_the_formula():
    x = np.random.default_rng(0).uniform(-2.5, 2.5, [100, 2])
    received = datasets.ring_distribution().log_prob(x.astype("float32"))
    np.testing.assert_allclose(received, ring_log_density(x), rtol=2e-5)


def test_ring_samples_visit_every_mode_equally():
    x = datasets.ring_of_gaussians(8000)
    angle = np.arctan2(x[:, 1], x[:, 0])
    counts = np.bincount(np.rint(angle / (np.pi / 4)).astype(int) % 8, minlength=8)
    # Standard error of each count: sqrt(8000 / 8 * 7 / 8) = 30.
    np.testing.assert_allclose(counts, 1000, atol=4 * 30)
    # E |x|^2 = radius^2 + 2 stddev^2 = 4.02; standard deviation of |x|^2 about 0.4.
    assert abs(np.mean(np.sum(x**2, -1)) - 4.02) < 4 * 0.4 / np.sqrt(8000)


def test_two_gaussians_have_their_moments():
    x = datasets.two_gaussians(10_000)
    # Var x = 4.25 and Var x^2 = E x^4 - 4.25^2 = 4.125: standard errors.
    assert abs(x.mean()) < 4 * np.sqrt(4.25 / 10_000)
    assert abs(np.mean(x**2) - 4.25) < 4 * np.sqrt(4.125 / 10_000)


def test_two_gaussians_density_equals_the_formula():
    x = np.linspace(-4, 4, 41)
    terms = [-((x - m) ** 2) / 0.5 - np.log(0.5 * np.sqrt(2 * np.pi)) for m in (-2, 2)]
    expected = np.logaddexp(*terms) - np.log(2)
    mixture = datasets.two_gaussians_distribution()
    received = mixture.log_prob(x[:, None].astype("float32"))
    np.testing.assert_allclose(received, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "draw",
    [datasets.ring_of_gaussians, datasets.two_gaussians],
    ids=lambda f: f.__name__,
)
def test_toy_samples_follow_their_seed_alone(draw):
    first = draw(50, seed=3)
    tf.random.set_seed(99)
    tf.random.normal([7])
    np.testing.assert_array_equal(draw(50, seed=3), first)
    assert (draw(50, seed=4) != first).all()


def test_toy_densities_refuse_what_is_none():
    with pytest.raises(ValueError, match="`num_modes` must be at least 1; received 0"):
        datasets.ring_distribution(num_modes=0)
    with pytest.raises(ValueError, match="`stddev` must be positive; received 0"):
        datasets.two_gaussians_distribution(stddev=0.0)
