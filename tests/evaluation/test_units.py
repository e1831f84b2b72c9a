"""Active units: variances of posterior means that are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import active_units
from tfgen.evaluation.units import _posterior_means

tfd = tfp.distributions

MODEL = LinearGaussian()
_, X = MODEL.sample(40)


def test_units_count_as_active_by_the_variance_of_their_means():
    layer = tfgen.layers.MultivariateNormalDiag(3)
    encoder = keras.Sequential([keras.Input([2]), keras.layers.Dense(6), layer])
    kernel = np.zeros([2, 6])
    kernel[0, 0], kernel[1, 1], kernel[0, 2] = 1.0, 0.05, 0.2
    encoder.layers[0].set_weights([kernel, np.ones(6)])
    decoder = keras.Sequential(
        [keras.Input([3]), keras.layers.Dense(4), tfgen.layers.IndependentNormal([2])]
    )
    x = np.random.default_rng(0).normal(size=[3000, 2]).astype("float32")
    units = active_units(tfgen.models.VAE(encoder, decoder), x)
    expected = np.array([1.0, 0.05, 0.2]) ** 2 * x[:, [0, 1, 0]].var(0, ddof=1)
    np.testing.assert_allclose(units.variance, expected, rtol=1e-4)
    assert units.is_active.tolist() == [True, False, True]
    assert units.num_active == 2


class WithoutMean(tfd.MultivariateNormalDiag):
    """A normal law that keeps its mean to itself, as a flow does."""

    def _mean(self):
        raise NotImplementedError


def variance_of_means(slope, rows, seed):
    """The estimate for q = N(slope x, 1), x ~ N(0, 1), by draws."""
    x = np.random.default_rng(seed).normal(size=[rows, 1]).astype("float32")
    layer = tfgen.layers.DistributionLambda(
        lambda t: WithoutMean(slope * t, tf.ones_like(t))
    )
    keys = tfgen.random.row_keys(seed, 0, tf.range(rows))
    found = _posterior_means(layer(tf.constant(x)), keys)["z"]
    return found.mean.var(axis=0, ddof=1) - found.error.mean(axis=0)


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_variance_over_draws_is_unbiased(slope):
    # 40 estimates of 500 rows each; without the subtraction they are 1/64 = .0156 too high.
    estimates = np.concatenate([variance_of_means(slope, 500, seed) for seed in range(40)])
    error = estimates.std(ddof=1) / np.sqrt(40)
    assert error < 0.004
    assert abs(estimates.mean() - slope**2) < 3 * error


def test_collapsed_units_of_a_flow_are_not_active():
    flow = tfgen.layers.InverseAutoregressiveFlow(8)
    encoder = keras.Sequential(
        [keras.Input([10]), keras.layers.Dense(flow.params_size(8)), flow]
    )
    raw = encoder(np.zeros([1, 10], "float32")).raw_parameters.shape[-1]
    encoder.layers[0].set_weights([np.zeros([10, raw]), np.zeros(raw)])
    decoder = keras.Sequential(
        [keras.Input([8]), keras.layers.Dense(20), tfgen.layers.IndependentNormal([10])]
    )
    units = active_units(tfgen.models.VAE(encoder, decoder), np.tile(X, [25, 1]))
    assert units.num_active == 0, units.variance


def test_several_latents_are_reported_by_name():
    # q(z1|x) = N(x_0, 1), q(z2|z1) = N(2 z1, 1): Var_x of the means is 1 and 4, of x's.
    x, z1 = keras.Input([2], name="x"), keras.Input([1], name="z1")
    normal = tfgen.layers.MultivariateNormalDiag(1)
    one = np.log(np.expm1(1.0))
    first, second = keras.layers.Dense(2), keras.layers.Dense(2)
    posterior = tfgen.layers.JointDistribution(
        {
            "z1": keras.Model(x, normal(first(x))),
            "z2": keras.Model(z1, tfgen.layers.MultivariateNormalDiag(1)(second(z1))),
        }
    )
    first.set_weights([np.array([[1.0, 0], [0, 0]]), np.array([0, one])])
    second.set_weights([np.array([[2.0, 0]]), np.array([0, one])])
    prior = tfgen.layers.JointDistribution(
        {name: tfd.MultivariateNormalDiag([0.0], [1.0]) for name in ("z1", "z2")}
    )
    z2 = keras.Input([1], name="z2")
    outputs = tfgen.layers.IndependentNormal([2])(keras.layers.Dense(4)(z2))
    model = tfgen.models.VAE(posterior, keras.Model(z2, outputs), prior)
    data = np.random.default_rng(0).normal(size=[3000, 2]).astype("float32")
    units = active_units(model, data)
    spread = data[:, 0].var(ddof=1)
    # 64 draws a row leave an error of about 2 sqrt(v e / 3000), v the variance, e = 1/64.
    assert units["z1"].variance[0] == pytest.approx(spread, abs=0.02)
    assert units["z2"].variance[0] == pytest.approx(4 * spread, abs=0.1)
    assert units["z2"].is_active.tolist() == [True]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [((X[:1],), r"`x` must hold at least 2"), ((X, 0.0), r"`threshold`.*0\.0")],
)
def test_bad_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        active_units(MODEL.vae(), *arguments)
