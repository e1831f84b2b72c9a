"""Originals, and their reconstructions below them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tfgen.plots.drawing import Filepath, save
from tfgen.plots.image_rows import draw_images
from tfgen.plots.tiles import check_columns, scale_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["reconstructions"]

_NUM_COLUMNS = 10


def reconstructions(
    originals: ArrayLike,
    reconstructions: ArrayLike | Mapping[str, ArrayLike],
    num_columns: int | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    filepath: Filepath = None,
) -> "Figure":
    """Originals, and below each its reconstruction, with labelled rows.

    Args:
        originals: Intensities in `value_range`, `[N, H, W]`, `[N, H, W, 1]` (grey) or
            `[N, H, W, 3]` (red, green, blue).
        reconstructions: Of the same shape, such as `model.predict(x)` or
            `model.reconstruct(x, seed=0)`; or several by name, each one row below the
            originals. Values outside `value_range` are drawn as its ends.
        num_columns: Originals in a row; 10, or fewer where there are fewer, by default.
        value_range: The values of black and of white, such as (-1, 1).
        filepath: Where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If a shape is wrong, or differs from the originals', if originals leave
            `value_range`, or if `num_columns` is below 1.

    Example:
        >>> import numpy as np
        >>> import tfgen
        >>> x = np.random.default_rng(0).random([3, 8, 8])
        >>> figure = tfgen.plots.reconstructions(x, {"K = 1": x / 2, "K = 5": x / 3})
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['original', 'K = 1', 'K = 5']
    """
    if not isinstance(reconstructions, Mapping):
        reconstructions = {"reconstruction": reconstructions}
    rows = {"original": scale_images(originals, value_range, "originals")}
    for name, images in reconstructions.items():
        rows[name] = scale_images(images, value_range, "reconstructions", clip=True)
        if rows[name].shape != rows["original"].shape:
            raise ValueError(
                "`reconstructions` must have the shape of `originals`; received "
                f"{np.shape(images)} for originals of {np.shape(originals)}."
            )
    count = len(rows["original"])
    default = min(count, _NUM_COLUMNS)
    num_columns = check_columns(default if num_columns is None else num_columns, count)
    blocks: list[np.ndarray] = []
    labels: list[str] = []
    for start in range(0, count, num_columns):
        for name, row in rows.items():
            part = row[start : start + num_columns]
            blank = np.ones((num_columns - len(part), *part.shape[1:]))
            blocks.append(np.concatenate([part, blank]))
            labels.append(name)
    figure = draw_images(
        np.concatenate(blocks), num_columns, "reconstructions", row_labels=labels
    )
    return save(figure, filepath)
