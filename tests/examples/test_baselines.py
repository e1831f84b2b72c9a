import itertools

import baselines
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.decomposition import PCA

MODELS = [
    baselines.independent_pixels,
    lambda x, y: baselines.gaussian_mixture(x, y, num_components=4),
    lambda x, y: baselines.probabilistic_pca(x, y, latent_dim=2),
]


def correlated_images(num, num_pixels=6):
    """Images in which every pixel copies one coin, with one mistake in five."""
    rng = np.random.default_rng(0)
    coin = rng.integers(0, 2, [num, 1])
    return np.where(rng.random([num, num_pixels]) < 0.2, 1 - coin, coin)


def all_images(num_pixels):
    return np.array(list(itertools.product([0, 1], repeat=num_pixels)))


@pytest.mark.parametrize("model", MODELS, ids=["independent", "mixture", "pca"])
def test_probabilities_of_all_images_sum_to_one(model):
    log_probs = model(correlated_images(300), all_images(6))
    # PCA's are estimates of 2,000 samples: the standard error of their sum, measured
    # over 50 seeds, is 1.5e-3.
    tolerance = 1e-9 if model is not MODELS[2] else 6e-3
    assert abs(np.exp(logsumexp(log_probs)) - 1) < tolerance


def test_independent_pixels_are_the_predictive_of_a_uniform_prior():
    # One image on of three: the integral of p^2 (1 - p)^2 over that of p (1 - p)^2.
    log_probs = baselines.independent_pixels([[1], [0], [0]], [[1], [0]])
    np.testing.assert_allclose(np.exp(log_probs), [2 / 5, 3 / 5])


def test_one_component_is_independent_pixels_with_its_own_prior():
    x = correlated_images(50)
    probs = (x.sum(0) + 0.5) / 51
    expected = np.log(np.where(x == 1, probs, 1 - probs)).sum(1)
    received = baselines.gaussian_mixture(x, x, num_components=1)
    np.testing.assert_allclose(received, expected)


def test_mixture_finds_the_truth_that_independent_pixels_cannot():
    x_train, x_test = np.split(correlated_images(8000), 2)
    num_on = x_test.sum(1)
    terms = [n * np.log(0.8) + (6 - n) * np.log(0.2) for n in (num_on, 6 - num_on)]
    truth = np.logaddexp(*terms) - np.log(2)
    mixture = baselines.gaussian_mixture(x_train, x_test, num_components=2)
    independent = baselines.independent_pixels(x_train, x_test)
    # KL from the truth: 13 parameters fitted to 4,000 images cost 13 / 8000 = 0.002
    # at best; the clusters are not fitted by likelihood, so allow 0.05.
    assert truth.mean() - 0.05 < mixture.mean() < truth.mean() + 0.01
    assert independent.mean() < truth.mean() - 0.5


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_pca_equals_the_gaussian_probability_of_the_orthant(latent_dim):
    x_train, x = correlated_images(500, 3), all_images(3)
    pca = PCA(latent_dim).fit(x_train)
    signs = 2 * x - 1
    exact = [
        multivariate_normal.cdf(
            sign * (pca.mean_ - 0.5), cov=pca.get_covariance() * np.outer(sign, sign)
        )
        for sign in signs
    ]
    received = baselines.probabilistic_pca(x_train, x, latent_dim, num_samples=200_000)
    # Standard errors measured over 20 seeds: at most 1.1e-3 of each probability.
    np.testing.assert_allclose(np.exp(received), exact, rtol=4.4e-3)


def test_pca_refuses_a_latent_space_that_leaves_no_noise():
    x = correlated_images(20)
    with pytest.raises(ValueError, match=r"`latent_dim` must be .* 6 pixels.* received 6"):
        baselines.probabilistic_pca(x, x, latent_dim=6)


@pytest.mark.parametrize("model", MODELS, ids=["independent", "mixture", "pca"])
def test_counts_are_refused(model):
    with pytest.raises(ValueError, match=r"must be binary.* to 16\.0"):
        model([[0, 16]], [[0, 1]])
