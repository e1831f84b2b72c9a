"""Pictures: grids of images, which need nothing more, and curves, by matplotlib."""

import math
import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

__all__ = ["save_curves", "save_image_grid"]


def save_image_grid(
    filepath: str | pathlib.Path,
    images: ArrayLike,
    num_columns: int | None = None,
    zoom: int = 1,
) -> None:
    """Writes images side by side, row by row, as one PNG file.

    Args:
        filepath: Of the PNG file; its directory is made where it is missing.
        images: Intensities in [0, 1], `[N, H, W]`, `[N, H, W, 1]` (grey, 1 is white)
            or `[N, H, W, 3]` (red, green, blue).
        num_columns: Images in a row; by default about as many as there are rows.
        zoom: Side, in pixels, of the square that draws one pixel of an image.

    Raises:
        ValueError: If `images` has another shape, is empty or leaves [0, 1], or if
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
    images = _checked(images)
    if num_columns is None:
        num_columns = math.ceil(math.sqrt(len(images)))
    for name, value in (("num_columns", num_columns), ("zoom", zoom)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1; received {value}.")
    num, height, width, channels = images.shape
    num_rows = math.ceil(num / num_columns)
    tiles = np.zeros((num_rows * num_columns, height, width, channels))
    tiles[:num] = images
    tiles = tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    # One grey pixel between neighbours, none around.
    tiles = np.pad(tiles, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=0.5)
    tiles = tiles.reshape(num_rows, num_columns, *tiles.shape[1:]).swapaxes(1, 2)
    grid = tiles.reshape(num_rows * tiles.shape[1], -1, channels)[:-1, :-1]
    png = tf.io.encode_png(np.rint(255 * grid).astype(np.uint8))
    filepath = pathlib.Path(filepath)
    filepath.parent.mkdir(parents=True, exist_ok=True)
    filepath.write_bytes(png.numpy())


def save_curves(
    filepath: str | pathlib.Path,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
) -> None:
    """Draws curves into one picture, with a legend.

    Args:
        filepath: Of the picture; its ending is its format (`.png`, `.svg`, `.pdf`).
            Its directory is made where it is missing.
        curves: For each name in the legend, the values along x and along y.
        xlabel: What is along x, with its unit.
        ylabel: What is along y, with its unit.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If `curves` is empty.

    Example:
        >>> import os, tempfile
        >>> import tfgen
        >>> filepath = os.path.join(tempfile.mkdtemp(), "elbo.png")
        >>> curves = {"train": ([1, 2], [-30, -25]), "test": ([1, 2], [-31, -27])}
        >>> tfgen.plots.save_curves(filepath, curves, "epoch", "ELBO, nats an example")
        >>> os.path.exists(filepath)
        True
    """
    try:
        from matplotlib.figure import Figure  # not pyplot: no global state, no window
    except ImportError as error:
        raise ImportError(
            "`save_curves` needs matplotlib: `pip install tfgen[plots]`."
        ) from error
    if not curves:
        raise ValueError("`curves` must hold at least one curve; received none.")
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
    for name, (x, y) in curves.items():
        axes.plot(x, y, label=name)
    axes.legend()
    filepath = pathlib.Path(filepath)
    filepath.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(filepath, dpi=150)


def _checked(images: ArrayLike) -> np.ndarray:
    """Returns images `[N, H, W, C]` in [0, 1], or says what is wrong with them."""
    images = np.asarray(images, dtype=np.float64)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            "`images` must have shape [N, H, W], [N, H, W, 1] or [N, H, W, 3] and not "
            f"be empty; received shape {images.shape}."
        )
    if not (images.min() >= 0 and images.max() <= 1):  # NaN fails too
        raise ValueError(
            "`images` must be in [0, 1]; received values from "
            f"{images.min()} to {images.max()}. Divide counts by their maximum."
        )
    return images
