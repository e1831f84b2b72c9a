"""The one map from raw values to scales: softplus, above a floor."""

from collections.abc import Callable

import tensorflow as tf

__all__ = ["SCALE_FLOOR", "scale_of_raw"]

SCALE_FLOOR = 1e-12


def scale_of_raw(raw: tf.Tensor) -> tf.Tensor:
    """maximum(log(1 + exp(raw)), 1e-12), so that no scale is 0.

    softplus is 0 from -104 on in float32, from -746 on in float64. Below the floor the
    gradient is 0. Where the gradient that arrives is infinite, because (x - loc) is a
    very large number of scales, it is replaced by the largest number: its product with the
    derivative of softplus, which is then tiny, is finite.

    Args:
        raw: any shape, of a floating-point dtype.

    Returns:
        Scales of the shape and dtype of `raw`, at least 1e-12.

    >>> scale_of_raw(tf.constant([-1000.0, 0.0])).numpy()
    array([1.0000e-12, 6.9315e-01], dtype=float32)
    """
    floor = tf.constant(SCALE_FLOOR, raw.dtype)
    return _with_finite_gradient(tf.maximum(tf.math.softplus(raw), floor))


@tf.custom_gradient
def _with_finite_gradient(value: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        largest = tf.sign(upstream) * upstream.dtype.max
        return tf.where(tf.math.is_inf(upstream), largest, upstream)

    return tf.identity(value), gradient
