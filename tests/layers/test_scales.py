"""No scale is 0: densities and gradients at the ends of what a network may say."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

# From far below the floor, through its edge at -27.6, to the largest.
RAW = [-1e30, -1e3, -200.0, -104.0, -88.0, -40.0, -28.0, -27.63, -27.6, -25.0, -21.0]
RAW += [-15.0, -1.0, 0.0, 5.0, 88.0, 1e3, 1e6]
AWAY = [0.0, 1.0, -37.5, 1e3, -9.9e5, 9.9e5]
LAYERS = {
    "MultivariateNormalDiag": (lambda **k: tfl.MultivariateNormalDiag(1, **k), 0),
    "IndependentNormal": (lambda **k: tfl.IndependentNormal(1, **k), 0),
    "IndependentLogistic": (lambda **k: tfl.IndependentLogistic(1, **k), 0),
    "IndependentDiscretizedLogistic": (
        lambda **k: tfl.IndependentDiscretizedLogistic(1, -1_000_000, 1_000_000, **k),
        0,
    ),
    "MultivariateNormalDiagPlusLowRank": (
        lambda **k: tfl.MultivariateNormalDiagPlusLowRank(1, rank=2, **k),
        2,
    ),
    "MaskedAutoregressiveFlow": (
        lambda **k: tfl.MaskedAutoregressiveFlow(1, context_size=0, **k),
        0,
    ),
}


def gradients(make, params, x):
    """log p(x), and its gradients in the parameters and in x."""
    layer = make()
    layer.build(params.shape)
    with tf.GradientTape() as tape:
        tape.watch([params, x])
        log_prob = layer.distribution(params).log_prob(x)
    return [log_prob, *tape.gradient(log_prob, [params, x])]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("loc", [0.0, 1e6])
def test_densities_and_gradients_are_finite(name, dtype, loc):
    make, further = LAYERS[name]
    raw, away = (value.ravel() for value in np.meshgrid(RAW, AWAY))
    discrete = name == "IndependentDiscretizedLogistic"
    raw_loc = np.full_like(raw, loc / 1e6 if discrete else loc)
    factors = np.tile([[1.0, -0.5]], [len(raw), 1])[:, :further]
    params = tf.constant(np.column_stack([raw_loc, raw, factors]), dtype)
    x = (loc if not discrete else 0.0) + np.round(away[:, np.newaxis])
    for value in gradients(lambda: make(dtype=dtype), params, tf.constant(x, dtype)):
        assert np.isfinite(value).all()


@pytest.mark.parametrize("size", [3, 50])
def test_low_rank_with_dependent_columns_is_finite_at_the_floor(size):
    layer = tfl.MultivariateNormalDiagPlusLowRank(size, rank=2)
    for raw in (-200.0, -88.0, -28.0, -27.0):
        params = [np.zeros(size), np.full(size, raw), np.ones(2 * size)]
        params = tf.constant(np.concatenate(params)[np.newaxis], tf.float32)
        x = tf.constant(np.linspace(-1e3, 1e3, size)[np.newaxis], tf.float32)
        for value in gradients(lambda: layer, params, x):
            assert np.isfinite(value).all()


def test_low_rank_at_the_floor_has_the_density_of_numpy():
    factor = np.array([1.0, -0.5, 2.0])
    params = np.concatenate([np.zeros(3), np.full(3, -200.0), factor]).astype("float32")
    x = np.array([[1.0, -0.5, 2.0], [3.0, -1.5, 6.0]], "float32")  # in the range of U
    # S = s I + U U^T; along U its eigenvalue is s + |U|^2, across it s.
    along = 1e-12 + factor @ factor
    expected = (
        -0.5 * np.sum((x / along) ** 2, -1)
        - np.log(along)
        - 2 * np.log(1e-12)
        - 1.5 * np.log(2 * np.pi)
    )
    q = tfl.MultivariateNormalDiagPlusLowRank(3, dtype="float64").distribution(params)
    np.testing.assert_allclose(q.log_prob(x), expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["IndependentNormal", "MultivariateNormalDiag"])
def test_above_the_floor_the_density_is_tfps_to_the_last_bit(name):
    generator = np.random.default_rng(0)
    params = tf.constant(generator.normal(size=[500, 6], scale=6.0), tf.float32)
    x = tf.constant(generator.normal(size=[500, 3]), tf.float32)
    loc, scale = params[:, :3], tf.math.softplus(params[:, 3:])
    by_tfp = {
        "IndependentNormal": tfd.Independent(tfd.Normal(loc, scale), 1),
        "MultivariateNormalDiag": tfd.MultivariateNormalDiag(loc, scale),
    }[name]
    ours = getattr(tfl, name)(3)(params)
    np.testing.assert_array_equal(ours.stddev(), by_tfp.stddev())
    np.testing.assert_array_equal(ours.log_prob(x), by_tfp.log_prob(x))


def test_the_gradient_of_a_normal_is_tfps():
    generator = np.random.default_rng(0)
    params = tf.constant(generator.normal(size=[50, 6], scale=3.0))
    x = tf.constant(generator.normal(size=[4, 50, 3]))

    def found(make):
        with tf.GradientTape() as tape:
            tape.watch([params, x])
            log_prob = make(params[:, :3], params[:, 3:]).log_prob(x)
        return tape.gradient(log_prob, [params, x])

    layer = tfl.IndependentNormal(3, dtype="float64")
    ours = found(lambda loc, raw: layer(tf.concat([loc, raw], -1)))
    theirs = found(
        lambda loc, raw: tfd.Independent(tfd.Normal(loc, tf.math.softplus(raw)), 1)
    )
    for one, exact in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, exact, rtol=1e-9)


# The discretized logistic's moments.


def by_summation(loc, scale, low, high):
    values = np.arange(low, high + 1)
    edges = stats.logistic(loc, scale).sf(values[:-1] + 0.5)  # P(X > value)
    above = np.concatenate([[1.0], edges, [0.0]])
    below = np.concatenate([[0.0], stats.logistic(loc, scale).cdf(values[:-1] + 0.5), [1]])
    # Each probability by the two tails, whichever is the smaller.
    probs = np.where(values > loc, above[:-1] - above[1:], below[1:] - below[:-1])
    mean = np.sum(probs * values)
    return mean, np.sum(probs * (values - mean) ** 2)


@pytest.mark.parametrize("scale", [1e-3, 0.016, 0.1, 0.5, 3.0, 40.0, 1e3])
def test_mean_and_variance_are_those_of_summation(scale):
    locs = np.array([-300.0, -0.6, 0.0, 0.49, 3.5, 100.2, 127.9, 254.51, 255.0, 400.0])
    pixel = tfl.DiscretizedLogistic(locs.astype("float32"), np.float32(scale))
    double = tfl.DiscretizedLogistic(tf.constant(locs), scale)
    exact = np.array([by_summation(loc, scale, 0, 255) for loc in locs])
    np.testing.assert_allclose(double.mean(), exact[:, 0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(double.variance(), exact[:, 1], rtol=1e-6, atol=1e-12)
    assert np.all(pixel.variance().numpy() >= 0)
    np.testing.assert_allclose(pixel.mean(), exact[:, 0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(pixel.variance(), exact[:, 1], rtol=5e-3, atol=1e-6)


def test_no_variance_is_negative():
    locs = np.random.default_rng(0).uniform(-5, 260, 4000).astype("float32")
    pixel = tfl.DiscretizedLogistic(locs, np.float32(0.016))
    assert np.min(pixel.variance()) >= 0
    assert np.isfinite(pixel.stddev()).all()
