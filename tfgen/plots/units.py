"""Which dimensions of a latent carry information about x."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgen.evaluation import ActiveUnits
from tfgen.plots.drawing import GREYS, PALETTE, Filepath, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["active_units"]

_MOST_NAMED = 32  # with more dimensions, their numbers don't fit below the bars


def active_units(
    units: ActiveUnits | Mapping[str, ActiveUnits],
    threshold: float = 0.01,
    filepath: Filepath = None,
) -> "Figure":
    """The variance over examples of each dimension's posterior mean, largest first.

    A dimension is active where Var_x E_{q(z|x)}[z_d] is above the threshold.

    Args:
        units: what `tfgen.evaluation.active_units` returns: one `ActiveUnits`, or a
            dict of them by the latents' names, which get a panel each.
        threshold: the threshold it was called with, in units of z squared.
        filepath: where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if `threshold` is not what `units` were counted with.

    >>> import numpy as np
    >>> from tfgen.evaluation import ActiveUnits
    >>> variance = np.array([0.001, 0.9, 0.4])
    >>> figure = active_units(ActiveUnits(2, variance > 0.01, variance))
    >>> [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    ['1', '2', '0']

    Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519, section 5.2.
    """
    latents: Any = {"z": units} if isinstance(units, ActiveUnits) else units
    if not isinstance(latents, Mapping):
        raise TypeError(
            "`units` must be what `tfgen.evaluation.active_units` returns, or a dict of "
            f"such; received {units!r}."
        )
    for found in latents.values():
        if not np.array_equal(found.variance > threshold, found.is_active):
            raise ValueError(
                "`threshold` must be what `units` were counted with; received "
                f"{threshold}, which gives other active units."
            )
    size = (6, 0.4 + 2.8 * len(latents))
    figure = new_figure(size, "active_units", layout="constrained")
    for row, (name, found) in enumerate(latents.items()):
        axes = figure.add_subplot(len(latents), 1, row + 1, yscale="log")
        _draw(axes, name, found, threshold)
    figure.legend(
        *_distinct(figure.axes), loc="outside lower center", ncols=3, frameon=False
    )
    return save(figure, filepath)


def _draw(axes: Any, name: str, found: ActiveUnits, threshold: float) -> None:
    variance = np.ravel(found.variance)
    order = np.argsort(-variance)
    place, height = np.arange(len(order)), variance[order]
    # An unbiased estimate may be 0 or below: its bar ends at the floor.
    floor = min(threshold, *height[height > 0]) / 3 if (height > 0).any() else threshold / 3
    height = np.maximum(height, floor)
    is_active = np.ravel(found.is_active)[order]
    for chosen, label, style in (
        (is_active, "active", {"color": PALETTE[0]}),
        (~is_active, "inactive", {"color": "white", "hatch": "///"}),
    ):
        if chosen.any():
            bars = (place[chosen], height[chosen] - floor)
            axes.bar(*bars, bottom=floor, label=label, edgecolor="black", **style)
    style = {"color": GREYS["reference"], "linestyle": "--"}
    axes.axhline(threshold, label=f"threshold {threshold:g}", **style)
    axes.set_ylim(bottom=floor)
    if len(order) <= _MOST_NAMED:
        axes.set_xticks(place, [str(d) for d in order], fontsize=8)
        axes.set_xlabel(f"dimension of {name}")
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(order)} dimensions of {name}")
    axes.set_ylabel(r"$\mathrm{Var}_x\, E_q[z_d]$")
    axes.set_title(f"{found.num_active} of {len(order)} active")


def _distinct(panels: list[Any]) -> tuple[list[Any], list[str]]:
    """What is drawn and its label, each label once."""
    handles: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    return list(handles.values()), list(handles)
