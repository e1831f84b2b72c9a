"""Distances between two sets of samples, in the space of their features."""

from typing import NamedTuple

import numpy as np

from tfgen.evaluation.sample_features import as_features, row_blocks

__all__ = [
    "ExtrapolatedDistance",
    "extrapolated_frechet_distance",
    "frechet_distance",
    "kernel_distance",
]

_MOST_PARTS = 5  # into which the samples are split, so sizes are N, N/2, ..., N/5
_FOLDS = 10  # the parts of the jackknife


class ExtrapolatedDistance(NamedTuple):
    """A distance, and its standard error, in squared units of the features."""

    distance: float
    standard_error: float


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The squared Fréchet (2-Wasserstein) distance of the Gaussians fitted to each set.

        d² = ‖m₁ - m₂‖² + tr C₁ + tr C₂ - 2 tr (C₁ C₂)^½

    With features of an Inception network this is the FID [1]; here you choose the features.
    It is biased upwards by the finite number of samples, so compare only distances from
    equal numbers of samples.

    Args:
        real: features of real data, `[num_real, features]`.
        generated: features of samples, `[num_generated, features]`.

    Returns:
        The distance, in squared units of the features; computed in float64.

    Raises:
        ValueError: If a set is not a finite matrix, the two have different numbers of
            features, or a set has no more samples than features, so that its
            covariance is singular.

    >>> import numpy as np
    >>> corners = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    >>> round(frechet_distance(corners, corners + [3.0, 4.0]), 9)
    25.0

    [1] Heusel et al., GANs trained by a two time-scale update rule converge to a local
        Nash equilibrium. arXiv:1706.08500
    """
    real, generated = as_features(
        real,
        generated,
        needed=lambda features: features + 1,
        why="a covariance of full rank takes more samples than features",
    )
    root_real, root_generated = _covariance_root(real), _covariance_root(generated)
    # With C = RᵀR the trace of (C₁ C₂)^½ is the sum of the singular values of R₁ R₂ᵀ.
    shared = np.linalg.svd(root_real @ root_generated.T, compute_uv=False).sum()
    return float(
        np.sum((real.mean(axis=0) - generated.mean(axis=0)) ** 2)
        + np.sum(root_real**2)
        + np.sum(root_generated**2)
        - 2.0 * shared
    )


def extrapolated_frechet_distance(
    real: np.ndarray, generated: np.ndarray, seed: int = 0
) -> ExtrapolatedDistance:
    """The Fréchet distance of infinitely many samples, FID-infinity [1].

    The bias of `frechet_distance` decreases as 1/N. Both sets are split into 1, 2, ..., 5
    parts, the distances of the parts are averaged, and a line in 1/N is extrapolated to 0.
    Unlike [1], which keeps the data, this removes the bias of both sets, so that the
    distance of two sets of the same law is 0 in expectation. The standard error is that of
    a jackknife over tenths of the rows.

    Args:
        real: features of real data, `[num, features]`.
        generated: features of samples, `[num, features]`.
        seed: seed of the order in which rows are split.

    Returns:
        `(distance, standard_error)`; the distance may be negative within its error.

    Raises:
        ValueError: as for `frechet_distance` with a fifth of nine tenths of the rows, or if
            the sets have different numbers of rows.

    [1] Chong, Forsyth. Effectively unbiased FID and Inception Score and where to find
        them. arXiv:1911.07023
    """
    smallest = _MOST_PARTS * _FOLDS / (_FOLDS - 1)
    real, generated = as_features(
        real,
        generated,
        needed=lambda features: int(np.ceil((features + 2) * smallest)),
        why="a tenth is left out, and a fifth of the rest has more rows than features",
    )
    if len(real) != len(generated):
        raise ValueError(
            "`generated` must have as many rows as `real`, so that the bias of both "
            f"decreases at the same rate; received {len(generated)} and {len(real)}."
        )
    rng = np.random.default_rng(seed)
    real, generated = rng.permutation(real), rng.permutation(generated)
    whole = _continued_to_infinity(real, generated)
    fold = np.arange(len(real)) % _FOLDS
    without = [
        _continued_to_infinity(real[fold != i], generated[fold != i]) for i in range(_FOLDS)
    ]
    spread = np.sqrt((_FOLDS - 1) * np.var(without))
    return ExtrapolatedDistance(whole, float(spread))


def _continued_to_infinity(real: np.ndarray, generated: np.ndarray) -> float:
    sizes, distances = [], []
    for parts in range(1, _MOST_PARTS + 1):
        size = len(real) // parts
        slices = [slice(i * size, (i + 1) * size) for i in range(parts)]
        sizes.append(size)
        distances.append(
            np.mean([frechet_distance(real[part], generated[part]) for part in slices])
        )
    return float(np.polyfit(1.0 / np.array(sizes), distances, deg=1)[1])


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """The unbiased squared maximum mean discrepancy under a cubic kernel.

        MMD² = E k(x, x′) + E k(y, y′) - 2 E k(x, y),    k(x, y) = (x·y / features + 1)³

    With features of an Inception network this is the KID [1]. Only pairs of distinct
    samples are used, so its mean is the exact value, and it may be negative.

    Args:
        real: features of real data, `[num_real, features]`.
        generated: features of samples, `[num_generated, features]`.

    Returns:
        The estimate; computed in float64.

    Raises:
        ValueError: If a set is not a finite matrix, the two have different numbers of
            features, or a set has fewer than 2 samples.

    >>> kernel_distance([[0.0], [0.0]], [[1.0], [1.0]])
    7.0

    [1] Bińkowski et al., Demystifying MMD GANs. arXiv:1801.01401
    """
    real, generated = as_features(
        real,
        generated,
        needed=lambda features: 2,
        why="the unbiased estimate is over pairs of distinct samples",
    )
    return (
        _mean_kernel_within(real)
        + _mean_kernel_within(generated)
        - 2.0 * _kernel_sum(real, generated) / (len(real) * len(generated))
    )


def _covariance_root(x: np.ndarray) -> np.ndarray:
    """R with RᵀR the sample covariance."""
    return np.asarray(np.linalg.qr((x - x.mean(axis=0)) / np.sqrt(len(x) - 1), mode="r"))


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    scale = x.shape[1]
    return float(
        sum(
            np.sum((x[block] @ y.T / scale + 1.0) ** 3)
            for block in row_blocks(len(x), len(y))
        )
    )


def _mean_kernel_within(x: np.ndarray) -> float:
    diagonal = np.sum((np.sum(x * x, axis=1) / x.shape[1] + 1.0) ** 3)
    return (_kernel_sum(x, x) - float(diagonal)) / (len(x) * (len(x) - 1))
