"""Batches, or the numbers of their rows, stacked for one program of several steps."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = [
    "groups_of_one_shape",
    "nbytes",
    "stack",
    "stacks_of_batches",
    "stacks_of_rows",
    "take",
    "unstack",
]


# A stack of batches that were read is no larger, unless two batches are.
_STACK_BYTES = 2**26


def nbytes(value: Any) -> int:
    """The bytes of an array or a tensor."""
    return int(np.prod(value.shape)) * tf.as_dtype(value.dtype).size


def take(iterator: Iterator, count: int) -> list[Any]:
    """Up to `count` batches; raises `StopIteration` if none is left."""
    batches = []
    for _ in range(count):
        try:
            batches.append(next(iterator))
        except (StopIteration, tf.errors.OutOfRangeError):
            break
    if not batches:
        raise StopIteration
    return batches


def stacks_of_batches(
    iterator: Iterator, steps: int, check: Callable[[Any], None] | None = None
) -> Iterator[tuple[Any, int]]:
    """Up to `steps` batches as stacks of up to 64 MiB, and how many batches are in each.

    Args:
        iterator: over the batches; raises `StopIteration` if none is left.
        steps: the largest number of them.
        check: is called with each batch, if given.
    """
    first = take(iterator, 1)
    leaves = [v for v in keras.tree.flatten(first) if isinstance(v, np.ndarray | tf.Tensor)]
    fitting = _STACK_BYTES // max(1, sum(nbytes(leaf) for leaf in leaves))
    return _stacks(first, iterator, steps, min(steps, max(2, fitting)), check)


def _stacks(
    batches: list[Any],
    iterator: Iterator,
    steps: int,
    length: int,
    check: Callable[[Any], None] | None,
) -> Iterator[tuple[Any, int]]:
    left = steps - len(batches)
    while True:
        wanted = min(length - len(batches), left)
        with contextlib.suppress(StopIteration):
            batches = batches + (take(iterator, wanted) if wanted else [])
        if not batches:
            return
        if check is not None:
            for batch in batches:
                check(batch)
        for group in groups_of_one_shape(batches):
            yield stack(group, length), len(group)
        left -= wanted
        batches = []
        if not left:
            return


def stacks_of_rows(
    rows: np.ndarray, batch_size: int, steps: int
) -> list[tuple[tf.Tensor, int]]:
    """Rows `[up to steps * batch_size]` as stacks `[steps, batch_size]`, with counts."""
    stacks = []
    count, rest = divmod(len(rows), batch_size)
    if count:
        stacked = np.zeros([steps, batch_size], rows.dtype)
        stacked[:count] = rows[: count * batch_size].reshape(count, batch_size)
        stacks.append((tf.constant(stacked), count))
    if rest:
        stacks.append((tf.constant(rows[None, -rest:]), 1))
    return stacks


def groups_of_one_shape(batches: list[Any]) -> list[list[Any]]:
    """Groups consecutive batches of one shape: all but a partial last batch."""
    groups: list[list[Any]] = []
    last = None
    for batch in batches:
        shapes = [leaf.shape for leaf in keras.tree.flatten(batch) if leaf is not None]
        if shapes != last:
            groups.append([])
            last = shapes
        groups[-1].append(batch)
    return groups


def stack(batches: list[Any], length: int) -> Any:
    """Stacks batches in one tensor for each leaf, padded so that all stacks have one shape.

    A single batch, such as a partial last one, is not padded: its program has its own shape
    anyway.
    """
    if len(batches) == 1:
        length = 1
    filled = batches + batches[-1:] * (length - len(batches))
    return keras.tree.map_structure(
        lambda *leaves: None if leaves[0] is None else tf.stack(leaves), *filled
    )


def unstack(stacked: Any, count: int) -> Any:
    """Reshapes `[count or more, batch, ...]` to `[count * batch, ...]`."""
    return keras.tree.map_structure(
        lambda v: tf.reshape(v[:count], [-1, *v.shape[2:]]), stacked
    )
