"""Grids of images as PNG files, which need no matplotlib."""

import os
import pathlib

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfgen.plots.tiles import check_columns, scale_images, tile
from tfgen.serving.files import written_whole

__all__ = ["save_image_grid", "write_png"]


def save_image_grid(
    filepath: str | pathlib.Path,
    images: ArrayLike,
    num_columns: int | None = None,
    zoom: int = 1,
    value_range: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Writes images side by side, row by row, as one PNG file.

    It needs no matplotlib. `image_grid` makes a figure, with titles and labels.

    Args:
        filepath: Where to write the PNG file. A missing directory is created.
        images: Intensities in `value_range`, `[N, H, W]`, `[N, H, W, 1]` (grey) or
            `[N, H, W, 3]` (red, green, blue).
        num_columns: Images in a row; by default about as many as there are rows.
        zoom: Side, in pixels, of the square that draws one pixel of an image.
        value_range: The values of black and of white, such as (-1, 1).

    Raises:
        ValueError: If `images` has another shape, is empty or leaves `value_range`, or if
            `num_columns` or `zoom` is below 1.

    Example:
        >>> import os, tempfile
        >>> import numpy as np
        >>> import tfgen
        >>> filepath = os.path.join(tempfile.mkdtemp(), "noise.png")
        >>> images = np.random.default_rng(0).random([10, 8, 8])
        >>> tfgen.plots.save_image_grid(filepath, images, num_columns=5, zoom=4)
        >>> os.path.exists(filepath)
        True
    """
    images = scale_images(images, value_range)
    grid = tile(images, check_columns(num_columns, len(images)), zoom)
    write_png(filepath, grid)


def write_png(filepath: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes a picture `[height, width, C]`, in [0, 1], as a PNG file."""
    png = tf.io.encode_png(np.rint(255 * picture).astype(np.uint8))
    with written_whole(filepath) as partial:
        partial.write_bytes(png.numpy())
