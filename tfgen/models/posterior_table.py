"""A table of variational parameters, with one row for each example."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.models.row_adam import RowMoments

__all__ = ["PosteriorTable"]


class PosteriorTable(keras.layers.Layer):
    """From indices `[B]` to rows `[B, P]`, which it holds with the state of their Adam.

    The cost of reading and writing depends on the batch, not on the table's size. An index
    outside [0, num_rows) reads NaN; otherwise XLA, which can't raise errors, would read
    another row.

    Args:
        num_rows: N.
        row_size: P.
        **kwargs: `keras.layers.Layer`'s.
    """

    def __init__(self, num_rows: int, row_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_rows, self.row_size = num_rows, row_size
        shape = (num_rows, row_size)
        self.rows = self._state("rows", shape, trainable=True)
        self._mean = self._state("gradient_mean", shape)
        self._square = self._state("gradient_square", shape)
        self._visits = self._state("visits", shape[:1])
        self.built = True

    def _state(
        self, name: str, shape: tuple[int, ...], trainable: bool = False
    ) -> keras.Variable:
        return self.add_weight(
            shape, "zeros", trainable=trainable, autocast=False, name=name
        )

    def call(self, index: tf.Tensor) -> tf.Tensor:
        """The rows `[B, P]` of indices `[B]`."""
        inside = (index >= 0) & (index < self.num_rows)
        rows = tf.gather(self.rows.value, tf.where(inside, index, 0))
        return tf.where(inside[:, tf.newaxis], rows, np.float32(np.nan))

    def compute_output_shape(self, input_shape: Any) -> tuple[int, ...]:
        """`[B, P]`."""
        return (*input_shape, self.row_size)

    def read(self, index: tf.Tensor) -> tuple[tf.Tensor, RowMoments]:
        """The rows of a batch and the state of their Adam."""
        state = (self._mean, self._square, self._visits)
        moments = RowMoments(*(tf.gather(part.value, index) for part in state))
        return self(index), moments

    def write(self, index: tf.Tensor, rows: tf.Tensor, moments: RowMoments) -> None:
        """Writes what `read` returned, after a step."""
        state = (self.rows, self._mean, self._square, self._visits)
        for variable, value in zip(state, (rows, *moments), strict=True):
            variable.value.scatter_update(tf.IndexedSlices(value, index))

    def start_at(self, index: tf.Tensor, rows: tf.Tensor) -> None:
        """Writes new initial rows, and resets their Adam's state."""
        zeros = tf.zeros_like(rows)
        self.write(index, rows, RowMoments(zeros, zeros, zeros[:, 0]))

    @staticmethod
    def sum_over_duplicates(index: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        """For each of a batch the sum of `values` `[B, P]` over all with its index.

        So an example that is twice in a batch makes one step, with the sum of both
        gradients, and both writes are equal.
        """
        order = tf.argsort(tf.cast(index, tf.int32))
        ordered = tf.gather(index, order)
        is_next = tf.concat([[0], tf.cast(ordered[1:] != ordered[:-1], tf.int32)], axis=0)
        size = tf.shape(index)[0]
        group = tf.scatter_nd(order[:, tf.newaxis], tf.cumsum(is_next), [size])
        total = tf.math.unsorted_segment_sum(values, group, size)
        return tf.gather(total, group)
