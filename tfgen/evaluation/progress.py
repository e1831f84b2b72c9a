"""The progress of a long evaluation, and the time left."""

import sys
from collections.abc import Callable
from typing import Any

import keras

__all__ = ["show_progress"]


def show_progress(
    count: int, verbose: Any = "auto", name: str = ""
) -> Callable[[int], None] | None:
    """Keras's progress bar over examples, with the time left; `None` if it is off.

    Args:
        count: the number of examples.
        verbose: whether to show it; `"auto"`: if the output is a terminal.
        name: name of the task, printed before the bar.

    Returns:
        A function to call with the number of examples done so far.

    Raises:
        ValueError: if `verbose` is none of these.
    """
    if verbose not in ("auto", True, False):  # 1 and 0 too
        raise ValueError(f"`verbose` must be 'auto', True or False; received {verbose!r}.")
    if not (sys.stdout.isatty() if verbose == "auto" else verbose):
        return None
    if name:
        print(name)
    return keras.utils.Progbar(count, unit_name="example").update
