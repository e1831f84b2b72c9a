"""The unbiased estimator: its mean is log p(x), whatever the posterior."""

import numpy as np
import pytest
import tensorflow as tf

from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import unbiased_log_likelihood
from tfgen.evaluation.unbiased import _num_doublings, _roulette

MODEL = LinearGaussian(event_size=4, latent_size=2)
Q = (0.15, 1.5)  # a shift and a stretch of the posterior


def mean_and_error(values):
    return values.mean(), values.std() / np.sqrt(len(values))


def test_mean_is_the_exact_log_px_where_bounds_are_below():
    _, x = MODEL.sample(20_000)
    vae, exact = MODEL.vae(*Q), MODEL.log_prob(x)
    values = unbiased_log_likelihood(vae, x, min_samples=2, seed=0).numpy()
    mean, error = mean_and_error(values - exact)
    assert abs(mean) < 4 * error
    # 9 samples, as many as the estimator has in the mean, are visibly too low.
    low, _ = mean_and_error(vae.log_prob(x, 9, seed=0).numpy() - exact)
    assert low < -5 * error, "too few examples to tell"
    assert (values > exact).mean() > 0.2, "it is no bound"


def test_estimate_is_that_of_the_definition():
    log_w = np.array([[0.0], [2.0], [1.0], [0.3]])
    w = np.exp(log_w[:, 0])
    first = np.log(w[:2].mean()) - (0.0 + 2.0) / 2
    halves = (np.log(w[:2].mean()) + np.log(w[2:].mean())) / 2
    second = (np.log(w.mean()) - halves) * 2**1.5
    np.testing.assert_allclose(_roulette(log_w, 2), [0.0 + first + second])


def test_number_of_doublings_has_the_probabilities_it_is_weighed_by():
    # An even grid of uniform numbers has the shares themselves, to 1 / n.
    n = 1_000_000
    doublings = _num_doublings((np.arange(n) + 0.5) / n)
    for k in range(1, 10):
        share = (doublings >= k).mean()
        assert share == pytest.approx(2.0 ** (-1.5 * (k - 1)), abs=3 / n)


def test_seed_says_the_numbers_and_x_may_be_a_dict():
    _, x = MODEL.sample(20)
    vae = MODEL.vae(*Q)
    values = unbiased_log_likelihood(vae, x, seed=5)
    np.testing.assert_allclose(unbiased_log_likelihood(vae, {"x": x}, seed=5), values)
    assert np.any(values != unbiased_log_likelihood(vae, x, seed=6))


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"`min_samples` must be at least 1; received 0"):
        unbiased_log_likelihood(MODEL.vae(), tf.zeros([2, 4]), min_samples=0)
