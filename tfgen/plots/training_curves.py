"""The curves of a training, one panel for each logged term."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgen.plots.drawing import Filepath, line_style, new_figure, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["history"]

# What `VAE` logs, in nats an example.
_NATS = {"elbo", "iwlb", "kl", "reconstruction"}


def history(
    history: Any,
    terms: Sequence[str] | None = None,
    validation_freq: int = 1,
    filepath: Filepath = None,
) -> "Figure":
    """The curves of a training, a panel for each term, training and validation in each.

    Epochs are counted from 1, as Keras prints them.

    Args:
        history: What `fit` returns, a Keras `History`; or its dict, from a term to its
            value in each epoch, validation terms beginning with `val_`.
        terms: Which terms to draw, without `val_`; all of them by default.
        validation_freq: What `fit` was called with: the number of epochs between
            validations.
        filepath: Where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: If matplotlib is not installed.
        TypeError: If `history` is neither a `History` nor a dict.
        ValueError: If it holds no epoch, a term is not in it, or `validation_freq` does
            not give the number of validations.

    Example:
        >>> import tfgen
        >>> logs = {"elbo": [-30.0, -25.0], "val_elbo": [-31.0, -27.0]}
        >>> figure = tfgen.plots.history(logs)
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['training', 'validation']
    """
    logs = getattr(history, "history", history)
    if not isinstance(logs, Mapping):
        raise TypeError(
            "`history` must be what `fit` returns, or its dict `history`; received a "
            f"{type(history).__name__}."
        )
    known = list(dict.fromkeys(name.removeprefix("val_") for name in logs))
    num_epochs = max(map(len, logs.values()), default=0)
    if not num_epochs:
        raise ValueError("`history` must hold at least one epoch; received none.")
    chosen = known if terms is None else list(terms)
    for term in chosen:
        if term not in known:
            raise ValueError(f"`terms` must be among {known}; received {term!r}.")
    epochs = np.asarray(getattr(history, "epoch", None) or range(num_epochs)) + 1
    points = {name: _points(name, logs[name], epochs, validation_freq) for name in logs}
    return save(_draw(points, chosen), filepath)


def _points(
    name: str, values: Any, epochs: np.ndarray, validation_freq: int
) -> tuple[np.ndarray, np.ndarray]:
    """The epochs of a term, and its values."""
    if name.startswith("val_"):
        epochs = epochs[epochs % validation_freq == 0]
    if len(values) != len(epochs):
        raise ValueError(
            "`validation_freq` must be what `fit` was called with; received "
            f"{validation_freq}, which gives {len(epochs)} values of {name!r}, where the "
            f"history holds {len(values)}."
        )
    return epochs, np.asarray(values, dtype=float)


def _draw(points: Mapping[str, tuple[np.ndarray, np.ndarray]], terms: list[str]) -> Any:
    num_columns = min(len(terms), 2 if len(terms) in (2, 4) else 3)
    num_rows = math.ceil(len(terms) / num_columns)
    size = (0.4 + 3.2 * num_columns, 0.5 + 2.4 * num_rows)
    figure = new_figure(size, "history", layout="constrained")
    validated = any(name.startswith("val_") for name in points)
    for number, term in enumerate(terms):
        axes = figure.add_subplot(num_rows, num_columns, number + 1, title=term)
        lines = {"training": term, "validation": f"val_{term}"}
        for style, (label, name) in enumerate(lines.items()):
            if name in points:
                x, y = points[name]
                axes.plot(x, y, label=label, **line_style(style, len(x)))
        axes.locator_params(axis="x", integer=True)
        axes.set_xlabel("epoch")
        if term in _NATS:
            axes.set_ylabel("nats an example")
        if number == 0 and validated:
            axes.legend()
    return figure
