"""The planar bijector, and its inverse by one root of one dimension."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.scale import scale_of_raw

tfb = tfp.bijectors

__all__ = ["Planar"]

# softplus of it is 1.
_RAW_ONE = float(np.log(np.expm1(1.0)))


class Planar(tfb.Bijector):
    """y = x + v tanh(w.x + b), where v is u, moved along w so that w.v > -1.

    That makes it a bijection: along w it is t + m tanh(t), t = w.x + b and m = w.v, which
    increases; across w it is the identity. v = u + (m - w.u) w / |w|^2 with
    m = softplus(w.u + log(e - 1)) - 1, so that u = 0 is the identity.

        log|det dy/dx| = log(1 + m (1 - tanh(t)^2))

    The inverse is a root in t, found by bisection; its first and second derivatives are
    those of two Newton steps from there.

    Args:
        u: `[*batch, D]`.
        w: `[*batch, D]`, not 0.
        b: `[*batch]`.
        validate_args: as TFP's.
        name: as TFP's.

    Source: Rezende, Mohamed. Variational inference with normalizing flows.
    arXiv 1505.05770; its m(0) is log 2 - 1.
    """

    def __init__(
        self,
        u: tf.Tensor,
        w: tf.Tensor,
        b: tf.Tensor,
        validate_args: bool = False,
        name: str = "planar",
    ) -> None:
        parameters = dict(locals())
        along = tf.reduce_sum(w * u, axis=-1)
        self._slope = scale_of_raw(along + _RAW_ONE)  # 1 + m
        norm = tf.reduce_sum(tf.square(w), axis=-1) + tf.constant(1e-30, w.dtype)
        self._w, self._b = w, b
        self._v = u + ((self._slope - 1.0 - along) / norm)[..., tf.newaxis] * w
        super().__init__(
            forward_min_event_ndims=1,
            validate_args=validate_args,
            dtype=w.dtype,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {}

    def _along(self, x: tf.Tensor) -> tf.Tensor:
        """w.x + b, `[*batch]`."""
        return tf.reduce_sum(self._w * x, axis=-1) + self._b

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        return x + self._v * tf.tanh(self._along(x))[..., tf.newaxis]

    def _forward_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        return tf.math.log(_derivative(self._along(x), self._slope))

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        t = _root(self._along(y), self._slope)
        return y - self._v * tf.tanh(t)[..., tf.newaxis]


def _function(t: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """t + m tanh(t), whose slope at 0 is 1 + m."""
    return t + (slope - 1.0) * tf.tanh(t)


def _derivative(t: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """1 + m (1 - tanh(t)^2), as a sum of two numbers above 0."""
    square = tf.square(tf.tanh(t))
    return slope * (1.0 - square) + square


def _root(value: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """The t whose t + m tanh(t) is `value`, with its first two derivatives."""
    t = tf.stop_gradient(_bisected(value, lambda t: _function(t, slope)))
    for _ in range(2):
        step = (value - _function(t, slope)) / _derivative(t, slope)
        t += step - tf.stop_gradient(step)  # 0, with Newton's derivatives
    return t


def _bisected(value: tf.Tensor, function: Callable) -> tf.Tensor:
    """The root of an odd increasing function with |function(t)| >= |t| - 1."""
    target = tf.abs(value)
    iterations = 64 if value.dtype == tf.float64 else 36

    def halve(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        middle = 0.5 * (low + high)
        below = function(middle) < target
        return tf.where(below, middle, low), tf.where(below, high, middle)

    start = (tf.zeros_like(target), target + 1.0)
    low, high = tf.while_loop(lambda *_: True, halve, start, maximum_iterations=iterations)
    return tf.sign(value) * 0.5 * (low + high)
