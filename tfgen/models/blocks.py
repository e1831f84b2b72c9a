"""Work on many rows, in blocks of bounded size."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

__all__ = ["in_row_blocks", "mapped_row_blocks", "with_xla_if_possible"]


def with_xla_if_possible(program: Callable[[bool], Callable], xla: bool) -> Callable:
    """The program compiled by XLA, or without XLA from the first failure to compile on.

    Args:
        program: from whether XLA compiles it to a program.
        xla: whether to try.

    Returns:
        A function of the programs' arguments.
    """
    state = {"xla": xla}

    def call(*args: Any, **kwargs: Any) -> Any:
        if state["xla"]:
            try:
                return program(True)(*args, **kwargs)
            except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
                state["xla"] = False  # something in the model has no XLA kernel
        return program(False)(*args, **kwargs)

    return call


def in_row_blocks(
    function: Callable[[Any], Any],
    tensors: Any,
    count: int | None,
    size: int,
    progress: Callable[[int], None] | None = None,
) -> Any:
    """Calls `function` on blocks of `size` rows; returns its results for all rows.

    Args:
        function: from tensors of some rows to tensors of as many rows.
        tensors: a structure of tensors `[B, ...]`; `None` stays `None`.
        count: B; `None` if it is unknown: then all rows are one block.
        size: the number of rows in a block. The last block is padded with copies of the
            last row, so that one program serves all blocks.
        progress: called after each block with the number of rows that are done.

    Returns:
        A structure of tensors `[B, ...]`.

    >>> rows = tf.range(5)
    >>> in_row_blocks(lambda x: 2 * x, rows, 5, size=2).numpy().tolist()
    [0, 2, 4, 6, 8]
    """
    if count is None or count <= size:
        result = function(tensors)
        if progress is not None and count is not None:
            progress(count)
        return result
    results = []
    for start in range(0, count, size):
        index = tf.minimum(tf.range(start, start + size), count - 1)
        part = tf.nest.map_structure(
            lambda t, i=index: None if t is None else tf.gather(t, i), tensors
        )
        results.append(function(part))
        if progress is not None:
            progress(min(start + size, count))
    return tf.nest.map_structure(lambda *r: tf.concat(r, axis=0)[:count], *results)


def mapped_row_blocks(function: Callable[[Any], Any], tensors: Any, size: int) -> Any:
    """As `in_row_blocks`, by a loop inside the program that is being made.

    A loop over blocks that fit into the processor's cache is faster than one block of all
    rows, and than a program for each block.

    Args:
        function: from tensors of some rows to tensors of as many rows.
        tensors: a structure of tensors `[B, ...]`; `None` stays `None`.
        size: the largest number of rows in a block. All blocks are of one size: the last
            is padded with copies of the last row. All rows are one block if B is unknown.

    Returns:
        A structure of tensors `[B, ...]`.

    >>> double = tf.function(lambda rows: mapped_row_blocks(lambda x: 2 * x, rows, size=2))
    >>> double(tf.range(5)).numpy().tolist()
    [0, 2, 4, 6, 8]
    """
    leaves = tf.nest.flatten(tensors)
    given = [leaf for leaf in leaves if leaf is not None]
    count = given[0].shape[0]
    if count is None or count <= size:
        return function(tensors)
    blocks = -(-count // size)
    size = -(-count // blocks)
    index = tf.reshape(tf.minimum(tf.range(blocks * size), count - 1), [blocks, size])

    def of_block(parts: list[tf.Tensor]) -> Any:
        remaining = iter(parts)
        block = [None if leaf is None else next(remaining) for leaf in leaves]
        return function(tf.nest.pack_sequence_as(tensors, block))

    results = keras.ops.map(of_block, [tf.gather(tensor, index) for tensor in given])
    return tf.nest.map_structure(
        lambda result: tf.reshape(result, [-1, *result.shape[2:]])[:count], results
    )
