"""The inference gap, against closed forms."""

import keras
import numpy as np
import pytest
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import inference_gap

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


@pytest.mark.slow
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


def test_calls_trace_once(capsys):
    vae = MODEL.vae(0.1, 1.1)
    inference_gap(vae, X, steps=2, num_samples=50)
    before = traces_of(vae)
    for number in range(3):
        inference_gap(vae, X + number, steps=3 + number, num_samples=50)
    assert traces_of(vae) == before > 0


def traces_of(model):
    return sum(f.experimental_get_tracing_count() for f in model._programs.values())


@pytest.mark.slow
def test_hundred_calls_do_not_grow_the_process(run_python):
    code = """
import resource, numpy as np, warnings
from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import inference_gap
warnings.simplefilter("ignore")
model = LinearGaussian()
vae, (_, x) = model.vae(0.1, 1.1), model.sample(40)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2**20

for call in range(110):
    inference_gap(vae, x, steps=5, num_samples=50, verbose=False)
    if call == 9:
        before = resident()
print(resident() - before)
"""
    assert float(run_python(code, timeout=600).split()[-1]) < 20


@pytest.mark.slow
def test_policy_of_double_precision_agrees():
    keras.config.set_dtype_policy("float64")
    try:
        gaps = inference_gap(MODEL.vae(0.1, 1.1), X, 5, 50, seed=0, verbose=False)
    finally:
        keras.config.set_dtype_policy("float32")
    single = inference_gap(MODEL.vae(0.1, 1.1), X, 5, 50, seed=0, verbose=False)
    assert gaps["elbo"].value == pytest.approx(single["elbo"].value, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda vae: inference_gap(vae, X, steps=-1), ValueError, r"`steps`.*-1"),
        (lambda vae: inference_gap(vae, X, num_samples=1), ValueError, r"`num_samples`"),
        (lambda vae: inference_gap(vae, X[:1]), ValueError, r"`x` must hold at least 2"),
    ],
)
def test_bad_arguments_are_named(call, error, match):
    with pytest.raises(error, match=match):
        call(MODEL.vae())
