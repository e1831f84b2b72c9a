"""Draws images in rows and columns, with titles and labels, pixel by pixel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfgen.plots.drawing import new_figure

__all__ = ["draw_images"]

_INCH = 100  # pixels of a figure
_CELL = 60  # the least side of an image, in those pixels
_GAP = 6
_FONT = 8  # points
_LINE = math.ceil(1.35 * _FONT * _INCH / 72)  # the height of a line of text, in pixels


def draw_images(
    images: np.ndarray,
    num_columns: int,
    name: str,
    titles: Sequence[str] | None = None,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
) -> Any:
    """A figure of images with one axes, whose units are the figure's pixels.

    Args:
        images: in [0, 1], `[N, H, W, C]`.
        num_columns: images in a row.
        name: the public function that calls this one, for error messages.
        titles: one above each image.
        row_labels: one to the left of each row.
        column_labels: one above each column.

    Raises:
        ValueError: if there are not as many texts as images, rows or columns.
    """
    figure = new_figure((1, 1), name)  # first: without matplotlib it says so
    num_images, height, width, channels = images.shape
    num_rows = math.ceil(num_images / num_columns)
    titles = _texts(titles, "titles", num_images, "images")
    row_labels = _texts(row_labels, "row_labels", num_rows, "rows")
    column_labels = _texts(column_labels, "column_labels", num_columns, "columns")
    # One pixel of an image is a whole number of the figure's pixels; titles fit in width.
    least = max(_CELL * width / max(height, width), _width(titles), _width(column_labels))
    zoom = math.ceil(least / width)
    cell = (zoom * width, zoom * height)
    above = _height(titles)
    left = _GAP + math.ceil(_width(row_labels)) + (_GAP if row_labels else 0)
    top = _GAP + _height(column_labels)
    size = (
        left + num_columns * (cell[0] + _GAP),
        top + num_rows * (above + cell[1] + _GAP),
    )
    figure.set_size_inches(size[0] / _INCH, size[1] / _INCH)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for number, image in enumerate(images):
        row, column = divmod(number, num_columns)
        x = left + column * (cell[0] + _GAP)
        y = top + row * (above + cell[1] + _GAP) + above
        axes.imshow(
            image[..., 0] if channels == 1 else image,
            cmap="gray",
            vmin=0,
            vmax=1,
            interpolation="nearest",
            extent=(x, x + cell[0], y + cell[1], y),
        )
        if titles:
            axes.text(x + cell[0] / 2, y - 2, titles[number], **_text("center", "bottom"))
        if row_labels and column == 0:
            middle = y + cell[1] / 2
            axes.text(x - _GAP, middle, row_labels[row], **_text("right", "center"))
        if column_labels and row == 0:
            text, middle = column_labels[column], x + cell[0] / 2
            axes.text(middle, y - above - 2, text, **_text("center", "bottom"))
    axes.set(xlim=(0, size[0]), ylim=(size[1], 0), aspect="auto")
    return figure


def _texts(texts: Any, name: str, count: int, what: str) -> list[str]:
    texts = [] if texts is None else [str(text) for text in texts]
    if texts and len(texts) != count:
        raise ValueError(
            f"`{name}` must hold one text for each of the {count} {what}; received "
            f"{len(texts)}."
        )
    return texts


def _width(texts: list[str]) -> float:
    """The width of the widest line, in pixels of the figure, and a little more."""
    from matplotlib.textpath import TextPath

    lines = {line for text in texts for line in text.split("\n") if line.strip()}
    widths = [TextPath((0, 0), line, size=_FONT).get_extents().x1 for line in lines]
    return 1.05 * max(widths, default=0) * _INCH / 72 + (_GAP if widths else 0)


def _height(texts: list[str]) -> int:
    return _LINE * max((text.count("\n") + 1 for text in texts), default=0)


def _text(horizontal: str, vertical: str) -> dict[str, Any]:
    return {"ha": horizontal, "va": vertical, "fontsize": _FONT}
