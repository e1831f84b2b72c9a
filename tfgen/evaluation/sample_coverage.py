"""How much of the data the samples cover, and how many samples lie near the data."""

from typing import NamedTuple

import numpy as np

from tfgen.evaluation.sample_features import as_features, row_blocks

__all__ = ["DensityCoverage", "PrecisionRecall", "density_coverage", "precision_recall"]


class PrecisionRecall(NamedTuple):
    """Both in [0, 1]."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """A density, and a coverage in [0, 1].

    The density is 1 in expectation for perfect samples of continuous data. If there are
    equal distances, as between binary images, it is above 1.
    """

    density: float
    coverage: float


def precision_recall(
    real: np.ndarray, generated: np.ndarray, num_neighbors: int = 3
) -> PrecisionRecall:
    """The improved precision and recall of samples [1].

    The manifold of a set is the union of balls around its points, each reaching to the
    point's k-th nearest neighbour in the set. Precision is the fraction of the samples on
    the manifold of the data; recall is the fraction of the data on that of the samples.

    Args:
        real: features of real data, `[num_real, features]`.
        generated: features of samples, `[num_generated, features]`.
        num_neighbors: k, at least 1.

    Returns:
        `(precision, recall)`; computed in float64. A point on the surface of a ball is in
        it: exactly for integers, such as binary images, and up to rounding otherwise, so it
        is better to pass pixels as integers than as fractions.

    Raises:
        ValueError: If a set is not a finite matrix, the two have different numbers of
            features, `num_neighbors` is below 1, or a set has no more than
            `num_neighbors` samples.

    >>> data = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]]
    >>> precision_recall(data, [[0.5], [1.0], [1.5]], num_neighbors=1)
    PrecisionRecall(precision=1.0, recall=0.5)

    [1] Kynkäänniemi et al., Improved precision and recall metric for assessing
        generative models. arXiv:1904.06991
    """
    real, generated, rounding = _checked(real, generated, num_neighbors)
    real_radii = _squared_radii(real, num_neighbors, rounding)
    generated_radii = _squared_radii(generated, num_neighbors, rounding)
    on_data = np.zeros(len(generated), bool)
    on_samples = np.zeros(len(real), bool)
    for block in row_blocks(len(real), len(generated)):
        distances = _squared_distances(real[block], generated)
        on_data |= np.any(distances <= real_radii[block, np.newaxis], axis=0)
        on_samples[block] = np.any(distances <= generated_radii, axis=1)
    return PrecisionRecall(float(on_data.mean()), float(on_samples.mean()))


def density_coverage(
    real: np.ndarray, generated: np.ndarray, num_neighbors: int = 5
) -> DensityCoverage:
    """Density and coverage of samples [1], which outliers among the samples do not inflate.

    With balls around the *data* only, each reaching to the k-th nearest neighbour in
    the data: density is the number of balls a sample lies in, over k, averaged over
    the samples; coverage is the fraction of the balls that hold a sample. For N data and M
    samples of the same continuous law their expectations are 1 and 1 - ∏_{i=1..k} (N - i) /
    (N + M - i). If there are equal distances, as between binary images, both are larger: a
    ball then holds more than its k points.

    Args:
        real: features of real data, `[num_real, features]`.
        generated: features of samples, `[num_generated, features]`.
        num_neighbors: k, at least 1.

    Returns:
        `(density, coverage)`; points on a surface count as in `precision_recall`.

    Raises:
        ValueError: As for `precision_recall`.

    >>> data = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]]
    >>> density_coverage(data, [[0.5], [1.0], [1.5]], num_neighbors=1)
    DensityCoverage(density=2.3333333333333335, coverage=0.5)

    [1] Naeem et al., Reliable fidelity and diversity metrics for generative models.
        arXiv:2002.09797
    """
    real, generated, rounding = _checked(real, generated, num_neighbors)
    radii = _squared_radii(real, num_neighbors, rounding)
    inside = np.zeros(len(real), np.int64)
    for block in row_blocks(len(real), len(generated)):
        distances = _squared_distances(real[block], generated)
        inside[block] = np.sum(distances <= radii[block, np.newaxis], axis=1)
    density = inside.sum() / (num_neighbors * len(generated))
    return DensityCoverage(float(density), float(np.mean(inside > 0)))


class _Points(NamedTuple):
    """Two sets of points, and a bound on the rounding error of their squared distances."""

    real: np.ndarray
    generated: np.ndarray
    rounding: float


def _checked(real: np.ndarray, generated: np.ndarray, num_neighbors: int) -> _Points:
    if isinstance(num_neighbors, bool | str) or num_neighbors != int(num_neighbors):
        raise TypeError(f"`num_neighbors` must be an integer; received {num_neighbors!r}.")
    if num_neighbors < 1:
        raise ValueError(f"`num_neighbors` must be at least 1; received {num_neighbors}.")
    real, generated = as_features(
        real,
        generated,
        needed=lambda features: num_neighbors + 1,
        why=f"each needs {num_neighbors} neighbours (`num_neighbors`) beside itself",
    )
    whole = all(np.array_equal(x, np.rint(x)) for x in (real, generated))
    # Distances don't depend on the origin; their rounding does. Integers stay integers.
    centre = np.rint(real.mean(axis=0)) if whole else real.mean(axis=0)
    real, generated = real - centre, generated - centre
    largest = max(np.sum(x * x, axis=1).max() for x in (real, generated))
    # Sums of integers below 2^53 are exact, in whatever order; distances are at most four
    # times a square. Others are off by a rounding of each term.
    exact = whole and 4.0 * largest < 2.0**53
    terms = real.shape[1] + 2
    rounding = 0.0 if exact else 4.0 * terms * np.finfo(np.float64).eps * largest
    return _Points(real, generated, float(rounding))


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖x_i - y_j‖², `[len(x), len(y)]`."""
    squares = np.sum(x * x, axis=1)[:, np.newaxis] + np.sum(y * y, axis=1)
    return np.maximum(squares - 2.0 * (x @ y.T), 0.0)


def _squared_radii(x: np.ndarray, num_neighbors: int, rounding: float) -> np.ndarray:
    """The squared distance of each point to its k-th nearest other point.

    It is increased by the largest rounding error, so that a point on the ball's surface, as
    with equal distances, is in the ball.
    """
    radii = np.empty(len(x))
    for block in row_blocks(len(x), len(x)):
        distances = _squared_distances(x[block], x)
        rows = np.arange(len(distances))
        distances[rows, rows + block.start] = np.inf
        nearest = np.partition(distances, num_neighbors - 1, axis=1)
        radii[block] = nearest[:, num_neighbors - 1]
    return radii + rounding
