"""A grid of images, with titles and labels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from tfgen.plots.drawing import Filepath, save
from tfgen.plots.image_rows import draw_images
from tfgen.plots.tiles import check_columns, scale_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["image_grid"]


def image_grid(
    images: ArrayLike,
    num_columns: int | None = None,
    titles: Sequence[str] | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    filepath: Filepath = None,
) -> "Figure":
    """Images side by side, row by row.

    `save_image_grid` writes a grid without text, and needs no matplotlib.

    Args:
        images: Intensities in `value_range`, `[N, H, W]`, `[N, H, W, 1]` (grey) or
            `[N, H, W, 3]` (red, green, blue).
        num_columns: Images in a row; by default about as many as there are rows.
        titles: One above each image.
        row_labels: One to the left of each row.
        column_labels: One above each column.
        value_range: The values of black and of white, such as (-1, 1).
        filepath: Where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows: one axes of N images.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If `images` has another shape, is empty or leaves `value_range`, if
            `num_columns` is below 1, or there are not as many texts as images, rows or
            columns.

    Example:
        >>> import numpy as np
        >>> import tfgen
        >>> images = np.random.default_rng(0).uniform(-1, 1, [6, 8, 8])
        >>> figure = tfgen.plots.image_grid(
        ...     images, num_columns=3, row_labels=["K = 1", "K = 5"], value_range=(-1, 1)
        ... )
        >>> len(figure.axes[0].images)
        6
    """
    images = scale_images(images, value_range)
    num_columns = check_columns(num_columns, len(images))
    texts = (titles, row_labels, column_labels)
    return save(draw_images(images, num_columns, "image_grid", *texts), filepath)
