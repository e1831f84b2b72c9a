"""Conditions, several latents, mean field and refinement under every dtype policy."""

import keras
import numpy as np
import pytest

import tfgen
from tests.conditional_gaussian import ConditionalGaussian
from tests.gaussian_chain import GaussianChain
from tests.linear_gaussian import LinearGaussian

GIVEN, CHAIN, PLAIN = ConditionalGaussian(), GaussianChain(), LinearGaussian()
OFF = {"shift": 0.2, "stretch": 1.2}
MODELS = {
    "condition": (lambda **off: GIVEN.vae(**off), GIVEN.sample(20), GIVEN.log_prob),
    "two latents": (lambda **off: CHAIN.vae(**off), CHAIN.sample(20), CHAIN.log_prob),
}
# How far from the exact log p(x), of magnitude 10, a weight of the true posterior may be:
# rounding in 53, 11 and 8 bits, through three matrix products.
POLICIES = {"float64": 1e-6, "mixed_float16": 0.3, "mixed_bfloat16": 3.0}


@pytest.fixture(
    params=[
        "float64",
        "mixed_float16",
        pytest.param("mixed_bfloat16", marks=pytest.mark.slow),
    ]
)
def policy(request):
    before = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_dtype_policy(request.param)
    if request.param == "float64":
        keras.config.set_floatx("float64")
    yield request.param
    keras.config.set_dtype_policy(before[0])
    keras.config.set_floatx(before[1])


@pytest.mark.parametrize("kind", MODELS)
def test_weights_of_the_true_posterior(policy, kind):
    make, data, log_prob = MODELS[kind]
    weights = make().log_weights(data, 8, seed=0)
    assert weights.dtype == ("float64" if policy == "float64" else "float32")
    assert np.abs(weights.numpy() - log_prob(data)).max() < POLICIES[policy]


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_fit_refine_and_sample(policy, kind):
    make, data, log_prob = MODELS[kind]
    vae = make(**OFF)
    vae.compile(keras.optimizers.Adam(1e-3), "iwlb", metrics=["mse"], run_eagerly=True)
    history = vae.fit(data, epochs=2, batch_size=10, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    refined = vae.refine(data, 3, seed=0)
    weights = vae.log_weights(data, 200, seed=0, posterior=refined).numpy()
    assert np.mean(log_prob(data) - weights.mean(0)) < 10.0
    condition = {"c": data["c"]} if isinstance(data, dict) else None
    drawn = vae.sample(None if condition else 20, seed=0, condition=condition)
    assert np.isfinite(drawn.numpy()).all()


def test_mean_field(policy):
    _, x = PLAIN.sample(20)
    vae = tfgen.models.MeanFieldVAE(len(x), PLAIN.decoder())
    vae.compile(keras.optimizers.Adam(0.05), "elbo", jit_compile=False)
    history = vae.fit(np.arange(len(x)), x, epochs=12, verbose=0).history
    assert np.isfinite(history["elbo"]).all()
    # Below log p(x) at first, and rising: the table starts at the prior.
    assert history["elbo"][0] < history["elbo"][-1] < PLAIN.log_prob(x).mean() + 0.5
