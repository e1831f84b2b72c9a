"""A mixture of many Gaussians, whose density costs two matrix products."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["NormalMixture"]

# Up to this sum over dimensions of max(|z|, |mu|)^2 / sigma^2, where float64 has about 1e-6
# left, the products lose less than float32's rounding of z.
_LARGEST_SUM = 1e10


class NormalMixture(tfd.MixtureSameFamily):
    """A `tfd.MixtureSameFamily` of Gaussians in float32, faster for many components.

    TFP computes all N K D differences of N points from K means in D dimensions. Here
    (z - mu)^2 / sigma^2 is taken apart into z^2, z and 1 times matrices of mu and sigma, in
    float64. Where |z| / sigma or |mu| / sigma is near 1e5 (less in many dimensions) that
    would be inexact, and the differences are computed as TFP does, as they are for
    derivatives beyond the first.

    Args:
        mixture_distribution: as TFP's, of batch shape ().
        components_distribution: a `tfd.MultivariateNormalDiag` of batch shape `[K]`.
        **kwargs: as TFP's.

    >>> normals = tfd.MultivariateNormalDiag(tf.constant([[0.0, 0.0], [1.0, 1.0]]))
    >>> mixture = NormalMixture(tfd.Categorical(logits=[0.0, 0.0]), normals)
    >>> round(float(mixture.log_prob([0.5, 0.5])), 4)  # -log(2 pi) - 1/4
    -2.0879
    """

    @classmethod
    def of(cls, logits: tf.Tensor, components: tfd.Distribution) -> tfd.Distribution:
        """The mixture of `components`, of this class where they are such Gaussians."""
        fast = (
            isinstance(components, tfd.MultivariateNormalDiag)
            and components.dtype == tf.float32
            and components.batch_shape.rank == 1
        )
        make = cls if fast else tfd.MixtureSameFamily
        return make(tfd.Categorical(logits=logits), components)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict:
        # Of copies and slices. TFP warns of a class that inherits them.
        return super()._parameter_properties(dtype, num_classes)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        normals = self.components_distribution
        loc = normals.mean()
        scale = tf.broadcast_to(normals.scale.diag_part(), tf.shape(loc))  # may be shared
        size = tf.shape(loc)[-1:]
        log_weights = tf.nn.log_softmax(self.mixture_distribution.logits_parameter())
        log_volume = 0.5 * np.log(2.0 * np.pi) * tf.cast(size, tf.float32)
        at_mode = -normals.scale.log_abs_determinant() - log_volume
        x = tf.broadcast_to(x, tf.broadcast_dynamic_shape(tf.shape(x), size))
        squares = _squared_distances(tf.reshape(x, tf.concat([[-1], size], 0)), loc, scale)
        log_prob = tf.reduce_logsumexp(log_weights + at_mode - 0.5 * squares, axis=-1)
        return tf.reshape(log_prob, tf.shape(x)[:-1])


# The gradients are written out, and no tape sees the two `tf.cond`, which would pass on
# variants of what either branch keeps: XLA and `tf.vectorized_map` can't.


@tf.custom_gradient
def _squared_distances(
    z: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """sum_d (z_nd - mu_kd)^2 / sigma_kd^2, `[N, K]`, of `[N, D]` and twice `[K, D]`."""
    inputs = [tf.stop_gradient(tensor) for tensor in (z, loc, scale)]
    squares = tf.cond(
        _products_suffice(*inputs),
        lambda: _by_products(*inputs),
        lambda: _by_differences(*inputs),
    )
    return squares, lambda upstream: _gradients(z, loc, scale, upstream)


@tf.custom_gradient
def _gradients(
    z: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, upstream: tf.Tensor
) -> tuple[tuple[tf.Tensor, ...], Callable]:
    """`upstream`, `[N, K]`, times the gradients of `_squared_distances`."""
    # These belong to the graph of the gradient, z and the others perhaps to another one.
    watched = [tf.identity(tensor) for tensor in (z, loc, scale, upstream)]
    inputs = [tf.stop_gradient(tensor) for tensor in watched]
    gradients = tf.cond(
        _products_suffice(*inputs[:3]),
        lambda: _gradients_by_products(*inputs),
        lambda: _gradients_by_differences(*inputs),
    )

    def second(*upstreams: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(watched)
            outputs = _gradients_by_differences(*watched)
        return tape.gradient(outputs, watched, upstreams)

    return gradients, second


def _products_suffice(z: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    largest = tf.maximum(
        tf.reduce_max(tf.abs(z), axis=0), tf.reduce_max(tf.abs(loc), axis=0)
    )
    smallest = tf.reduce_min(tf.abs(scale), axis=0)
    total = tf.reduce_sum(tf.square(largest / smallest))
    return total < _LARGEST_SUM  # False of NaN, too


def _widen(*tensors: tf.Tensor) -> list[tf.Tensor]:
    return [tf.cast(tensor, tf.float64) for tensor in tensors]


def _by_products(z: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """z^2 . 1 / sigma^2 - 2 z . mu / sigma^2 + mu^2 . 1 / sigma^2."""
    z, loc, scale = _widen(z, loc, scale)
    precision = 1.0 / tf.square(scale)
    weighted = loc * precision
    powers = tf.concat([tf.square(z), z], axis=-1)
    factors = tf.concat([precision, -2.0 * weighted], axis=-1)
    squares = tf.matmul(powers, factors, transpose_b=True)
    return tf.cast(squares + tf.reduce_sum(loc * weighted, axis=-1), tf.float32)


def _by_differences(z: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.square((z[:, tf.newaxis] - loc) / scale), axis=-1)


def _gradients_by_products(
    z: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, upstream: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    z, loc, scale, upstream = _widen(z, loc, scale, upstream)
    precision = 1.0 / tf.square(scale)
    weighted = loc * precision
    sums = tf.matmul(upstream, tf.concat([precision, weighted], axis=-1))
    precisions, means = tf.split(sums, 2, axis=-1)
    powers = tf.concat([z, tf.square(z)], axis=-1)
    moments = tf.matmul(upstream, powers, transpose_a=True)
    first, second = tf.split(moments, 2, axis=-1)
    count = tf.reduce_sum(upstream, axis=0)[:, tf.newaxis]
    gradients = (
        2.0 * (z * precisions - means),
        -2.0 * precision * (first - loc * count),
        -2.0 * precision / scale * (second - 2.0 * loc * first + tf.square(loc) * count),
    )
    return tuple(tf.cast(gradient, tf.float32) for gradient in gradients)


def _gradients_by_differences(
    z: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, upstream: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    differences = (z[:, tf.newaxis] - loc) / scale
    slopes = 2.0 * upstream[..., tf.newaxis] * differences / scale
    return (
        tf.reduce_sum(slopes, axis=1),
        -tf.reduce_sum(slopes, axis=0),
        -tf.reduce_sum(slopes * differences, axis=0),
    )
