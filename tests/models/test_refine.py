"""Refined posteriors end where theory says the family's best is."""

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian

tfd = tfp.distributions

MODEL = LinearGaussian()
_, X = MODEL.sample(60)


def gap(q):
    """log p(x) - ELBO of each example: KL(q(z|x) || p(z|x)), in closed form."""
    mean, covariance = (np.asarray(t, "float64") for t in (q.mean(), q.covariance()))
    return tfd.kl_divergence(
        tfd.MultivariateNormalTriL(mean, np.linalg.cholesky(covariance)),
        tfd.MultivariateNormalTriL(
            MODEL.posterior_mean(X), np.linalg.cholesky(MODEL.posterior_covariance)
        ),
    ).numpy()


def test_refined_encoder_reaches_the_exact_log_px():
    vae = MODEL.vae(shift=0.5, stretch=1.7)
    assert gap(vae.encode(X)).mean() > 1.0
    refined = vae.refine(X, 200, seed=0)
    assert gap(refined).max() < 0.01
    np.testing.assert_allclose(refined.mean(), MODEL.posterior_mean(X), atol=0.02)
    np.testing.assert_allclose(
        refined.covariance()[0], MODEL.posterior_covariance, rtol=0.1, atol=2e-3
    )


def test_refined_diagonal_posterior_reaches_the_best_of_its_family():
    # Of all diagonal Gaussians the one nearest to N(m, C) in KL(q||p) has mean m and
    # precisions those on the diagonal of C^-1; its gap is KL, known in closed form.
    layer = tfgen.layers.MultivariateNormalDiag(3)
    encoder = keras.Sequential([keras.Input([10]), keras.layers.Dense(6), layer])
    vae = tfgen.models.VAE(encoder, MODEL.decoder())
    refined = vae.refine(X, 500, learning_rate=0.1, seed=0)
    precision = np.linalg.inv(MODEL.posterior_covariance)
    best = 1 / np.sqrt(np.diag(precision))
    np.testing.assert_allclose(refined.mean(), MODEL.posterior_mean(X), atol=0.05)
    np.testing.assert_allclose(refined.stddev(), np.tile(best, [len(X), 1]), rtol=0.15)
    zeros = np.zeros(3)
    least = tfd.kl_divergence(
        tfd.MultivariateNormalDiag(zeros, best),
        tfd.MultivariateNormalTriL(zeros, np.linalg.cholesky(MODEL.posterior_covariance)),
    )
    np.testing.assert_allclose(gap(refined), float(least), atol=0.02)


def test_no_example_ends_below_its_start():
    vae = MODEL.vae(shift=0.05, stretch=1.05)
    before = gap(vae.encode(X))
    # A rate at which the climb diverges: every row keeps the encoder's answer.
    wild = vae.refine(X, 3, learning_rate=50.0, seed=0)
    np.testing.assert_array_equal(wild.raw_parameters, vae.encode(X).raw_parameters)
    assert np.all(gap(vae.refine(X, 50, seed=0)) < before)


@pytest.mark.slow
def test_no_steps_leave_the_encoders_answer():
    vae = MODEL.vae(0.3)
    np.testing.assert_array_equal(
        vae.refine(X, 0).raw_parameters, vae.encode(X).raw_parameters
    )


def test_refinement_leaves_the_model_alone_and_repeats_itself():
    vae = MODEL.vae(0.3)
    before = [w.numpy().copy() for w in vae.weights]
    once = vae.refine(X, 5, seed=1).raw_parameters
    for old, new in zip(before, vae.weights, strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(once, vae.refine(X, 5, seed=1).raw_parameters)


@pytest.mark.slow
@pytest.mark.parametrize("xla", [False, True])
def test_blocks_do_not_change_the_answer(monkeypatch, xla):
    from tfgen.models import latent_variable as module

    vae = MODEL.vae(0.3)
    whole = vae.refine(X[:7], 10, seed=1).raw_parameters
    monkeypatch.setattr(module, "_REFINED_NUMBERS", 8 * 10 * 3)  # 3 rows
    monkeypatch.setattr(module, "_XLA_NUMBERS", 0 if xla else 2**40)
    np.testing.assert_allclose(
        vae.refine(X[:7], 10, seed=1).raw_parameters, whole, atol=2e-4
    )


@pytest.mark.slow
def test_y_is_what_the_likelihood_is_of():
    vae = MODEL.vae(0.3)
    other = X + 1.0
    refined = vae.refine(X, 200, seed=0, y=other)
    np.testing.assert_allclose(refined.mean(), MODEL.posterior_mean(other), atol=0.03)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"steps": -1}, ValueError, r"`steps` must be at least 0; received -1"),
        ({"steps": 2.5}, TypeError, r"`steps` must be an integer; received 2\.5"),
        ({"steps": 1, "num_samples": 0}, ValueError, r"`num_samples`"),
        ({"steps": 1, "learning_rate": 0.0}, ValueError, r"`learning_rate`.*0\.0"),
        ({"steps": 1, "learning_rate": float("nan")}, ValueError, r"`learning_rate`.*nan"),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        MODEL.vae().refine(X, **arguments)


def test_encoder_without_raw_parameters_is_refused():
    class Encoder(keras.Model):
        def call(self, x):
            return tfd.MultivariateNormalDiag(x[:, :3], 1.0 + 0.0 * x[:, :3])

    vae = tfgen.models.VAE(Encoder(), MODEL.decoder())
    vae.build((None, 10))
    with pytest.raises(TypeError, match=r"`refine` needs an encoder.*`tfgen.layers`"):
        vae.refine(X, 3)
