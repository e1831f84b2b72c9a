"""Fitting a prior after training, on models whose aggregate posterior is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian, marginal
from tfgen.models import fit_prior

tfd = tfp.distributions

MODEL = LinearGaussian(event_size=8, latent_size=3)


def shifted_data(num):
    """Data whose z are N(mean, diag) with another mean and spread than the prior's."""
    rng = np.random.default_rng(3)
    z = np.array([1.0, -0.5, 0.3]) + np.array([0.4, 0.7, 0.5]) * rng.normal(size=[num, 3])
    noise = MODEL.sigma * rng.normal(size=[num, MODEL.event_size])
    return (z @ MODEL.w.T + MODEL.b + noise).astype("float32")


X, X_TEST = np.split(shifted_data(1500), [1000])


@pytest.fixture(scope="module")
def fitted():
    keras.utils.set_random_seed(0)
    prior = tfgen.layers.MixturePrior(3, num_components=1)
    vae = MODEL.vae(0.1, 1.2)  # not the posterior: the prior follows q, whatever it is
    weights = vae.get_weights()
    result = fit_prior(vae, X, prior, X_TEST, steps=400, learning_rate=0.05, seed=1)
    return vae, weights, result


@pytest.mark.slow
def test_one_gaussian_gets_the_moments_of_the_aggregate_posterior(fitted):
    # q(z) = (1/N) sum_n N(m_n, C): its mean is that of the m_n, its variance theirs and
    # C's, and a diagonal Gaussian fits best where it has both.
    means = MODEL.posterior_mean(X) + 0.1
    variance = means.var(0) + 1.2**2 * np.diag(MODEL.posterior_covariance)
    components = fitted[2].model.prior.components_distribution
    # The noise of Adam's last steps, some 50 of 256 draws each: 1 % of a deviation.
    np.testing.assert_allclose(components.mean()[0], means.mean(0), atol=0.03)
    np.testing.assert_allclose(components.stddev()[0], np.sqrt(variance), rtol=0.04)


def test_gain_is_that_of_the_exact_log_px(fitted):
    _, _, (model, log_prob, gain) = fitted
    # With the prior N(mu, diag s^2): x is N(W mu + b, W diag s^2 W^T + sigma^2 I).
    components = model.prior.components_distribution
    mu, s = (np.array(v[0], "float64") for v in (components.mean(), components.stddev()))
    new = marginal(MODEL.w * s, MODEL.b + MODEL.w @ mu, MODEL.sigma)
    exact = new.log_prob(X_TEST.astype("float64")).numpy()
    assert np.mean(exact - MODEL.log_prob(X_TEST)) > 0.5
    np.testing.assert_allclose(log_prob, exact, atol=0.1)  # 500 samples an example
    np.testing.assert_allclose(
        np.mean(gain), np.mean(exact - MODEL.log_prob(X_TEST)), atol=0.02
    )


