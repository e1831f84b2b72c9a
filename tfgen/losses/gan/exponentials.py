"""Means of exponentials that overflow no sooner than they must."""

import tensorflow as tf

__all__ = ["log_count", "mean_exp", "mean_expm1"]


def log_count(x: tf.Tensor) -> tf.Tensor:
    """Log N of a vector [N], in its dtype."""
    return tf.math.log(tf.cast(tf.size(x), x.dtype))


def mean_exp(x: tf.Tensor) -> tf.Tensor:
    """The mean of exp(x) over a vector, finite wherever it can be represented."""
    # Dividing inside the exponent: the sum of exp(x) overflows before the mean does.
    return tf.reduce_sum(tf.exp(x - log_count(x)))


def mean_expm1(x: tf.Tensor) -> tf.Tensor:
    """The mean of exp(x) - 1: exact near 0, finite where it can be represented."""
    count = tf.cast(tf.size(x), x.dtype)
    # Each branch sees only its own side, so neither sends a NaN back through `where`.
    small = tf.math.expm1(tf.minimum(x, 1.0)) / count
    large = tf.exp(tf.maximum(x, 1.0) - log_count(x)) - 1.0 / count
    return tf.reduce_sum(tf.where(x < 1.0, small, large))
