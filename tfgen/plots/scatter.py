"""Where examples lie in latent space."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tfgen.plots.decoding import check_dimension, check_latents
from tfgen.plots.drawing import Filepath, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["latent_scatter"]

_MARKERS = "os^Dv*P<>X"


def latent_scatter(
    z: ArrayLike,
    labels: ArrayLike | None = None,
    dimensions: tuple[int, int] = (0, 1),
    filepath: Filepath = None,
) -> "Figure":
    """Two dimensions of the latents of examples, coloured by label.

    A label of one character, such as a digit's class, is drawn itself; other labels have
    markers of different shapes, so they can be told apart in grey.

    Args:
        z: `[N, D]`, such as `model.encode(x).mean()`.
        labels: classes, integers or text, `[N]`.
        dimensions: which two of z are along x and along y, counted from 0.
        filepath: where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if a shape is wrong, or `dimensions` are not two of z's.

    >>> figure = latent_scatter([[0.0, 1.0], [2.0, 3.0], [1.0, 1.0]], labels=[7, 9, 9])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['7', '9']
    """
    points = check_latents(z, None)
    across, up = (check_dimension(d, points.shape[1], "dimensions") for d in dimensions)
    classes = np.zeros(len(points)) if labels is None else np.asarray(labels)
    if classes.shape != (len(points),):
        raise ValueError(
            f"`labels` must have shape ({len(points)},), one for each row of z; received "
            f"{classes.shape}."
        )
    figure = new_figure((6, 5), "latent_scatter", layout="constrained")
    axes = figure.add_subplot(xlabel=f"$z_{{{across}}}$", ylabel=f"$z_{{{up}}}$")
    names = np.unique(classes)
    colours = _colours(len(names))
    is_short = labels is not None and all(len(str(name)) == 1 for name in names)
    for number, name in enumerate(names):
        rows = classes == name
        axes.scatter(
            points[rows, across],
            points[rows, up],
            s=22,
            linewidths=0.3,
            marker=f"${name}$" if is_short else _MARKERS[number % len(_MARKERS)],
            color=colours[number],
            label=str(name),
        )
    if labels is not None:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes.set_aspect("equal", adjustable="datalim")
    return save(figure, filepath)


def _colours(count: int) -> np.ndarray:
    """Colours from dark to light, none so light that it is hard to see on white."""
    from matplotlib import colormaps

    return colormaps["turbo"](np.linspace(0.05, 0.95, count)) * [0.85, 0.85, 0.85, 1]
