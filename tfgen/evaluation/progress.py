"""How far a long evaluation is, and how long it will take."""

import sys
from collections.abc import Callable
from typing import Any

import keras

__all__ = ["show_progress"]


def show_progress(
    count: int, verbose: Any = "auto", name: str = ""
) -> Callable[[int], None] | None:
    """Keras's progress bar over examples, with the time left; `None` where it is off.

    Args:
        count: the number of examples.
        verbose: whether to show it; `"auto"` where the output is a terminal.
        name: what is being done, printed before it.

    Returns:
        A function of the number of examples that are done.

    Raises:
        ValueError: if `verbose` is something else.
    """
    if verbose not in ("auto", True, False):  # 1 and 0 too
        raise ValueError(f"`verbose` must be 'auto', True or False; received {verbose!r}.")
    if not (sys.stdout.isatty() if verbose == "auto" else verbose):
        return None
    if name:
        print(name)
    return keras.utils.Progbar(count, unit_name="example").update
