"""Families of which TFP has no twin, or of which more is promised than the sweep tests."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

# mu inside, at and beyond the ends; s from far below a bin to beyond the range.
LOC = np.array([-30.0, 0.0, 3.4, 7.5, 15.0, 40.0])
SCALE = np.array([0.02, 0.3, 1.0, 6.0, 50.0])
PIXEL = tfl.DiscretizedLogistic(
    tf.constant(LOC[:, None]), tf.constant(SCALE), low=0, high=15
)
SUPPORT = np.arange(16.0)[:, None, None]


def test_probabilities_of_pixels_sum_to_one():
    np.testing.assert_allclose(np.sum(PIXEL.prob(SUPPORT), 0), 1.0, rtol=1e-12)


def test_probabilities_of_pixels_are_differences_of_the_cdf():
    edges = np.concatenate([[-np.inf], np.arange(15) + 0.5, [np.inf]])[:, None, None]
    logistic = tfd.Logistic(LOC[:, None], SCALE)
    expected = np.diff(logistic.cdf(edges), axis=0)
    np.testing.assert_allclose(PIXEL.prob(SUPPORT), expected, atol=1e-14)
    np.testing.assert_allclose(PIXEL.cdf(SUPPORT), np.cumsum(expected, 0), atol=1e-12)
    assert np.all(PIXEL.cdf(SUPPORT - 16.0) == 0)


def test_moments_and_mode_of_pixels_are_sums_over_the_support():
    p = PIXEL.prob(SUPPORT).numpy()
    mean = np.sum(p * SUPPORT, 0)
    np.testing.assert_allclose(PIXEL.mean(), mean, rtol=1e-9, atol=1e-9)
    variance = np.sum(p * (SUPPORT - mean) ** 2, 0)
    np.testing.assert_allclose(PIXEL.variance(), variance, rtol=1e-6, atol=1e-9)
    at_mode = PIXEL.prob(PIXEL.mode()).numpy()
    np.testing.assert_allclose(at_mode, p.max(0), rtol=1e-9)


def test_far_pixels_keep_their_digits_in_float32():
    far = tfl.DiscretizedLogistic(10.0, 0.2, 0, 255)
    x = np.array([100.0, 200.0], "float32")
    # log P(x) = (mu - x + 1/2) / s + log(1 - exp(-1/s)) to within exp(-400).
    exact = (10 - x.astype("float64") + 0.5) / 0.2 + np.log1p(-np.exp(-5.0))
    np.testing.assert_allclose(far.log_prob(x), exact, rtol=1e-6, atol=1e-6)
    wide = tfl.DiscretizedLogistic(100.0, 1e4, 0, 255)
    exact = tfl.DiscretizedLogistic(np.float64(100), np.float64(1e4), 0, 255)
    np.testing.assert_allclose(
        wide.log_prob(x), exact.log_prob(x.astype("float64")), rtol=1e-6
    )


def test_gradients_of_pixels_are_finite_at_every_value():
    loc, scale = tf.constant(LOC[:, None], tf.float32), tf.constant(SCALE, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch([loc, scale])
        pixel = tfl.DiscretizedLogistic(loc, scale, 0, 15)
        total = tf.reduce_sum(pixel.log_prob(SUPPORT.astype("float32")))
    assert all(
        np.isfinite(gradient).all() for gradient in tape.gradient(total, [loc, scale])
    )


def test_draws_of_pixels_have_their_probabilities():
    pixel = tfl.DiscretizedLogistic(5.2, 2.0, low=3, high=9)
    p = pixel.prob(np.arange(3.0, 10.0, dtype="float32")).numpy()
    keys = tfgen.random.row_keys(0, 0, tf.range(20_000))
    by_key = tfl.sample(pixel, keys).numpy()
    by_tfp = pixel.sample(20_000, seed=(1, 2)).numpy()
    for draws in (by_key, by_tfp):
        shares = np.bincount(draws.astype(int) - 3, minlength=7) / 20_000
        assert np.max(np.abs(shares - p) / np.sqrt(p * (1 - p) / 20_000)) < 4.5


def test_untrained_pixels_span_the_range():
    q = tfl.IndependentDiscretizedLogistic([2, 2])(tf.zeros([1, 8]))
    np.testing.assert_allclose(q.mean(), np.full([1, 2, 2], 127.5), rtol=1e-5)
    ends = q.log_prob(np.array([np.zeros([2, 2]), np.full([2, 2], 255)], "float32"))
    assert np.all(ends > 4 * np.log(1 / 256))


def test_a_mixture_of_pixel_images_has_the_mean_of_its_components():
    layer = tfl.MixtureSameFamily(2, tfl.IndependentDiscretizedLogistic([3]))
    params = np.random.default_rng(0).normal(size=[4, layer._params_size()])
    q = layer(params.astype("float32"))
    weights = np.exp(params[:, :2]) / np.exp(params[:, :2]).sum(-1, keepdims=True)
    means = q.components_distribution.mean().numpy()
    np.testing.assert_allclose(q.mean(), np.einsum("bk,bki->bi", weights, means), rtol=1e-5)


def test_log_mean_of_mixed_categoricals_is_exact_where_the_mean_underflows():
    layer = tfl.CategoricalMixtureOfOneHotCategorical(3, 2)
    params = tf.constant([[0.3, -0.2, 0.0, -200.0, -400.0, 1.0, -190.0, -300.0]])
    q = layer(params)
    exact = params.numpy().astype("float64")[0]
    w = exact[:2] - np.logaddexp.reduce(exact[:2])
    k = exact[2:].reshape(2, 3)
    k -= np.logaddexp.reduce(k, axis=1)[:, None]
    expected = np.logaddexp.reduce(w[:, None] + k, axis=0)
    np.testing.assert_allclose(q.log_mean()[0], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(q.mean()[0], np.exp(expected), atol=1e-7)


@pytest.mark.parametrize("dtype", [None, "int32"])
def test_samples_are_of_the_dtype_asked_for(dtype):
    for layer in (
        tfl.IndependentBernoulli(2, sample_dtype=dtype),
        tfl.OneHotCategorical(2, sample_dtype=dtype),
        tfl.CategoricalMixtureOfOneHotCategorical(2, 1, sample_dtype=dtype),
    ):
        q = layer(tf.zeros([3, layer._params_size()]))
        assert q.sample(seed=0).dtype == (dtype or "float32")
        assert np.isfinite(q.log_prob(q.sample(seed=0))).all()


def test_events_of_any_shape_keep_the_order_of_their_parameters():
    params = np.arange(12.0, dtype="float32")[None]
    q = tfl.IndependentNormal([2, 3])(params)
    np.testing.assert_array_equal(q.mean()[0], np.arange(6.0).reshape(2, 3))
    scalar = tfl.IndependentNormal()(tf.constant([[3.0, 0.0]]))
    assert scalar.event_shape == ()
    np.testing.assert_array_equal(scalar.mean(), [3.0])
