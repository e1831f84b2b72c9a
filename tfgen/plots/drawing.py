"""What the pictures share: a figure, where it is saved, styles that differ in grey."""

import os
from typing import Any

from tfgen.serving.files import written_whole

__all__ = ["GREYS", "PALETTE", "Filepath", "line_style", "new_figure", "save"]

Filepath = str | os.PathLike | None

# From dark to light, so that neighbours differ in a black-and-white print too.
PALETTE = ("#1f3b73", "#c2571a", "#4c9f70", "#9a5fb5", "#d4a72c", "#7f7f7f")
GREYS = {"reference": "#555555", "grid": "#dddddd"}
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = "os^Dv*P"

# Saved pictures have twice the resolution of shown ones: one pixel of an image is then a
# whole number of pixels in both.
_SHOWN_DPI, _SAVED_DPI = 100, 200


def new_figure(size: tuple[float, float], name: str, layout: Any = None) -> Any:
    """An empty figure of a size in inches.

    Args:
        size: width and height.
        name: the public function that calls this one, for the error message.
        layout: matplotlib's layout engine.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    try:
        from tfgen.plots.inline_figure import InlineFigure
    except ImportError as error:
        raise ImportError(
            f"`{name}` needs matplotlib: `pip install tfgen[plots]`."
        ) from error
    return InlineFigure(figsize=size, dpi=_SHOWN_DPI, layout=layout, facecolor="white")


def save(figure: Any, filepath: Filepath) -> Any:
    """Writes a figure to `filepath`, unless that is `None`, and returns it."""
    if filepath is not None:
        with written_whole(filepath) as partial:
            figure.savefig(partial, dpi=_SAVED_DPI)
    return figure


def line_style(number: int, num_points: int) -> dict[str, Any]:
    """Colour, dashes and marker of a line; no two lines share all three.

    Args:
        number: the line's number, from 0.
        num_points: how many points the line has. Of many, about a dozen get a marker.
    """
    return {
        "color": PALETTE[number % len(PALETTE)],
        "linestyle": _DASHES[number % len(_DASHES)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "markersize": 4,
        "markevery": max(1, num_points // 12),
    }
