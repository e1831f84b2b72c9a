"""Checks of the features that measures of sample quality compare."""

from collections.abc import Callable, Iterator

import numpy as np

__all__ = ["as_features", "row_blocks"]

_BLOCK_ELEMENTS = 2**24  # 128 MB of float64
_LARGEST = 1e50


def as_features(
    real: np.ndarray,
    generated: np.ndarray,
    needed: Callable[[int], int],
    why: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features as float64 matrices, checked.

    Args:
        real: `[num_real, features]`.
        generated: `[num_generated, features]`.
        needed: function from the number of features to the number of samples needed.
        why: the reason for `needed`, for the error.

    Returns:
        The two matrices.

    Raises:
        ValueError: As documented for each measure.
    """
    sets = {"real": real, "generated": generated}
    for name, x in sets.items():
        if x is None or np.asarray(x).dtype.kind not in "fiub":
            raise TypeError(f"`{name}` must be a matrix of numbers; received {x!r}.")
    sets = {name: np.asarray(x, np.float64) for name, x in sets.items()}
    for name, x in sets.items():
        if x.ndim != 2:
            raise ValueError(
                f"`{name}` must be a matrix of features, [samples, features]; received "
                f"shape {x.shape}. Reshape it, or take a classifier's features."
            )
        if not np.all(np.isfinite(x)):
            raise ValueError(f"`{name}` must be finite; received NaN or infinity.")
        if x.size and np.abs(x).max() > _LARGEST:
            raise ValueError(
                f"`{name}` must lie in [-1e50, 1e50], since measures contain sixth "
                f"powers; received {np.abs(x).max():.3g}. Divide both sets by one number."
            )
    real, generated = sets.values()
    if real.shape[1] != generated.shape[1]:
        raise ValueError(
            "`real` and `generated` must have the same features; received "
            f"{real.shape[1]} and {generated.shape[1]}."
        )
    minimum = needed(real.shape[1])
    for name, x in sets.items():
        if len(x) < minimum:
            raise ValueError(
                f"`{name}` must hold at least {minimum} samples: {why}; received {len(x)}."
            )
    return real, generated


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of `rows` such that a block of them by `columns` stays small."""
    size = max(1, _BLOCK_ELEMENTS // columns)
    for start in range(0, rows, size):
        yield slice(start, start + size)
