"""Curves in one picture, each with its name."""

import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tfgen.plots.drawing import Filepath, line_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["curves", "save_curves"]


def curves(
    values: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    filepath: Filepath = None,
) -> "Figure":
    """Curves in one picture, with a legend.

    Lines differ by colour, dashes and marker, so that they can be told apart in grey.

    Args:
        values: For each name in the legend, the values along x and along y.
        xlabel: What is along x, with its unit.
        ylabel: What is along y, with its unit.
        filepath: Where to save the picture, if anywhere; its ending is the format (`.png`,
            `.svg`, `.pdf`). A missing directory is created.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If `values` is empty.

    Example:
        >>> import tfgen
        >>> values = {"train": ([1, 2], [-30, -25]), "test": ([1, 2], [-31, -27])}
        >>> figure = tfgen.plots.curves(values, "epoch", "ELBO, nats an example")
        >>> len(figure.axes[0].lines)
        2
    """
    _check(values, "values")
    return _draw("curves", values, xlabel, ylabel, filepath)


def save_curves(
    filepath: str | pathlib.Path,
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
) -> None:
    """Writes curves as one picture, with a legend; `curves` returns a figure.

    Args:
        filepath: Where to save the picture; its ending is the format (`.png`, `.svg`,
            `.pdf`). A missing directory is created.
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
        >>> values = {"train": ([1, 2], [-30, -25]), "test": ([1, 2], [-31, -27])}
        >>> tfgen.plots.save_curves(filepath, values, "epoch", "ELBO, nats an example")
        >>> os.path.exists(filepath)
        True
    """
    _check(curves, "curves")
    _draw("save_curves", curves, xlabel, ylabel, filepath)


def _check(curves: Any, argument: str) -> None:
    """Raises an error unless `curves` are pairs of as many x as y, by name."""
    if not isinstance(curves, Mapping):
        raise TypeError(
            f"`{argument}` must be a dict from a name to (x, y); received {curves!r}."
        )
    if not curves:
        raise ValueError(f"`{argument}` must hold at least one curve; received none.")
    for name, (x, y) in curves.items():
        if np.size(x) != np.size(y):
            raise ValueError(
                f"`{argument}[{name!r}]` must hold as many x as y; received {np.size(x)} "
                f"and {np.size(y)}."
            )


def _draw(
    caller: str,
    values: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    filepath: Filepath,
) -> "Figure":
    figure = new_figure((6, 4), caller, layout="constrained")
    axes = figure.add_subplot(xlabel=xlabel, ylabel=ylabel)
    for number, (name, (x, y)) in enumerate(values.items()):
        axes.plot(x, y, label=name, **line_style(number, np.size(x)))
    axes.legend()
    return save(figure, filepath)
