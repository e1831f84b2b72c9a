"""Draws by key, beyond what the sweep over the families covers."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tfgen.layers.sampling import _poisson_quantile

tfd = tfp.distributions

KEYS = tfgen.random.row_keys(0, 0, tf.range(4))


@pytest.mark.parametrize("rate", [1e-3, 0.5, 3.0, 40.0, 2e4, 1e6])
def test_poisson_draws_are_quantiles(rate):
    u = np.concatenate([[2**-24], np.linspace(1e-4, 1 - 1e-4, 997), [1 - 2**-24]])
    u = u.astype("float32")
    k = _poisson_quantile(tf.constant(u), tf.constant(rate, tf.float32))
    k = k.numpy().astype("float64")
    exact = tfd.Poisson(np.float64(np.float32(rate)))
    assert np.all(exact.cdf(k).numpy() >= u - 1e-9)
    assert np.all(np.where(k > 0, exact.cdf(k - 1.0), 0.0) < u + 1e-9)
    assert np.all(k == np.floor(k))


def test_poisson_draws_end_where_rates_do_not_make_sense():
    rates = tf.constant([0.0, np.nan, np.inf])
    draws = tfgen.layers.sample(tfd.Poisson(rates), KEYS[:3])
    assert draws[0] == 0
    assert not np.isfinite(draws[1])


@pytest.mark.parametrize(
    "make",
    [
        lambda a: tfd.Gamma(a, 2.0),
        lambda a: tfd.Independent(tfd.Gamma(a[:, None] * [1.0, 2.0], 2.0), 1),
        lambda a: tfd.Gamma(2.0, 3.0),
    ],
    ids=["batch", "independent", "shared"],
)
def test_a_family_without_a_rule_is_drawn_row_by_row(make):
    a = tf.constant([1.0, 2.0, 3.0, 4.0])
    distribution = make(a)
    assert not tfgen.layers.is_keyed_by_row(distribution)
    draws = tfgen.layers.sample(distribution, KEYS, 3)
    assert draws.shape == [3, 4, *distribution.event_shape]
    # Each row has numbers of its own, which do not depend on the others'.
    part = tfgen.layers.sample(make(a[2:]), KEYS[2:], 3)
    np.testing.assert_allclose(draws[:, 2:], part, rtol=1e-6)
    assert len(np.unique(draws)) == tf.size(draws)
    compiled = tf.function(lambda: tfgen.layers.sample(make(a), KEYS, 3))()
    np.testing.assert_allclose(draws, compiled, rtol=1e-5)


def test_a_family_without_a_rule_has_its_own_moments():
    keys = tfgen.random.row_keys(1, 0, tf.range(10))
    draws = tfgen.layers.sample(tfd.Gamma(3.0, 2.0), keys, 2000)
    error = np.sqrt(3 / 4 / 20_000)
    assert abs(np.mean(draws) - 1.5) < 4 * error


@pytest.mark.parametrize(
    "prior",
    [
        tfd.Sample(tfd.Normal(0.0, 1.0), [2]),
        tfd.Independent(tfd.Normal(tf.zeros([2]), 1.0), 1),
        tfd.MultivariateNormalTriL(tf.zeros([2]), tf.eye(2)),
        tfd.TransformedDistribution(
            tfd.MultivariateNormalDiag(tf.zeros([2])), tfp.bijectors.Scale(1.0)
        ),
    ],
    ids=lambda prior: type(prior).__name__,
)
def test_every_spelling_of_a_standard_normal_gives_the_same_draws(prior):
    assert tfgen.layers.is_keyed_by_row(prior)
    expected = tfgen.random.normal(KEYS, [2], 3)
    np.testing.assert_allclose(tfgen.layers.sample(prior, KEYS, 3), expected, rtol=1e-6)
    z, log_prob = tfgen.layers.sample_and_log_prob(prior, KEYS, 3)
    np.testing.assert_allclose(z, expected, rtol=1e-6)
    by_hand = -0.5 * np.sum(expected**2, -1) - np.log(2 * np.pi)
    np.testing.assert_allclose(log_prob, by_hand, rtol=1e-5)


def test_a_mixture_of_mixtures_is_drawn_by_its_weights():
    inner = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[[0.25, 0.75], [0.5, 0.5]]),
        tfd.Normal([[0.0, 10.0], [20.0, 30.0]], 0.1),
    )
    outer = tfd.MixtureSameFamily(tfd.Categorical(probs=[0.4, 0.6]), inner)
    keys = tfgen.random.row_keys(0, 0, tf.range(20_000))
    draws = tfgen.layers.sample(outer, keys).numpy()
    shares = np.bincount(np.round(draws / 10).astype(int)) / len(draws)
    expected = np.array([0.1, 0.3, 0.3, 0.3])
    error = np.sqrt(expected * (1 - expected) / len(draws))
    assert np.max(np.abs(shares - expected) / error) < 4.5


def test_an_unknown_event_shape_is_an_error_that_says_so():
    @tf.function(input_signature=[tf.TensorSpec([4, None])])
    def draw(loc):
        return tfgen.layers.sample(tfd.MultivariateNormalDiag(loc), KEYS)

    with pytest.raises(ValueError, match="static event shape"):
        draw(tf.zeros([4, 2]))
