"""Pareto k-hat, the tail shape of importance weights: whether to trust their mean."""

import math

import numpy as np

__all__ = ["pareto_shape", "pooled_shape", "tail_length"]

_LEAST_TAIL = 5

# Rows in a block, which bounds the memory of a fit.
_BLOCK_ROWS = 256

# The prior on k in the appendix of [1] is worth this many observations of k = 1/2.
_PRIOR_WEIGHT, _PRIOR_SHAPE = 10.0, 0.5

# A relative difference between weights below this is due to rounding.
_ROUNDING = 1e-4

# A weight of this size is negligible if the largest is 1.
_NOTHING = 1e-200


def tail_length(num_samples: int) -> int:
    """The number of weights in the tail of K, min(K / 5, 3 sqrt(K)); 0 below K = 21.

    >>> tail_length(1000)
    95
    """
    length = math.ceil(min(num_samples / 5, 3 * math.sqrt(num_samples)))
    return length if length >= _LEAST_TAIL else 0


def pareto_shape(largest: np.ndarray) -> np.ndarray:
    """k-hat: the shape of a generalized Pareto law fitted to the largest weights.

        P(w > u + t) = P(w > u) (1 + k t / sigma)^(-1 / k)

    u is the smallest of the weights given. Moments of order 1 / k and above are infinite:
    the weights have no variance for k >= 1/2, and no mean for k >= 1.

    The fit is Zhang and Stephens' [2]: a posterior mean of theta = -k / sigma over a grid;
    k is then shrunk towards 1/2 by the weakly informative prior of [1].

    Args:
        largest: the M + 1 largest log-weights, `[M + 1, B]`, in descending order, in nats.

    Returns:
        k-hat, `[B]`, float64. By convention it is 0 if the M + 1 weights are equal up to
        rounding; and infinite if a log-weight is NaN or +inf, or if three quarters of the
        tail are negligible compared with the largest weight.

    References:
        [1] Vehtari, Simpson, Gelman, Yao, Gabry. Pareto smoothed importance sampling.
            arXiv 1507.02646.
        [2] Zhang, Stephens. A new and efficient estimation method for the generalized
            Pareto distribution. Technometrics 51, 2009.
    """
    largest = np.asarray(largest, np.float64)
    shape = np.full(largest.shape[1], np.inf)
    # Only the largest may be +inf; NaN may occur anywhere.
    defined = np.isfinite(largest[0]) & ~np.isnan(largest).any(axis=0)
    for rows in np.array_split(np.flatnonzero(defined), 1 + defined.sum() // _BLOCK_ROWS):
        weights = np.exp(largest[:, rows] - largest[0, rows])
        excess = weights[-2::-1] - weights[-1]  # in ascending order
        lone = weights[_quartile(len(excess))] < _NOTHING
        constant = excess[-1] < _ROUNDING
        found = _shape(np.where(lone | constant, 1.0, excess))
        shape[rows] = np.where(lone, np.inf, np.where(constant, 0.0, found))
    return shape


def _quartile(length: int) -> int:
    """The index, in descending order, of the lower quartile of the tail."""
    return length - int(length / 4 + 0.5)


def _shape(excess: np.ndarray) -> np.ndarray:
    """k-hat of the excesses over u, `[M, B]`, none negative, in ascending order."""
    length = len(excess)
    quartile = excess[length - 1 - _quartile(length)]
    # If ties with u make the quartile 0, the smallest excess above 0 replaces it.
    least = np.min(np.where(excess > 0, excess, np.inf), axis=0)
    size = 30 + int(math.sqrt(length))
    part = np.sqrt(size / (np.arange(1, size + 1) - 0.5))[:, np.newaxis]
    theta = 1.0 / excess[-1] + (1.0 - part) / (3.0 * np.maximum(quartile, least))
    shapes = np.mean(np.log1p(-theta[:, np.newaxis] * excess), axis=1)
    log_likelihood = length * (np.log(-theta / shapes) - shapes - 1.0)
    posterior = np.exp(log_likelihood - log_likelihood.max(axis=0))
    mean = np.sum(theta * posterior, axis=0) / np.sum(posterior, axis=0)
    shape = np.mean(np.log1p(-mean * excess), axis=0)
    return (length * shape + _PRIOR_WEIGHT * _PRIOR_SHAPE) / (length + _PRIOR_WEIGHT)


def pooled_shape(shape: np.ndarray, length: int) -> np.ndarray:
    """Each row's k-hat, shrunk towards the mean of the rows.

    The standard error of k from a tail of M weights is about (1 + k) / sqrt(M), 0.15 for K
    = 1000: among rows of equal k, those whose samples happened to miss the tail look best.
    So rows that differ by no more than that are judged together, and rows that differ more
    are judged separately: the variance between rows is estimated, as in James and Stein's
    estimator.

    Args:
        shape: k-hat, `[B]`.
        length: M.

    Returns:
        `[B]`; infinite and NaN values stay unchanged.
    """
    finite = np.isfinite(shape)
    if finite.sum() < 2:
        return shape
    mean = shape[finite].mean()
    shrinkage = length / (length + _PRIOR_WEIGHT)
    error = (max(1.0 + mean, 0.5) * shrinkage) ** 2 / length
    between = max(shape[finite].var(ddof=1) - error, 0.0)
    pooled = mean + between / (between + error) * (shape - mean)
    return np.where(finite, pooled, shape)
