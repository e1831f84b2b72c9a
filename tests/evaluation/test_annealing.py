"""Annealed importance sampling of models; of functions, see `test_chains.py`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import annealed_importance_sampling, log_likelihood

tfd = tfp.distributions

MODEL = LinearGaussian(event_size=6, latent_size=2)
Z, X = MODEL.sample(40)
EXACT = MODEL.log_prob(X)


@pytest.fixture(scope="module")
def near():
    """A model whose q is a little off."""
    return MODEL.vae(shift=0.2, stretch=1.5)


@pytest.fixture(scope="module")
def far():
    """A model whose q is off by so much that importance sampling is lost."""
    return MODEL.vae(shift=1.0, stretch=0.5)


def error_of_mean(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def test_annealing_importance_sampling_and_the_exact_log_px_agree(near):
    annealed = annealed_importance_sampling(near, X, num_steps=100, seed=0)
    z = (annealed.log_prob.numpy() - EXACT) / annealed.standard_error.numpy()
    # Of 40 the mean of z has a standard error of 0.16; 16 chains tell their own error to
    # a fifth, which widens z.
    assert abs(z.mean()) < 0.8
    assert z.std() < 1.7
    sampled = log_likelihood(near, X, 1000, seed=0)
    both = np.hypot(annealed.standard_error, sampled.standard_error)
    assert np.all(np.abs(annealed.log_prob - sampled.log_prob) < 5 * both)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*effective sample size")
def test_forward_and_backward_chains_sandwich_the_exact_log_px(far):
    poor = log_likelihood(far, X, 160, seed=0).log_prob.numpy() - EXACT
    lower = annealed_importance_sampling(far, X, num_steps=100, seed=0).log_prob - EXACT
    upper = (
        annealed_importance_sampling(far, X, num_steps=100, seed=1, z=Z).log_prob - EXACT
    )
    lower, upper = lower.numpy(), upper.numpy()
    assert lower.mean() < 3 * error_of_mean(lower)
    assert upper.mean() > -3 * error_of_mean(upper)
    assert abs(lower.mean()) < 0.25
    assert abs(upper.mean()) < 0.25
    assert poor.mean() < lower.mean() - 1.0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*effective sample size")
def test_estimate_repeats_itself_and_blocks_do_not_matter_much(monkeypatch, near):
    from tfgen.evaluation import annealing

    once = annealed_importance_sampling(near, X, num_steps=20, seed=3)
    again = annealed_importance_sampling(near, X, num_steps=20, seed=3)
    np.testing.assert_array_equal(once.log_prob, again.log_prob)
    monkeypatch.setattr(annealing, "_BLOCK_NUMBERS", 16 * 6 * 27)  # 27 rows a block
    blocks = annealed_importance_sampling(near, X, num_steps=20, seed=3)
    # The same noise; 100 steps of tuning amplify the rounding of other shapes.
    np.testing.assert_allclose(once.log_prob, blocks.log_prob, atol=0.02)


@pytest.mark.slow
def test_refined_posterior_is_where_chains_may_start(far):
    refined = far.refine(X, 200, seed=0)
    result = annealed_importance_sampling(far, X, num_steps=10, seed=0, posterior=refined)
    np.testing.assert_allclose(result.log_prob, EXACT, atol=0.02)


def test_too_few_steps_warn(far):
    with pytest.warns(UserWarning, match=r"effective sample size.*Raise `num_steps`"):
        annealed_importance_sampling(far, X, num_steps=1, seed=0)


def test_calls_trace_once_whatever_the_number_of_steps(near):
    annealed_importance_sampling(near, X, num_steps=3, seed=3)
    before = traces_of(near)
    for steps in (4, 5):
        posterior = near.encode(X + 0.01 * steps)
        annealed_importance_sampling(near, X, num_steps=steps, posterior=posterior)
    assert traces_of(near) == before > 0


def traces_of(model):
    return sum(f.experimental_get_tracing_count() for f in model._programs.values())


def chain_of_two_latents():
    """p(z2) p(z1|z2) p(x|z1), linear and Gaussian, and a q that takes no part in it."""
    rng = np.random.default_rng(0)
    a, w = rng.normal(size=[3, 2]), rng.normal(size=[5, 3])
    x, z1, z2 = (keras.Input([n], name=k) for n, k in ((5, "x"), (3, "z1"), (2, "z2")))
    normal = tfgen.layers.MultivariateNormalDiag
    softplus_inverse = float(np.log(np.expm1(0.5)))

    def linear(inputs, matrix, scale):
        size = len(matrix)
        kernel = np.concatenate([matrix.T, np.zeros_like(matrix.T)], axis=1)
        bias = np.repeat([0.0, scale], size)
        dense = keras.layers.Dense(2 * size)
        outputs = dense(inputs)
        dense.set_weights([kernel, bias])
        return outputs

    one = float(np.log(np.expm1(1.0)))
    posterior = tfgen.layers.JointDistribution(
        {
            "z2": keras.Model(x, normal(2)(linear(x, np.zeros([2, 5]), one))),
            "z1": keras.Model(z2, normal(3)(linear(z2, a, one))),
        }
    )
    prior = tfgen.layers.JointDistribution(
        {
            "z2": tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2)),
            "z1": keras.Model(z2, normal(3)(linear(z2, a, one))),
        }
    )
    likelihood = tfgen.layers.IndependentNormal([5])(linear(z1, w, softplus_inverse))
    decoder = keras.Model(z1, likelihood)
    covariance = w @ (a @ a.T + np.eye(3)) @ w.T + 0.25 * np.eye(5)
    law = tfd.MultivariateNormalTriL(np.zeros(5), np.linalg.cholesky(covariance))
    z2 = rng.normal(size=[30, 2])
    z1 = z2 @ a.T + rng.normal(size=[30, 3])
    x = z1 @ w.T + 0.5 * rng.normal(size=[30, 5])
    z = {"z1": z1.astype("float32"), "z2": z2.astype("float32")}
    model = tfgen.models.VAE(posterior, decoder, prior)
    return model, x.astype("float32"), z, law.log_prob(x).numpy()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*effective sample size")
def test_two_latents_are_enclosed_as_one_is():
    model, x, z, exact = chain_of_two_latents()
    for latents, sign in ((None, -1), (z, 1)):
        result = annealed_importance_sampling(model, x, num_steps=100, seed=0, z=latents)
        off = result.log_prob.numpy() - exact
        assert sign * off.mean() > -3 * error_of_mean(off)
        assert abs(off.mean()) < 0.3
    with pytest.raises(ValueError, match=r"`z` must hold \['z2', 'z1'\]"):
        annealed_importance_sampling(model, x, z={"z1": z["z1"]})


@pytest.mark.filterwarnings("ignore:.*effective sample size")
@pytest.mark.parametrize(
    "policy", ["float64", pytest.param("mixed_float16", marks=pytest.mark.slow)]
)
def test_policies_of_other_precision_agree(policy):
    keras.config.set_dtype_policy(policy)
    try:
        vae = MODEL.vae(shift=0.2, stretch=1.5)
        result = annealed_importance_sampling(vae, X[:6], num_steps=20, seed=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert result.log_prob.dtype == vae.variable_dtype
    coarse = 0.02 if policy == "float64" else 0.5  # of the networks, not of the chains
    assert np.abs(result.log_prob - EXACT[:6]).mean() < coarse + 0.3


def test_discrete_latents_are_refused_with_the_reason():
    layer = tfgen.layers.IndependentBernoulli([2])
    encoder = keras.Sequential([keras.Input([6]), keras.layers.Dense(2), layer])
    prior = tfd.Independent(tfd.Bernoulli(probs=[0.5, 0.5], dtype=tf.float32), 1)
    vae = tfgen.models.VAE(encoder, MODEL.decoder(), prior)
    with pytest.raises(ValueError, match=r"continuous latents.*'z'.*log_likelihood"):
        annealed_importance_sampling(vae, X)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_chains": 1}, ValueError, r"`num_chains` must be at least 2"),
        ({"num_steps": 0}, ValueError, r"`num_steps` must be at least 1; received 0"),
        ({"num_leapfrog_steps": 0.5}, TypeError, r"`num_leapfrog_steps`"),
        ({"z": Z[:, :1]}, ValueError, r"`z` must have shape \(N, 2\)"),
        ({"z": Z[:3]}, ValueError, r"`z` must hold one.*received 3 for 40"),
        ({"z": {"z": Z}}, ValueError, r"`z` must be one tensor; received dict"),
    ],
)
def test_bad_arguments_are_named(near, arguments, error, match):
    with pytest.raises(error, match=match):
        annealed_importance_sampling(near, X, **arguments)


def test_posterior_of_other_rows_is_refused(near):
    with pytest.raises(
        ValueError, match=r"`posterior` must have one distribution for each"
    ):
        annealed_importance_sampling(near, X, posterior=near.encode(X[3:]))
