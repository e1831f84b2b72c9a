"""k-hat against laws whose tails are known, and against Pareto's likelihood itself."""

import numpy as np
import pytest

from tfgen.evaluation.pareto import pareto_shape, pooled_shape, tail_length

K = 1000
M = tail_length(K)


def largest_of(log_weights):
    return np.sort(log_weights, axis=0)[::-1][: tail_length(len(log_weights)) + 1]


def gaussian_log_weights(stretch, size, rows, seed, num_samples=K):
    """log w of q = N(0, stretch^2 I) for p = N(0, I), whose integral is 1."""
    eps = np.random.default_rng(seed).normal(size=[num_samples, rows, size])
    return size * np.log(stretch) + 0.5 * (1 - stretch**2) * np.sum(eps**2, axis=-1)


@pytest.mark.parametrize("k", [-0.5, 0.0, 0.3, 0.7, 1.5])
def test_shape_of_a_pareto_law_is_found_but_for_its_prior(k):
    # w = F^-1(u): exact quantiles of a generalized Pareto law, no noise at all.
    length = 4000
    u = (np.arange(length, 0, -1) - 0.5) / length
    excess = -np.log1p(-u) if k == 0 else ((1 - u) ** -k - 1) / k
    largest = np.log(np.append(2.0 + 3.0 * excess, 2.0))[:, np.newaxis]
    expected = (length * k + 5.0) / (length + 10.0)
    assert pareto_shape(largest)[0] == pytest.approx(expected, abs=0.01)


def test_shape_of_a_narrow_gaussian_is_one_minus_its_variance():
    # One dimension: P(w > t) ~ t^(-1 / (1 - s^2)) but for a logarithm, so k -> 1 - s^2.
    # The mean over 100 rows has a standard error of .006; K = 10^5, M = 949.
    for stretch in (0.5, 0.8):
        log_w = gaussian_log_weights(stretch, 1, 100, seed=0, num_samples=100_000)
        found = pareto_shape(largest_of(log_w)).mean()
        assert abs(found - (1 - stretch**2)) < 0.08, stretch


def test_shape_agrees_with_the_maximum_of_the_likelihood():
    # Zhang and Stephens' estimate is within a fraction of a standard error, (1 + k) /
    # sqrt(M), of the maximum-likelihood one, found here on a fine grid.
    log_w = gaussian_log_weights(0.6, 2, 50, seed=1)
    largest = largest_of(log_w)
    found = (pareto_shape(largest) * (M + 10) - 5) / M  # without the prior
    excess = np.exp(largest[:-1]) - np.exp(largest[-1])
    theta = -np.geomspace(1e-3, 1e4, 4000)[:, np.newaxis] / excess.max(0)
    k = np.array([np.log1p(-t * excess).mean(0) for t in theta])
    likelihood = np.log(-theta / k) - k - 1
    best = np.take_along_axis(k, likelihood.argmax(0)[np.newaxis], 0)[0]
    assert np.abs(found - best).max() < 0.5 * 1.6 / np.sqrt(M)
    assert abs((found - best).mean()) < 0.05


def test_shape_depends_on_neither_scale_nor_neighbours():
    largest = largest_of(gaussian_log_weights(0.7, 3, 600, seed=2))
    whole = pareto_shape(largest)
    np.testing.assert_allclose(pareto_shape(largest[:, 7:8] - 500.0), whole[7:8], atol=1e-9)


def test_degenerate_weights_have_the_shapes_that_are_documented():
    tail = np.linspace(0.0, -1.0, M + 1)
    equal = np.full(M + 1, -70.0) + 1e-6 * tail
    lone = np.append(0.0, np.full(M, -1000.0) + tail[1:])
    nan, infinite = tail.copy(), tail.copy()
    nan[5], infinite[0] = np.nan, np.inf
    nothing = np.full(M + 1, -np.inf)
    some_nothing = np.append(tail[:-1], -np.inf)
    ties = np.repeat([0.0, -1.0], [M // 8, M + 1 - M // 8])
    columns = [equal, lone, nan, infinite, nothing, some_nothing, ties]
    shape = pareto_shape(np.stack(columns, axis=1))
    assert shape[0] == 0.0
    assert np.all(shape[1:5] == np.inf)
    assert np.all(np.isfinite(shape[5:]))


def test_error_of_the_shape_is_what_pooling_takes_it_for():
    # Rows of one law differ by sampling alone; 1,000 rows tell the spread to 2.2 %.
    for stretch, size in ((0.6, 3), (0.85, 10)):
        shape = pareto_shape(largest_of(gaussian_log_weights(stretch, size, 1000, 3)))
        error = (1 + shape.mean()) / np.sqrt(M) * M / (M + 10)
        assert shape.std(ddof=1) == pytest.approx(error, rel=0.1)
        assert pooled_shape(shape, M).std() < 0.3 * shape.std()


def test_rows_that_differ_by_themselves_are_not_pooled():
    laws = np.repeat([0.2, 0.9], 50)
    shape = laws + np.random.default_rng(0).normal(size=100) * 0.1
    pooled = pooled_shape(shape, M)
    assert pooled[:50].max() < 0.5 < pooled[50:].min()
    with_inf = np.append(shape, [np.inf, np.nan])
    assert pooled_shape(with_inf, M)[-2] == np.inf
    assert np.isnan(pooled_shape(with_inf, M)[-1])
    np.testing.assert_array_equal(pooled_shape(shape[:1], M), shape[:1])


def test_tail_is_a_fifth_or_three_roots_and_none_where_too_short():
    assert [tail_length(k) for k in (2, 20, 21, 100, 5000)] == [0, 0, 5, 20, 213]
