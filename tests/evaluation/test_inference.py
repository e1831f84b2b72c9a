"""The inference gap and active units, against closed forms."""

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import active_units, inference_gap

tfd = tfp.distributions

MODEL = LinearGaussian()
_, X = MODEL.sample(40)


def kl_to_posterior(mean, covariance):
    """KL(q || p(z|x)) for q = N(posterior mean + mean, covariance)."""
    zeros = np.zeros(len(mean))
    return float(
        tfd.kl_divergence(
            tfd.MultivariateNormalTriL(mean, np.linalg.cholesky(covariance)),
            tfd.MultivariateNormalTriL(
                zeros, np.linalg.cholesky(MODEL.posterior_covariance)
            ),
        )
    )


def test_gaps_of_a_full_gaussian_are_all_the_encoders(capsys):
    shift, stretch = 0.2, 1.3
    exact = kl_to_posterior(np.full(3, shift), stretch**2 * MODEL.posterior_covariance)
    gaps = inference_gap(MODEL.vae(shift, stretch), X, steps=200, seed=0)
    assert abs(gaps["approximation_gap"].value) < 0.01
    amortization, error = gaps["amortization_gap"]
    assert abs(amortization - exact) < 4 * error + 0.01
    assert abs(gaps["log_prob"].value - MODEL.log_prob(X).mean()) < 0.01
    printed = capsys.readouterr().out
    assert "amortization gap" in printed
    assert f"{amortization:.3f}" in printed


def test_gaps_of_a_diagonal_gaussian_are_the_familys_and_the_encoders():
    layer = tfgen.layers.MultivariateNormalDiag(3)
    encoder = keras.Sequential([keras.Input([10]), keras.layers.Dense(6), layer])
    kernel, bias = np.zeros([10, 6]), np.zeros(6)
    kernel[:, :3] = MODEL.gain.T
    bias[:3] = 0.1 - MODEL.gain @ MODEL.b
    encoder.layers[0].set_weights([kernel, bias])
    encoder_variance = np.log(2.0) ** 2 * np.ones(3)  # softplus(0)
    best_variance = 1 / np.diag(np.linalg.inv(MODEL.posterior_covariance))
    approximation = kl_to_posterior(np.zeros(3), np.diag(best_variance))
    whole = kl_to_posterior(np.full(3, 0.1), np.diag(encoder_variance))
    vae = tfgen.models.VAE(encoder, MODEL.decoder())
    gaps = inference_gap(vae, X, steps=400, num_samples=2000, seed=0, verbose=False)
    for name, exact in (
        ("approximation_gap", approximation),
        ("amortization_gap", whole - approximation),
        ("inference_gap", whole),
    ):
        value, error = gaps[name]
        assert abs(value - exact) < 4 * error + 0.01, name


def test_gaps_add_up():
    gaps = inference_gap(MODEL.vae(0.1, 1.1), X, steps=5, num_samples=50, seed=0)
    assert gaps["inference_gap"].value == pytest.approx(
        gaps["approximation_gap"].value + gaps["amortization_gap"].value, abs=1e-5
    )
    assert gaps["inference_gap"].value == pytest.approx(
        gaps["log_prob"].value - gaps["elbo"].value, abs=1e-5
    )


def test_gap_of_a_table_is_told_by_its_indices():
    model = tfgen.models.MeanFieldVAE(40, MODEL.decoder())
    gaps = inference_gap(
        model, np.arange(40), steps=200, num_samples=100, seed=0, y=X, verbose=False
    )
    assert gaps["amortization_gap"].value > 1.0  # rows that were never fitted


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


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda vae: inference_gap(vae, X, steps=-1), ValueError, r"`steps`.*-1"),
        (lambda vae: inference_gap(vae, X, num_samples=1), ValueError, r"`num_samples`"),
        (lambda vae: inference_gap(vae, X[:1]), ValueError, r"`x` must hold at least 2"),
        (lambda vae: active_units(vae, X[:1]), ValueError, r"`x` must hold at least 2"),
        (lambda vae: active_units(vae, X, 0.0), ValueError, r"`threshold`.*0\.0"),
    ],
)
def test_bad_arguments_are_named(call, error, match):
    with pytest.raises(error, match=match):
        call(MODEL.vae())
