"""Noise: known answers, one law, the same numbers however they are drawn."""

import concurrent.futures
import random as python_random
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

import tfgen
from tfgen import random
from tfgen.models.generative import GenerativeModel

KNOWN_ANSWERS = [  # Random123, kat_vectors: threefry2x32 20
    ((0x0, 0x0), (0x0, 0x0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def draw(seed, step=0, rows=256, size=33):
    return random.normal(random.row_keys(seed, step, tf.range(rows)), [size], 2)


def words(pair):
    return tuple(tf.constant(word, tf.uint32) for word in pair)


@pytest.mark.parametrize(("key", "counter", "answer"), KNOWN_ANSWERS)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_threefry_gives_the_known_answers(key, counter, answer, jit_compile):
    block = tf.function(random.threefry2x32, jit_compile=jit_compile)
    assert tuple(map(int, block(words(key), words(counter)))) == answer


@pytest.mark.parametrize("function", [random.normal, random.uniform])
def test_the_same_numbers_eager_in_a_graph_and_under_xla(function):
    def numbers(seed):
        return function(random.row_keys(seed, 5, tf.range(4096)), [50])

    seed = tf.constant(11, tf.int64)
    eager = numbers(seed)
    for jit_compile in (False, True):
        compiled = tf.function(numbers, jit_compile=jit_compile)(seed)
        np.testing.assert_allclose(compiled, eager, rtol=0, atol=1e-6)


def test_a_row_is_the_same_in_another_batch_and_another_number_of_samples():
    whole = draw(3).numpy()
    keys = random.row_keys(3, 0, tf.constant([200, 7]))
    part = random.normal(keys, [33], 1, first_sample=1)
    np.testing.assert_array_equal(part[0], whole[1, [200, 7]])


def test_seed_step_row_and_sample_each_change_the_numbers():
    rows = tf.range(2)
    base = random.normal(random.row_keys(1, 1, rows), [4], 2).numpy()
    others = [random.row_keys(2, 1, rows), random.row_keys(1, 2, rows)]
    draws = [base, *(random.normal(key, [4], 2).numpy() for key in others)]
    flat = np.concatenate([d.reshape(-1, 4) for d in draws])
    assert len(np.unique(flat.round(6))) == flat.size


def test_seeds_beyond_32_bits_and_negative_seeds_differ():
    seeds = [0, 2**32, 2**63 - 1, -1, -(2**63), -(2**32)]
    keys = random.key(seeds).numpy()
    assert len({tuple(key) for key in keys}) == len(seeds)
    assert draw(2**63 - 1, rows=1, size=1).shape == (2, 1, 1)


def test_uniforms_are_the_middles_of_2_to_the_23_parts():
    u = random.uniform(random.key(0), [1_000_000]).numpy().astype(np.float64)
    parts = u * 2**23 - 0.5
    np.testing.assert_array_equal(parts, np.round(parts))
    assert 0 < u.min() < 1e-5
    assert 1 - 1e-5 < u.max() < 1
    # Kolmogorov's distribution: P(D sqrt(n) > 1.95) = 0.001.
    assert stats.kstest(u, "uniform").statistic * np.sqrt(u.size) < 1.95


def test_normals_have_the_moments_and_the_tails_of_normals():
    z = random.normal(random.row_keys(0, 0, tf.range(1000)), [1000]).numpy()
    z = z.ravel().astype(np.float64)
    n = z.size
    # Standard errors of the first four moments of N(0, 1): sqrt of 1, 2, 15, 96 over n.
    for power, moment, variance in [(1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)]:
        assert abs((z**power).mean() - moment) < 4 * np.sqrt(variance / n)
    for threshold in (2.0, 3.0, 4.0):
        p = stats.norm.sf(threshold)
        for tail in ((z > threshold).mean(), (z < -threshold).mean()):
            assert abs(tail - p) < 4 * np.sqrt(p / n)
    assert stats.kstest(z, "norm").statistic * np.sqrt(n) < 1.95


def test_the_quantile_agrees_with_scipy_into_the_tails():
    u = np.concatenate([np.logspace(-7, -0.31, 400), 1 - np.logspace(-7, -0.31, 400)])
    u = np.round(u * 2**23 - 0.5).clip(0, 2**23 - 1) / 2**23 + 2.0**-24
    z = random._normal_quantile(tf.constant(u, tf.float32))
    np.testing.assert_allclose(z, stats.norm.ppf(u), rtol=2e-6, atol=2e-7)


def test_a_draw_is_few_operations_of_a_graph_whose_shapes_are_known():
    # Tracing takes time for each: 165 a Threefry, 70 a quantile, if they were written out.
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def draw(rows):
        z = random.normal(random.row_keys(0, 7, rows), [5], num_samples=3)
        shapes.append(z.shape.as_list())
        return z

    assert len(draw.get_concrete_function().graph.get_operations()) < 100
    assert shapes == [[3, None, 5]]
    expected = random.normal(random.row_keys(0, 7, tf.range(4)), [5], num_samples=3)
    np.testing.assert_allclose(draw(tf.range(4)), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("neighbour", ["seed", "step", "row", "sample", "element"])
def test_neighbours_are_independent(neighbour):
    n = 200_000
    if neighbour == "element":
        x = random.normal(random.key(1), [2 * n]).numpy()
        pairs = [(x[:n], x[n:]), (x[:-1], x[1:])]
    elif neighbour == "sample":
        x = random.normal(random.key(1), [n], 2).numpy()
        pairs = [(x[0], x[1])]
    else:
        if neighbour == "seed":
            keys = random.key(tf.range(n + 1, dtype=tf.int64))
        elif neighbour == "step":
            keys = random.row_keys(9, tf.range(n + 1), 0)
        else:
            keys = random.row_keys(9, 0, tf.range(n + 1))
        x = random.normal(keys, [1]).numpy()[:, 0]
        pairs = [(x[:-1], x[1:])]
    for a, b in pairs:
        for f in (lambda v: v, np.abs, np.square):
            correlation = np.corrcoef(f(a), f(b))[0, 1]
            assert abs(correlation) < 4 / np.sqrt(len(a))


def test_a_fresh_seed_is_fresh_and_follows_keras_utils_set_random_seed():
    assert random.fresh_seed() != random.fresh_seed()
    keras.utils.set_random_seed(4)
    first = random.fresh_seed()
    keras.utils.set_random_seed(4)
    assert random.fresh_seed() == first
    python_random.seed()


@pytest.mark.parametrize(
    ("seed", "error"), [(0.5, TypeError), ("a", TypeError), (2**64, ValueError)]
)
def test_a_seed_that_is_no_64_bit_integer_is_refused(seed, error):
    with pytest.raises(error, match=r"`seed` must be"):
        random.key(seed)


def test_a_float_tensor_is_no_seed():
    with pytest.raises(TypeError, match="float32"):
        random.key(tf.constant(1.0))


def test_other_dtypes_are_the_same_numbers_cast():
    key = random.key(1)
    single = random.normal(key, [9])
    assert random.normal(key, [9], dtype=tf.float64).dtype == tf.float64
    np.testing.assert_array_equal(
        random.normal(key, [9], dtype=tf.float16), tf.cast(single, tf.float16)
    )


def in_threads(draw, threads=16, draws=5):
    """What `draw` gave, called by several threads at once."""
    start = threading.Barrier(threads)

    def work(_):
        start.wait()
        return [draw() for _ in range(draws)]

    with concurrent.futures.ThreadPoolExecutor(threads) as executor:
        return [value for values in executor.map(work, range(threads)) for value in values]


# Without the lock, 4 to 14 of 80 draws are repeated, ten times of ten.
@pytest.mark.slow
@pytest.mark.parametrize("taken_by", ["next_key", "model", "layer"])
def test_no_two_threads_draw_the_same_numbers(taken_by):
    generator = keras.random.SeedGenerator(0)
    model = GenerativeModel()
    layer = tfgen.layers.MultivariateNormalDiag(2)
    posterior = layer.distribution(tf.zeros([4]))
    draw = {
        "next_key": lambda: random.next_key(generator).numpy().tobytes(),
        "model": lambda: model._keys(None, 2).numpy().tobytes(),
        "layer": lambda: posterior.sample().numpy().tobytes(),
    }[taken_by]
    for _ in range(10):
        drawn = in_threads(draw)
        assert len(set(drawn)) == len(drawn) == 80


def test_keys_of_a_generator_go_by_its_seed_and_its_count():
    generator = keras.random.SeedGenerator(7)
    for count in range(3):
        expected = random.row_keys(7, count, 5)
        np.testing.assert_array_equal(
            random.fold_in(random.next_key(generator), 5), expected
        )