def test_model_keeps_its_prior_and_the_networks_are_left_as_they_were(fitted):
    vae, weights, result = fitted
    for before, after in zip(weights, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert result.model.encoder is vae.encoder
    assert result.model.decoder is vae.decoder
    np.testing.assert_array_equal(vae.prior.mean(), np.zeros(3))
    means = result.model.sample_mean(2000, seed=0).numpy().mean(0)
    np.testing.assert_allclose(means, X.mean(0), atol=0.15)


def small_fit(prior, seed=0, x=X[:50], vae=None):
    vae = MODEL.vae() if vae is None else vae
    return fit_prior(vae, x, prior, steps=40, batch_size=32, num_samples=20, seed=seed)


@pytest.mark.slow
def test_seed_says_the_result():
    def fit(seed):
        keras.utils.set_random_seed(0)
        return small_fit(tfgen.layers.MixturePrior(3, 4), seed)

    first, again, other = fit(0), fit(0), fit(1)
    np.testing.assert_array_equal(first.gain, again.gain)
    one, two = first.model.prior, other.model.prior
    assert np.any(one.log_prob([1.0, 0, 0]) != two.log_prob([1.0, 0, 0]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "prior",
    [
        lambda: tfgen.layers.FlowPrior(3, hidden_units=[8]),
        lambda: tfgen.layers.LearnedPrior(tfgen.layers.RealNVP(3, context_size=0)),
        lambda: tfgen.layers.LearnedPrior(tfgen.layers.PlanarFlow(3, num_flows=2)),
        # Begins at the aggregate posterior of the data itself, the best prior there is.
        lambda: tfgen.layers.VampPrior(50, pseudo_inputs=X[:50]),
    ],
    ids=["maf", "real_nvp", "planar", "vamp"],
)
def test_any_trainable_prior_gains(prior, tmp_path):
    vae = MODEL.vae()
    before = vae.encoder.get_weights()
    model, log_prob, gain = small_fit(prior(), vae=vae)
    assert np.mean(gain) > 0.1
    for old, new in zip(before, vae.encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again.log_prob(X[:50], 20, seed=0), log_prob, rtol=1e-5)


def test_class_of_the_model_is_kept():
    model = tfgen.models.IWAE(MODEL.encoder(), MODEL.decoder())
    result = small_fit(tfgen.layers.MixturePrior(3, 2), vae=model)
    assert isinstance(result.model, tfgen.models.IWAE)


def test_prior_of_a_condition_is_fitted_given_the_condition():
    # Two classes whose latents lie apart: what depends on c gains more than what does not.
    encoder = keras.Sequential(
        [keras.Input([1], name="x"), tfgen.layers.DistributionLambda(narrow)]
    )
    z, label = keras.Input([1], name="z"), keras.Input([1], name="c")
    # It takes c, and leaves it aside: z has it.
    loc = keras.layers.Add()([z, keras.layers.Rescaling(0.0)(label)])
    decoder = keras.Model([z, label], tfgen.layers.DistributionLambda(narrow)(loc))
    c = np.repeat([[-2.0], [2.0]], 20, axis=0).astype("float32")
    given = {"x": c + 0.1, "c": c}
    inputs = keras.Input([1], name="c")
    layer = tfgen.layers.MultivariateNormalDiag(1)
    prior = keras.Model(
        inputs, layer(keras.layers.Dense(2, kernel_initializer="zeros")(inputs))
    )
    vae = tfgen.models.VAE(encoder, decoder)
    result = fit_prior(vae, given, prior, steps=150, learning_rate=0.1, num_samples=20)
    means = result.model.prior(c).mean().numpy()
    np.testing.assert_allclose(means, c + 0.1, atol=0.1)
    assert np.all(result.gain > 1.0)


@keras.saving.register_keras_serializable("tests")
def narrow(loc):
    return tfd.MultivariateNormalDiag(loc, 0.3 * tf.ones_like(loc))


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"model": 3}, TypeError, r"`model` must be a `VAE` or `IWAE`.*received a int"),
        ({"prior": "mixture"}, TypeError, r"`prior` must be a Keras layer.*'mixture'"),
        ({"x": tf.data.Dataset.range(3)}, TypeError, r"`x` must be an array"),
        ({"x": X[:5, :2]}, ValueError, r"shape"),
        ({"steps": 0}, ValueError, r"`steps` must be at least 1; received 0"),
        ({"batch_size": 1.5}, TypeError, r"`batch_size` must be a positive integer"),
        ({"learning_rate": 0}, ValueError, r"`learning_rate` must be positive"),
        (
            {"prior": tfgen.layers.MixturePrior(2, 4)},
            ValueError,
            r"`prior` must be one distribution over the encoder's latent space",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_arguments_are_named(arguments, error, match):
    arguments = {
        "model": MODEL.vae(),
        "x": X[:5],
        "prior": tfgen.layers.MixturePrior(3, 2),
        **arguments,
    }
    with pytest.raises(error, match=match):
        fit_prior(**arguments)


def test_mean_field_and_frozen_priors_are_refused():
    table = tfgen.models.MeanFieldVAE(5, MODEL.decoder())
    with pytest.raises(TypeError, match="received a MeanFieldVAE"):
        fit_prior(table, X[:5], tfgen.layers.MixturePrior(3, 2))
    frozen = tfgen.layers.MixturePrior(3, 2)
    frozen.trainable = False
    with pytest.raises(ValueError, match=r"`prior` must have weights to train"):
        fit_prior(MODEL.vae(), X[:5], frozen)
