"""TFP's order of a triangular matrix's values, with gradients by gather.

As `tfp.math.fill_triangular`, whose own gradient, and that of `set_diag` after it, cost
several times what the matrices do; that of `set_diag` has no XLA kernel where the batch
size is unknown when the graph is made, as it is in Keras's `fit`. Both maps here are
linear, and so are their gradients.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfgen.layers.arguments import to_event

__all__ = ["diagonal_of_raw", "lower_triangle_of_raw"]


@functools.cache
def _order(size: int) -> np.ndarray:
    """The index of each entry's raw value, `[D, D]`; arbitrary above the diagonal."""
    count = size * (size + 1) // 2
    raw = np.arange(count)
    return np.concatenate([raw[size:], raw[::-1]]).reshape(size, size)


def lower_triangle_of_raw(raw: tf.Tensor, size: int) -> tf.Tensor:
    """The matrix of raw values `[*batch, D (D + 1) / 2]`, `[*batch, D, D]`.

    >>> lower_triangle_of_raw(tf.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 3).numpy()
    array([[4., 0., 0.],
           [6., 5., 0.],
           [3., 2., 1.]], dtype=float32)
    """
    order = _order(size)
    lower = np.tril(np.ones([size, size], bool))
    places = np.empty(order.max() + 1, int)
    places[order[lower]] = np.flatnonzero(lower)

    @tf.custom_gradient
    def fill(raw: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        # By concatenation: what XLA makes of a gather slows the solves with the matrix.
        both = tf.concat([raw[..., size:], tf.reverse(raw, axis=[-1])], axis=-1)
        filled = to_event(both, (size, size))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            flat = tf.concat([tf.shape(upstream)[:-2], [size * size]], axis=0)
            return tf.gather(tf.reshape(upstream, flat), places, axis=-1)

        return tf.where(lower, filled, tf.zeros([], raw.dtype)), gradient

    return fill(raw)


def diagonal_of_raw(raw: tf.Tensor, size: int) -> tf.Tensor:
    """The diagonal of that matrix, `[*batch, D]`.

    >>> diagonal_of_raw(tf.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 3).numpy()
    array([4., 5., 1.], dtype=float32)
    """
    chosen = np.diagonal(_order(size))
    selector = np.eye(size * (size + 1) // 2)[chosen]

    @tf.custom_gradient
    def take(raw: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            # A product, since a scatter is slow.
            return tf.tensordot(upstream, tf.constant(selector, upstream.dtype), axes=1)

        return tf.gather(raw, chosen, axis=-1), gradient

    return take(raw)
