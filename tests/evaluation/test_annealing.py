"""Annealed importance sampling, between a model's exact log p(x) and itself."""

import numpy as np
import pytest

from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import annealed_importance_sampling, log_likelihood

MODEL = LinearGaussian(event_size=6, latent_size=2)
Z, X = MODEL.sample(40)
EXACT = MODEL.log_prob(X)


def error_of_mean(values):
    return values.std(ddof=1) / np.sqrt(len(values))


def test_annealing_importance_sampling_and_the_exact_log_px_agree():
    vae = MODEL.vae(shift=0.2, stretch=1.5)
    annealed = annealed_importance_sampling(vae, X, num_steps=300, seed=0)
    z = (annealed.log_prob.numpy() - EXACT) / annealed.standard_error.numpy()
    # Of 40 the mean of z has a standard error of 0.16; 16 chains tell their own error to
    # a fifth, which widens z.
    assert abs(z.mean()) < 0.8
    assert z.std() < 1.7
    sampled = log_likelihood(vae, X, 1000, seed=0)
    both = np.hypot(annealed.standard_error, sampled.standard_error)
    assert np.all(np.abs(annealed.log_prob - sampled.log_prob) < 5 * both)


@pytest.mark.filterwarnings("ignore:.*effective sample size")
def test_forward_and_backward_chains_sandwich_the_exact_log_px():
    # A q that is off by so much that importance sampling is lost.
    vae = MODEL.vae(shift=1.0, stretch=0.5)
    poor = log_likelihood(vae, X, 160, seed=0).log_prob.numpy() - EXACT
    lower = annealed_importance_sampling(vae, X, num_steps=300, seed=0).log_prob - EXACT
    upper = (
        annealed_importance_sampling(vae, X, num_steps=300, seed=1, z=Z).log_prob - EXACT
    )
    lower, upper = lower.numpy(), upper.numpy()
    assert lower.mean() < 4 * error_of_mean(lower)
    assert upper.mean() > -4 * error_of_mean(upper)
    assert upper.mean() - lower.mean() < 1.0
    assert poor.mean() < lower.mean() - 1.0


@pytest.mark.filterwarnings("ignore:.*effective sample size")
def test_estimate_repeats_itself_and_blocks_do_not_matter_much(monkeypatch):
    from tfgen.evaluation import annealing

    vae = MODEL.vae(shift=0.2, stretch=1.5)
    once = annealed_importance_sampling(vae, X[:4], num_steps=20, seed=3)
    again = annealed_importance_sampling(vae, X[:4], num_steps=20, seed=3)
    np.testing.assert_array_equal(once.log_prob, again.log_prob)
    monkeypatch.setattr(annealing, "_BLOCK_NUMBERS", 16 * 6 * 2)  # two rows a block
    blocks = annealed_importance_sampling(vae, X[:4], num_steps=20, seed=3)
    error = np.hypot(once.standard_error, blocks.standard_error)
    assert np.all(np.abs(once.log_prob - blocks.log_prob) < 5 * error)


def test_refined_posterior_is_where_chains_may_start():
    vae = MODEL.vae(shift=1.0, stretch=0.5)
    refined = vae.refine(X[:5], 200, seed=0)
    result = annealed_importance_sampling(
        vae, X[:5], num_steps=10, seed=0, posterior=refined
    )
    np.testing.assert_allclose(result.log_prob, EXACT[:5], atol=0.02)


def test_too_few_steps_warn():
    with pytest.warns(UserWarning, match=r"effective sample size.*Raise `num_steps`"):
        annealed_importance_sampling(MODEL.vae(2.0, 0.3), X[:5], num_steps=2, seed=0)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_chains": 1}, ValueError, r"`num_chains` must be at least 2"),
        ({"num_steps": 0}, ValueError, r"`num_steps` must be at least 1; received 0"),
        ({"num_leapfrog_steps": 0.5}, TypeError, r"`num_leapfrog_steps`"),
        ({"z": Z[:, :1]}, ValueError, r"`z` must have shape \(N, 2\)"),
        ({"z": Z[:3]}, ValueError, r"`z` must hold one.*received 3 for 40"),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        annealed_importance_sampling(MODEL.vae(), X, **arguments)
