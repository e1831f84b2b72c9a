"""Refined inference: gradient steps on each example's own posterior parameters."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfgen import random
from tfgen.models.row_adam import RowMoments, ascend

__all__ = ["check_steps", "refine_rows"]

# Rounds of samples for comparing the last parameters with the first.
_COMPARISONS = 32

Objective = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def check_steps(steps: Any) -> int:
    """`steps` as a Python integer of at least 0, or an error that names the argument."""
    if isinstance(steps, bool) or not isinstance(steps, numbers.Integral):
        raise TypeError(
            f"`steps` must be an integer; received {steps!r} of type "
            f"{type(steps).__name__}. Pass a number such as 100."
        )
    if steps < 0:
        raise ValueError(
            f"`steps` must be at least 0; received {steps}. With 0, q stays as it is."
        )
    return int(steps)


def refine_rows(
    objective: Objective,
    start: tf.Tensor,
    keys: tf.Tensor,
    steps: tf.Tensor,
    learning_rate: tf.Tensor,
) -> tf.Tensor:
    """Rows after gradient steps on an objective, independent for each row.

    Rows move by Adam, with a rate that decreases to 0 by half a cosine. A row whose
    objective ends below that of its start, by two standard errors on fresh noise, keeps
    its start.

    Args:
        objective: function from rows `[B, P]` and keys `[B, 2]` to the objective, `[B]`,
            which is maximised.
        start: `[B, P]`.
        keys: the rows' keys, `uint32 [B, 2]`.
        steps: how many, an integer scalar.
        learning_rate: Adam's, at the start.

    Returns:
        `[B, P]`.
    """

    def step(i: tf.Tensor, rows: tf.Tensor, moments: RowMoments) -> tuple:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(rows)
            noise = random.stream(keys, random.Stream.REFINE, i)
            value = tf.reduce_sum(objective(rows, noise))
        part = tf.cast(i, rows.dtype) / tf.cast(steps, rows.dtype)
        rate = tf.cast(learning_rate, rows.dtype) * 0.5 * (1.0 + tf.cos(math.pi * part))
        return i + 1, *ascend(rows, tape.gradient(value, rows), moments, rate)

    zeros = tf.zeros_like(start)
    state = (tf.constant(0), start, RowMoments(zeros, zeros, zeros[:, 0]))
    _, end, _ = tf.while_loop(lambda i, *_: i < steps, step, state)
    worse = _is_worse(objective, start, end, keys)
    return tf.where(worse[:, tf.newaxis], start, end)


def _is_worse(
    objective: Objective, start: tf.Tensor, end: tf.Tensor, keys: tf.Tensor
) -> tf.Tensor:
    """Whether `end` is below `start` by two standard errors, on fresh noise, `[B]`."""

    def compare(i: tf.Tensor, total: tf.Tensor, squares: tf.Tensor) -> tuple:
        noise = random.stream(keys, random.Stream.COMPARE, i)
        gain = objective(end, noise) - objective(start, noise)
        return i + 1, total + gain, squares + tf.square(gain)

    zeros = tf.zeros_like(start[:, 0])
    _, total, squares = tf.while_loop(
        lambda i, *_: i < _COMPARISONS, compare, (tf.constant(0), zeros, zeros)
    )
    mean, variance = total / _COMPARISONS, squares / _COMPARISONS
    error = tf.sqrt(tf.maximum(variance - tf.square(mean), 0.0) / _COMPARISONS)
    return ~(mean >= -2.0 * error)  # true for NaN too
