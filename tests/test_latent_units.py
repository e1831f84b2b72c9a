"""Each unit's KL and the number of active units, against closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.callbacks import LatentUnits
from tfgen.losses import ELBO
from tfgen.models import VAE

tfd = tfp.distributions

MODEL = LinearGaussian()
_, X = MODEL.sample(48)


def gaussian_kl(mean, stddev):
    """KL(N(mean, stddev^2) || N(0, 1)), written out."""
    return 0.5 * (mean**2 + stddev**2 - 1.0) - np.log(stddev)


def held(vae, loss=None, x=X, **options):
    """An epoch in which the weights stand still: the callback, and the logs."""
    options = options or {"run_eagerly": True}
    vae.compile(keras.optimizers.SGD(0.0), loss or ELBO(), **options)
    units = LatentUnits()
    fit = vae.fit(x, batch_size=20, epochs=1, callbacks=[units], verbose=0)
    return units, fit.history


@pytest.mark.parametrize(
    "options",
    [{"run_eagerly": True}, {"jit_compile": False, "steps_per_execution": 2}],
)
def test_correlated_units_have_the_kl_of_their_marginals(options):
    units, logs = held(MODEL.vae(), **options)
    stddev = np.sqrt(np.diag(MODEL.posterior_covariance))
    expected = gaussian_kl(MODEL.posterior_mean(X), stddev).mean(axis=0)
    np.testing.assert_allclose(units.kl[0], expected, rtol=1e-4)
    assert logs["active_units"] == [3]


def encoder_of(layer, seed=0, num_units=3):
    size = layer.params_size(num_units)
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input([10]), keras.layers.Dense(size), layer(num_units)])


def test_independent_units_add_up_to_the_kl_that_is_logged():
    vae = VAE(encoder_of(tfgen.layers.MultivariateNormalDiag), MODEL.decoder())
    units, logs = held(vae)
    assert units.kl[0].shape == (3,)
    assert units.kl[0].sum() == pytest.approx(logs["kl"][0], rel=1e-5)


def test_active_units_are_those_of_the_evaluation():
    encoder = encoder_of(tfgen.layers.MultivariateNormalDiag)
    kernel, bias = encoder.layers[0].get_weights()
    kernel[:, 1] = 0.0  # unit 1 does not look at x
    kernel[:, 2] *= 0.05
    encoder.layers[0].set_weights([kernel, bias + 30.0])  # far from 0
    vae = VAE(encoder, MODEL.decoder())
    _, logs = held(vae)
    expected = tfgen.evaluation.active_units(vae, X)
    assert 0 < expected.num_active < 3
    assert logs["active_units"] == [expected.num_active]
    variance = vae.latent_watch.variance["z"]
    shrunk = expected.variance * (len(X) - 1) / len(X)
    np.testing.assert_allclose(variance, shrunk, rtol=1e-3, atol=1e-9)


def test_weighted_examples_count_by_their_weights():
    vae = MODEL.vae()
    vae.compile(keras.optimizers.SGD(0.0), ELBO(), run_eagerly=True)
    units = LatentUnits()
    weight = np.arange(len(X)) % 3
    vae.fit(X, sample_weight=weight, callbacks=[units], verbose=0)
    stddev = np.sqrt(np.diag(MODEL.posterior_covariance))
    kl = gaussian_kl(MODEL.posterior_mean(X), stddev)
    np.testing.assert_allclose(units.kl[0], weight @ kl / weight.sum(), rtol=1e-4)


def test_a_kl_without_a_closed_form_is_averaged_over_the_draws():
    vae = VAE(encoder_of(tfgen.layers.IndependentLogistic), MODEL.decoder())
    kernel, bias = vae.encoder.layers[0].get_weights()
    vae.encoder.layers[0].set_weights([0.2 * kernel, bias])
    units, _ = held(vae, ELBO(num_samples=2000))
    base = tfgen.layers.unwrap(vae.encode(X)).distribution
    loc, scale = base.loc.numpy(), base.scale.numpy()
    # E log q = -log s - 2 and E z^2 = loc^2 + (pi s)^2 / 3, of a logistic distribution.
    log_q = -np.log(scale) - 2.0
    second = loc**2 + (np.pi * scale) ** 2 / 3
    log_p = -0.5 * (second + np.log(2 * np.pi))
    # 96,000 draws, of log q - log p with a spread below 4: 5 standard errors.
    expected = (log_q - log_p).mean(axis=0)
    np.testing.assert_allclose(units.kl[0], expected, atol=5 * 4 / np.sqrt(96_000))


def ladder():
    """q(b|x) q(a|x, b), p(b) p(a|b); a has 2 units and b has 3."""
    layer = tfgen.layers.MultivariateNormalDiag
    dense = lambda size: keras.layers.Dense(size, kernel_initializer=near_0)
    near_0 = keras.initializers.RandomNormal(stddev=0.1, seed=1)
    x, b = keras.Input([10], name="x"), keras.Input([3], name="b")
    first = keras.Model(x, layer(3)(dense(6)(x)))
    both = keras.layers.Concatenate()([x, b])
    second = keras.Model([x, b], layer(2)(dense(4)(both)))
    encoder = tfgen.layers.JointDistribution({"b": first, "a": second})
    given_b = keras.Input([3], name="b")
    prior = tfgen.layers.JointDistribution(
        {
            "b": tfd.MultivariateNormalDiag(tf.zeros([3])),
            "a": keras.Model(given_b, layer(2)(dense(4)(given_b))),
        }
    )
    a = keras.Input([2], name="a")
    out = tfgen.layers.IndependentNormal([10])(keras.layers.Dense(20)(a))
    return VAE(encoder, keras.Model(a, out), prior)


def test_of_latents_in_a_chain_each_has_its_own_and_they_add_up():
    keras.utils.set_random_seed(1)
    units, logs = held(ladder(), ELBO(num_samples=500))
    (kl,) = units.kl
    assert {name: value.shape for name, value in kl.items()} == {"b": (3,), "a": (2,)}
    total = sum(value.sum() for value in kl.values())
    # The KL that is logged is averaged over draws too, of log q - log p itself: its spread
    # is below 10 nats, over 24,000 draws.
    assert total == pytest.approx(logs["kl"][0], abs=5 * 10 / np.sqrt(24_000))
    assert "active_units_b" not in logs  # a's mean has no closed form


def test_discrete_units_have_theirs_in_closed_form():
    layer = tfgen.layers.IndependentBernoulli
    keras.utils.set_random_seed(0)
    encoder = keras.Sequential([keras.Input([10]), keras.layers.Dense(3), layer([3])])
    prior = tfgen.layers.LearnedPrior(layer([3]))
    vae = VAE(encoder, MODEL.decoder(), prior)
    units, _ = held(vae, ELBO(estimator="enumerate"))
    q = vae.encode(X).mean().numpy()
    p = vae.prior.mean().numpy()
    expected = q * np.log(q / p) + (1 - q) * np.log((1 - q) / (1 - p))
    np.testing.assert_allclose(units.kl[0], expected.mean(axis=0), rtol=1e-4)


def test_an_early_stop_can_look_at_the_active_units():
    vae = MODEL.vae()
    vae.compile(keras.optimizers.SGD(0.0), ELBO(), run_eagerly=True)
    stop = keras.callbacks.EarlyStopping("active_units", patience=1, mode="max")
    fit = vae.fit(X, epochs=9, callbacks=[LatentUnits(), stop], verbose=0)
    assert fit.history["active_units"] == [3, 3]


def test_what_has_no_units_is_refused_with_the_way_out():
    generator = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
    discriminator = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    gan = tfgen.models.GAN(generator, discriminator, 2)
    gan.compile(run_eagerly=True)
    with pytest.raises(TypeError, match=r"`LatentUnits` looks at .*received a GAN"):
        gan.fit(np.zeros([4, 2], "float32"), callbacks=[LatentUnits()], verbose=0)
    with pytest.raises(ValueError, match="`threshold` must be positive"):
        LatentUnits(0.0)
