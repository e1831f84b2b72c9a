"""A picture of the inference gap and its two parts."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgen.evaluation import Mean
from tfgen.plots.drawing import PALETTE, Filepath, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["gap_bars"]

_GAPS = {
    "approximation_gap": {"color": PALETTE[0]},
    "amortization_gap": {"color": PALETTE[4], "hatch": "///"},
    "inference_gap": {"color": "white", "hatch": ".."},
}


def gap_bars(
    gaps: Mapping[str, Mean] | Mapping[str, Mapping[str, Mean]],
    filepath: Filepath = None,
) -> "Figure":
    """The approximation, amortization and inference gaps as bars, with their errors.

        inference gap = approximation gap + amortization gap

    Args:
        gaps: what `tfgen.evaluation.inference_gap` returns; or a dict of such
            results, by the names of the models.
        filepath: where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if `gaps` is empty or lacks a gap.

    >>> from tfgen.evaluation import Mean
    >>> figure = gap_bars({
    ...     "approximation_gap": Mean(0.5, 0.1),
    ...     "amortization_gap": Mean(1.5, 0.2),
    ...     "inference_gap": Mean(2.0, 0.2),
    ... })
    >>> [float(bar.get_width()) for bar in figure.axes[0].patches]
    [0.5, 1.5, 2.0]

    Source: Cremer, Li, Duvenaud. Inference suboptimality in variational autoencoders.
    arXiv 1801.03558.
    """
    if not isinstance(gaps, Mapping):
        raise TypeError(
            f"`gaps` must be what `inference_gap` returns, or a dict of such; received "
            f"{gaps!r}."
        )
    models: Any = gaps
    if gaps and not all(isinstance(entry, Mapping) for entry in gaps.values()):
        models = {"": gaps}
    if not models or not all(set(_GAPS) <= set(entry) for entry in models.values()):
        raise ValueError(
            f"`gaps` must hold {list(_GAPS)}, as `inference_gap` returns; received "
            f"{[list(entry) for entry in models.values()]}."
        )
    figure = new_figure((6, 0.9 + 1.1 * len(models)), "gap_bars", layout="constrained")
    axes = figure.add_subplot(xlabel="nats an example")
    places = np.arange(len(models))
    for number, (name, style) in enumerate(_GAPS.items()):
        means = [Mean(*entry[name]) for entry in models.values()]
        bars = axes.barh(
            places + 0.26 * (number - 1),
            [mean.value for mean in means],
            height=0.24,
            xerr=[mean.standard_error for mean in means],
            label=name.replace("_", " "),
            edgecolor="black",
            error_kw={"capsize": 3, "elinewidth": 1},
            **style,
        )
        texts = [f"{mean.value:.3f} ± {mean.standard_error:.3f}" for mean in means]
        axes.bar_label(bars, texts, padding=4, fontsize=8)
    axes.set_yticks(places, list(models))
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.25)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return save(figure, filepath)
