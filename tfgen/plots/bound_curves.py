"""How the bound L_K rises to log p(x) as samples are added."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tfgen.evaluation import LogLikelihood
from tfgen.plots.drawing import GREYS, Filepath, line_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["bounds"]


def bounds(
    values: Mapping[int, ArrayLike] | Mapping[str, Mapping[int, ArrayLike]],
    log_prob: ArrayLike | LogLikelihood | None = None,
    filepath: Filepath = None,
) -> "Figure":
    """L_K, the importance-weighted bound, against K, beside log p(x).

        L_K = E log (1/K) sum_k w_k <= L_{K+1} <= log p(x)

    Error bars are standard errors of means over examples: how much another choice of
    examples would change the mean. All K use the same examples, so the differences
    between points of a line are more precise than the bars suggest.

    Args:
        values: for each K the bound of every example, `[B]`, in nats, such as
            `{k: model.log_prob(x, k, seed=0) for k in (1, 5, 50)}`; or a dict
            of such dicts, by the names of the lines.
        log_prob: log p(x) of every example, `[B]`, or what `log_likelihood` returns.
        filepath: where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if `values` is empty, a K is below 1, or an entry does not hold at
            least 2 examples.

    >>> import numpy as np
    >>> figure = bounds({1: np.array([-3.0, -5.0]), 5: np.array([-2.0, -4.0])})
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [-4.0, -3.0]

    Source: Burda, Grosse, Salakhutdinov. Importance weighted autoencoders.
    arXiv 1509.00519.
    """
    if not isinstance(values, Mapping):
        raise TypeError(
            f"`values` must be a dict from K to bounds, or of such; received {values!r}. "
            "Pass one such as {1: elbo, 50: iwlb}."
        )
    lines: Any = values
    if values and not all(isinstance(entry, Mapping) for entry in values.values()):
        lines = {"$L_K$": values}
    if not lines or not all(lines.values()):
        raise ValueError("`values` must hold at least one K; received none.")
    counts = sorted({k for line in lines.values() for k in line})
    if not all(isinstance(k, int | np.integer) and k >= 1 for k in counts):
        raise ValueError(
            "`values` must have each K, an integer of at least 1, as a key; received "
            f"{counts}."
        )
    points = {
        name: [(k, *_mean(line[k], f"values[{k}]")) for k in sorted(line)]
        for name, line in lines.items()
    }
    figure = new_figure((6, 4), "bounds", layout="constrained")
    axes = figure.add_subplot(xlabel="K, samples", ylabel="nats an example", xscale="log")
    if log_prob is not None:
        if isinstance(log_prob, LogLikelihood):
            log_prob = log_prob.log_prob
        level, error = _mean(log_prob, "log_prob")
        style = {"color": GREYS["reference"], "linestyle": (0, (1, 1))}
        axes.axhline(level, label=r"$\log p(x)$", **style)
        axes.axhspan(level - error, level + error, color=GREYS["grid"], zorder=0)
    for number, (name, line) in enumerate(points.items()):
        k, means, errors = map(np.array, zip(*line, strict=True))
        style = line_style(number, len(k)) | {"markevery": 1}
        axes.errorbar(k, means, errors, label=name, capsize=3, **style)
    axes.set_xticks(counts, [str(k) for k in counts])
    axes.minorticks_off()
    axes.legend(loc="lower right")
    return save(figure, filepath)


def _mean(values: Any, name: str) -> tuple[float, float]:
    """The mean over examples, and its standard error."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"`{name}` must have shape [B], B at least 2 examples, to estimate an error; "
            f"received shape {values.shape}."
        )
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))
