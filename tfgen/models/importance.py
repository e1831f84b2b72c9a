"""Sums of importance weights over many samples, in bounded memory."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfgen.models.blocks import in_row_blocks, with_xla_if_possible

__all__ = ["WeightSums", "importance_sums"]

# How many numbers the largest intermediate of a program may hold: 64 MB of float32.
_BLOCK_NUMBERS = 2**24

# XLA's programs loop over blocks of 16 MB, which stay in the cache, and take a third of a
# second, beside which the time to start them is small: 3.8 instead of 4.9 us per sample
# (784-200-200-50, 2 cores).
_XLA_BLOCK_NUMBERS = 2**22
_XLA_PROGRAM_NUMBERS = 2**26

# How many numbers in all make XLA's saving exceed the seconds it takes to compile: 8.9
# against 12.3 us of CPU per sample (784-200-200-50, 5,000 samples, 2 cores).
_XLA_NUMBERS = 2**32

# The assumed number of rows in a batch of unknown size.
_UNKNOWN_ROWS = 64


class WeightSums(NamedTuple):
    """Sums of the weights of an example, each `[B]`.

    Attributes:
        log_sum: log sum_k w_k.
        log_sum_squares: log sum_k w_k^2.
        sum_logs: sum_k log w_k.
        largest: the largest log-weights, descending, `[M, B]`.
    """

    log_sum: tf.Tensor
    log_sum_squares: tf.Tensor
    sum_logs: tf.Tensor
    largest: tf.Tensor

    @classmethod
    def of(cls, log_weights: tf.Tensor, keep: int = 0) -> "WeightSums":
        """The sums over K of log-weights `[K, B]`, of which the `keep` largest are kept."""
        return cls(
            tf.reduce_logsumexp(log_weights, axis=0),
            tf.reduce_logsumexp(2.0 * log_weights, axis=0),
            tf.reduce_sum(log_weights, axis=0),
            _largest(log_weights, keep),
        )

    def transposed(self) -> "WeightSums":
        """With `largest` as `[B, M]`, for all to have rows first; or back."""
        return self._replace(largest=tf.transpose(self.largest))

    @classmethod
    def merged(cls, parts: list["WeightSums"], keep: int) -> "WeightSums":
        """The sums over all samples, of sums over some samples each."""
        log_sum, log_sum_squares, sum_logs = (
            tf.stack(values) for values in list(zip(*parts, strict=True))[:3]
        )
        largest = tf.concat([part.largest for part in parts], axis=0)
        return cls(
            tf.reduce_logsumexp(log_sum, axis=0),
            tf.reduce_logsumexp(log_sum_squares, axis=0),
            tf.reduce_sum(sum_logs, axis=0),
            _largest(largest, keep),
        )


def _largest(log_weights: tf.Tensor, keep: int) -> tf.Tensor:
    count = log_weights.shape[0] or tf.shape(log_weights)[0]
    keep = min(keep, count) if isinstance(count, int) else tf.minimum(keep, count)
    return tf.transpose(tf.math.top_k(tf.transpose(log_weights), keep).values)


def importance_sums(
    program: Callable[[bool], Callable[..., WeightSums]],
    tensors: Any,
    count: int | None,
    num_samples: int,
    width: int,
    keep: int = 0,
    xla: bool = True,
    progress: Callable[[int], None] | None = None,
) -> WeightSums:
    """The sums of K weights of each example, over blocks of rows and samples.

    Args:
        program: returns the function that computes one block's weights, compiled by XLA or
            not: `function(tensors, first_sample, num_samples=k, rows=r)` gives a
            `WeightSums` of all rows and k samples, and takes at most r rows at a time.
        tensors: its first argument, tensors `[B, ...]`.
        count: B; `None` if it is unknown, inside a `tf.function`: then all rows are one
            block.
        num_samples: K.
        width: how many numbers the largest intermediate has for one row and sample.
        keep: how many of each row's largest log-weights to keep.
        xla: whether XLA may be used if the sums are long enough for it to save time.
        progress: called with the number of examples that are done.
    """
    known = _UNKNOWN_ROWS if count is None else count
    xla = xla and known * num_samples * width > _XLA_NUMBERS
    run = with_xla_if_possible(program, xla)
    numbers = _XLA_BLOCK_NUMBERS if xla else _BLOCK_NUMBERS
    # Blocks of equal size, so that one program serves all of them.
    blocks = math.ceil(num_samples / max(1, numbers // width))
    samples = math.ceil(num_samples / blocks)
    if count is None:
        samples = max(1, min(samples, numbers // (width * known)))
    rows = max(1, numbers // (width * samples))

    def block_sums(part: Any, first: int) -> WeightSums:
        size = min(samples, num_samples - first)
        return run(part, tf.constant(first), num_samples=size, rows=rows)

    def sums(part: Any) -> WeightSums:
        parts = [block_sums(part, first) for first in range(0, num_samples, samples)]
        return WeightSums.merged(parts, keep).transposed()

    size = max(rows, _XLA_PROGRAM_NUMBERS // (width * samples)) if xla else rows
    if count is not None:
        size = math.ceil(count / math.ceil(count / size))
    return in_row_blocks(sums, tensors, count, size, progress).transposed()
