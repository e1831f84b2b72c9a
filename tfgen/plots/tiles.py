"""Images checked, scaled to [0, 1] and laid side by side, as arrays."""

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["check_columns", "check_images", "check_range", "scale_images", "tile"]


def check_range(value_range: Any) -> tuple[float, float]:
    """The values drawn black and white, as floats, or an error that says what is wrong."""
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            "`value_range` must be two numbers, of black and of white, the first the "
            f"smaller; received {value_range!r}. Pass (0, 1) or (-1, 1)."
        )
    return low, high


def check_columns(num_columns: int | None, num_images: int) -> int:
    """How many images are in a row; by default about as many as there are rows."""
    if num_columns is None:
        return math.ceil(math.sqrt(num_images))
    if isinstance(num_columns, bool) or not isinstance(num_columns, numbers.Integral):
        raise TypeError(
            f"`num_columns` must be a whole number or None; received {num_columns!r}."
        )
    if num_columns < 1:
        raise ValueError(f"`num_columns` must be at least 1; received {num_columns}.")
    return num_columns


def check_images(images: ArrayLike, name: str = "images") -> np.ndarray:
    """Images as float64 `[N, H, W, C]`, or an error that says what is wrong."""
    if images is None or isinstance(images, str):
        raise TypeError(f"`{name}` must be an array of intensities; received {images!r}.")
    images = np.asarray(images, dtype=np.float64)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"`{name}` must have shape [N, H, W], [N, H, W, 1] or [N, H, W, 3] and not "
            f"be empty; received shape {images.shape}."
        )
    return images


def scale_images(
    images: ArrayLike,
    value_range: tuple[float, float],
    name: str = "images",
    clip: bool = False,
) -> np.ndarray:
    """Images `[N, H, W, C]` with `value_range` mapped to [0, 1].

    Args:
        images: as `check_images` takes them.
        value_range: the values of black and of white.
        name: the argument's name, for the errors.
        clip: whether values outside the range are clipped to it; if not, they are an error.

    Raises:
        ValueError: if the shape, the range or a value is wrong.
    """
    low, high = check_range(value_range)
    values = check_images(images, name)
    if clip and not np.isnan(values).any():
        values = np.clip(values, low, high)
    if not (values.min() >= low and values.max() <= high):  # NaN fails too
        raise ValueError(
            f"`{name}` must be in [{low:g}, {high:g}]; received values from "
            f"{values.min()} to {values.max()}. Pass their range as `value_range`, or "
            "divide counts by their maximum."
        )
    return (values - low) / (high - low)


def tile(images: np.ndarray, num_columns: int, zoom: int = 1, gap: int = 1) -> np.ndarray:
    """Images `[N, H, W, C]` side by side, row by row, in one array `[height, width, C]`.

    Args:
        images: in [0, 1].
        num_columns: images in a row.
        zoom: side of the square that stands for one pixel of an image.
        gap: grey pixels between neighbours; there is no border.

    Raises:
        ValueError: if `zoom` is below 1.
    """
    if isinstance(zoom, bool) or not isinstance(zoom, numbers.Integral):
        raise TypeError(f"`zoom` must be a whole number; received {zoom!r}.")
    if zoom < 1:
        raise ValueError(f"`zoom` must be at least 1; received {zoom}.")
    num, height, width, channels = images.shape
    num_rows = math.ceil(num / num_columns)
    tiles = np.zeros((num_rows * num_columns, height, width, channels))
    tiles[:num] = images
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    tiles = np.pad(tiles, ((0, 0), (0, gap), (0, gap), (0, 0)), constant_values=0.5)
    tiles = tiles.reshape(num_rows, num_columns, *tiles.shape[1:]).swapaxes(1, 2)
    grid = tiles.reshape(num_rows * tiles.shape[1], -1, channels)
    return grid[: len(grid) - gap, : grid.shape[1] - gap]
