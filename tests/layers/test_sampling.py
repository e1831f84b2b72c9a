"""Draws by key, beyond what the sweep over the families covers."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy import stats

import tfgen
from tfgen.layers.poisson import poisson_quantile

tfd = tfp.distributions

KEYS = tfgen.random.row_keys(0, 0, tf.range(4))


@pytest.mark.parametrize("rate", [1e-3, 0.5, 3.0, 40.0, 2e4, 1e5, 1e6, 1e9])
def test_poisson_quantiles_are_scipys(rate):
    u = np.concatenate([[2**-24], np.linspace(1e-4, 1 - 1e-4, 997), [1 - 2**-24]])
    k = poisson_quantile(tf.constant(u), tf.constant(rate, tf.float64)).numpy()
    away = np.abs(k - stats.poisson.ppf(u, rate))
    # Above 1e5 an expansion: in the tail it may differ by one count.
    assert np.sum(away) <= (0 if rate < 1e5 else 2)


@pytest.mark.parametrize("rate", [1e4, 2e6, 1e9])
def test_poisson_draws_have_the_mean_and_the_variance_of_their_rate(rate):
    count = 200_000
    keys = tfgen.random.row_keys(3, 0, tf.range(count))
    k = tfgen.layers.sample(tfd.Poisson(np.full(count, rate)), keys).numpy()
    # The fourth central moment is rate + 3 rate^2.
    assert abs(k.mean() - rate) < 4 * np.sqrt(rate / count)
    assert abs(k.var() - rate) < 4 * np.sqrt((rate + 2 * rate**2) / count)


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
    np.testing.assert_allclose(draws[:, 2:], part, rtol=1e-6, atol=1e-6)
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
    np.testing.assert_allclose(
        tfgen.layers.sample(prior, KEYS, 3), expected, rtol=1e-6, atol=1e-6
    )
    z, log_prob = tfgen.layers.sample_and_log_prob(prior, KEYS, 3)
    np.testing.assert_allclose(z, expected, rtol=1e-6, atol=1e-6)
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


# A family outside the table.


class Inverse(tfd.InverseGamma):
    """A class of our own, so that `tfd.InverseGamma` stays without a rule."""

    def _quantile(self, value):
        return self.scale / -tf.math.log(value)  # at concentration 1


@tfgen.layers.register_draw(Inverse)
def draw_inverse(distribution, noise, own):
    return distribution.quantile(noise.uniform(own, distribution.dtype))


def test_a_registered_family_is_drawn_by_the_rows_keys():
    inner = Inverse(1.0, tf.constant([[0.1, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]))
    q = tfd.Independent(inner, 1)
    assert tfgen.layers.is_keyed_by_row(q)
    assert not tfgen.layers.is_keyed_by_row(tfd.InverseGamma(1.0, 1.0))
    draws = tfgen.layers.sample(q, KEYS, 3)
    uniform = tfgen.random.uniform(KEYS, [2], 3)
    np.testing.assert_allclose(draws, inner.quantile(uniform), rtol=1e-6, atol=1e-6)
    mixture = tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros([4, 2])), inner)
    assert tfgen.layers.sample(mixture, KEYS, 3).shape == (3, 4)


def test_only_a_class_of_distributions_has_draws():
    with pytest.raises(TypeError, match="`family` must be a subclass of"):
        tfgen.layers.register_draw(tfd.Normal(0.0, 1.0))


def test_unwrap_gives_tfps_distribution():
    q = tfgen.layers.MultivariateNormalDiag(2)(tf.zeros([3, 4]))
    assert tfgen.layers.unwrap(q) is q.tensor_distribution
    assert tfgen.layers.unwrap(q.tensor_distribution) is q.tensor_distribution
