"""TFP's order of a triangular matrix's values, with a gradient that XLA makes fast.

As `tfp.math.fill_triangular`, whose own gradient, and that of `set_diag` after it, cost
several times what the matrices do; that of `set_diag` has no XLA kernel where the batch
size is unknown when the graph is made, as it is in Keras's `fit`.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfgen.layers.arguments import to_event

__all__ = ["fill_lower_triangle"]


@functools.cache
def _places(size: int) -> np.ndarray:
    """Where in the matrix, row by row, each raw value is, `[D (D + 1) / 2]`."""
    raw = np.arange(size * (size + 1) // 2)
    rows = np.concatenate([raw[size:], raw[::-1]])
    lower = np.flatnonzero(np.tri(size))
    return lower[np.argsort(rows[lower])]


def fill_lower_triangle(raw: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The matrix of raw values `[*batch, D (D + 1) / 2]`, and its diagonal.

    Args:
        raw: the values, in the order of `tfp.math.fill_triangular`.
        size: D.

    Returns:
        `[*batch, D, D]`, with arbitrary values above the diagonal, and `[*batch, D]`.

    >>> raw = tf.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> matrix, diagonal = fill_lower_triangle(raw, 3)
    >>> tf.linalg.band_part(matrix, -1, 0).numpy()
    array([[4., 0., 0.],
           [6., 5., 0.],
           [3., 2., 1.]], dtype=float32)
    >>> diagonal.numpy()
    array([4., 5., 1.], dtype=float32)
    """

    @tf.custom_gradient
    def fill(raw: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], Callable]:
        # By concatenation: what XLA makes of a gather slows the solves with the matrix.
        rows = tf.concat([raw[..., size:], tf.reverse(raw, axis=[-1])], axis=-1)

        def gradient(matrix: tf.Tensor, diagonal: tf.Tensor) -> tf.Tensor:
            # By a gather: XLA computes a sum of pads and reversals from the start for
            # each of its entries, which takes twice as long.
            on_diagonal = np.eye(size, dtype=bool)
            zero = tf.zeros([], raw.dtype)
            matrix += tf.where(on_diagonal, diagonal[..., tf.newaxis], zero)
            return tf.gather(tf.reshape(matrix, tf.shape(rows)), _places(size), axis=-1)

        return (to_event(rows, (size, size)), rows[..., :: size + 1]), gradient

    return fill(raw)
