"""Sums of importance weights over many samples, in bounded memory."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

__all__ = ["WeightSums", "log_weight_sums"]

# Numbers in the largest intermediate of a block: 64 MB of float32.
_BLOCK_NUMBERS = 2**24

# Numbers in all from which XLA's saving makes up for the seconds it takes to compile:
# 8.9 against 12.3 us of CPU a sample (784-200-200-50, 5,000 samples, 2 cores).
_XLA_NUMBERS = 2**32


class WeightSums(NamedTuple):
    """Sums of the weights of an example, each `[B]`.

    Attributes:
        log_sum: log sum_k w_k.
        log_sum_squares: log sum_k w_k^2.
        sum_logs: sum_k log w_k.
    """

    log_sum: tf.Tensor
    log_sum_squares: tf.Tensor
    sum_logs: tf.Tensor

    @classmethod
    def of(cls, log_weights: tf.Tensor) -> "WeightSums":
        """The sums over the first axis of log-weights `[K, B]`."""
        return cls(
            tf.reduce_logsumexp(log_weights, axis=0),
            tf.reduce_logsumexp(2.0 * log_weights, axis=0),
            tf.reduce_sum(log_weights, axis=0),
        )


def log_weight_sums(
    block_sums: Callable[[bool], Callable[..., WeightSums]],
    x: Any,
    keys: tf.Tensor,
    num_samples: int,
    width: int,
    xla: bool = True,
) -> WeightSums:
    """The sums of K weights of each example, over blocks of rows and samples.

    Args:
        block_sums: from whether XLA is to compile it to a function
            `(x, keys, first_sample, num_samples=...)` to the sums of a block of b rows and
            so many samples, each `[b]`.
        x: `[B, ...]`, or a structure of such.
        keys: the rows' keys, `uint32 [B, 2]`.
        num_samples: K.
        width: how many numbers the largest intermediate has for one row and sample.
        xla: whether XLA may be used, where the sums are long enough for it to pay.
    """
    count = int(keys.shape[0])
    xla = xla and count * num_samples * width > _XLA_NUMBERS
    # Blocks of equal size, so that one program serves all of them.
    blocks = math.ceil(num_samples / max(1, _BLOCK_NUMBERS // width))
    samples = math.ceil(num_samples / blocks)
    rows = min(count, max(1, _BLOCK_NUMBERS // (width * samples)))
    sums = []
    for start in range(0, count, rows):
        # The last block is filled up with copies of the last row.
        index = tf.minimum(tf.range(start, start + rows), count - 1)
        part = keras.tree.map_structure(lambda t, i=index: tf.gather(t, i), (x, keys))
        parts = []
        for first in range(0, num_samples, samples):
            size = min(samples, num_samples - first)
            arguments = (*part, tf.constant(first))
            try:
                parts.append(block_sums(xla)(*arguments, num_samples=size))
            except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
                if not xla:
                    raise
                xla = False  # something in the model has no XLA kernel
                parts.append(block_sums(xla)(*arguments, num_samples=size))
        log_sum, log_sum_squares, sum_logs = map(tf.stack, zip(*parts, strict=True))
        sums.append(
            WeightSums(
                tf.reduce_logsumexp(log_sum, axis=0),
                tf.reduce_logsumexp(log_sum_squares, axis=0),
                tf.reduce_sum(sum_logs, axis=0),
            )
        )
    return WeightSums(*(tf.concat(rows, 0)[:count] for rows in zip(*sums, strict=True)))
