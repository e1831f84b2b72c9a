"""How much of the data the samples cover, and how much of them lies on the data."""

from typing import NamedTuple

import numpy as np

from tfgen.evaluation.sample_features import as_features, row_blocks

__all__ = ["DensityCoverage", "PrecisionRecall", "density_coverage", "precision_recall"]


class PrecisionRecall(NamedTuple):
    """Both in [0, 1]."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """A density, 1 in expectation for perfect samples, and a coverage in [0, 1]."""

    density: float
    coverage: float


def precision_recall(
    real: np.ndarray, generated: np.ndarray, num_neighbors: int = 3
) -> PrecisionRecall:
    """The improved precision and recall of samples [1].

    The manifold of a set is the union of balls around its points, each reaching to the
    point's k-th nearest neighbour in the set. Precision is the part of the samples on
    the manifold of the data; recall the part of the data on that of the samples.

    Args:
        real: features of real data, `[num_real, features]`.
        generated: features of samples, `[num_generated, features]`.
        num_neighbors: k, at least 1.

    Returns:
        `(precision, recall)`; computed in float64.

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
    real, generated = _checked(real, generated, num_neighbors)
    real_radii = _squared_radii(real, num_neighbors)
    generated_radii = _squared_radii(generated, num_neighbors)
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
    """Density and coverage of samples [1], which outliers among them do not inflate.

    With balls around the *data* only, each reaching to the k-th nearest neighbour in
    the data: density is the number of balls a sample lies in, over k, averaged over
    the samples; coverage is the part of the balls that hold a sample. For N data and
    M samples of the same law their expectations are 1 and
    1 - ∏_{i=1..k} (N - i) / (N + M - i).

    Args:
        real: features of real data, `[num_real, features]`.
        generated: features of samples, `[num_generated, features]`.
        num_neighbors: k, at least 1.

    Returns:
        `(density, coverage)`; computed in float64.

    Raises:
        ValueError: As for `precision_recall`.

    >>> data = [[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]]
    >>> density_coverage(data, [[0.5], [1.0], [1.5]], num_neighbors=1)
    DensityCoverage(density=2.3333333333333335, coverage=0.5)

    [1] Naeem et al., Reliable fidelity and diversity metrics for generative models.
        arXiv:2002.09797
    """
    real, generated = _checked(real, generated, num_neighbors)
    radii = _squared_radii(real, num_neighbors)
    inside = np.zeros(len(real), np.int64)
    for block in row_blocks(len(real), len(generated)):
        distances = _squared_distances(real[block], generated)
        inside[block] = np.sum(distances <= radii[block, np.newaxis], axis=1)
    density = inside.sum() / (num_neighbors * len(generated))
    return DensityCoverage(float(density), float(np.mean(inside > 0)))


def _checked(
    real: np.ndarray, generated: np.ndarray, num_neighbors: int
) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(num_neighbors, bool) or num_neighbors != int(num_neighbors):
        raise TypeError(f"`num_neighbors` must be an integer; received {num_neighbors}.")
    if num_neighbors < 1:
        raise ValueError(f"`num_neighbors` must be at least 1; received {num_neighbors}.")
    real, generated = as_features(
        real,
        generated,
        needed=lambda features: num_neighbors + 1,
        why=f"each needs {num_neighbors} neighbours (`num_neighbors`) beside itself",
    )
    # Distances don't depend on the origin; their rounding does.
    centre = real.mean(axis=0)
    return real - centre, generated - centre


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖x_i - y_j‖², `[len(x), len(y)]`."""
    squares = np.sum(x * x, axis=1)[:, np.newaxis] + np.sum(y * y, axis=1)
    return np.maximum(squares - 2.0 * (x @ y.T), 0.0)


def _squared_radii(x: np.ndarray, num_neighbors: int) -> np.ndarray:
    """The squared distance of each point to its k-th nearest other point."""
    radii = np.empty(len(x))
    for block in row_blocks(len(x), len(x)):
        distances = _squared_distances(x[block], x)
        rows = np.arange(len(distances))
        distances[rows, rows + block.start] = np.inf
        nearest = np.partition(distances, num_neighbors - 1, axis=1)
        radii[block] = nearest[:, num_neighbors - 1]
    return radii
