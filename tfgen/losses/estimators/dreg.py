"""Doubly reparameterized gradients."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.losses.estimators.base import Pathwise
from tfgen.losses.estimators.stl import path_log_prob
from tfgen.losses.weights import Draws

tfd = tfp.distributions

__all__ = ["DReG", "like"]


@keras.saving.register_keras_serializable("tfgen")
class DReG(Pathwise):
    """The doubly reparameterized gradient of a bound of several samples.

    As `STL`, but the gradient into z_k is multiplied once more by a factor, which makes
    the gradient unbiased again, with a variance that vanishes as q approaches the
    posterior. For L_K the factor is the normalised weight of sample k; a bound f of the
    log-weights gives it in `Bound.signal_factor`, 1 - f_kk / f_k, where f_k and f_kk are
    the first and second derivative in log w_k. Several latents are one z: their signals
    are multiplied once, after all of them are drawn (arXiv 2101.11046 shows what goes
    wrong otherwise).

    Source: Tucker, Lawson, Gu, Maddison. Doubly reparameterized gradient estimators for
    Monte Carlo objectives. arXiv 1810.04152.
    """

    name = "dreg"
    _factor: Callable[[tf.Tensor], tf.Tensor] = staticmethod(lambda share: share)

    def for_bound(self, bound: Any) -> "DReG":
        """The estimator with the factor of `bound`; see `Estimator.for_bound`."""
        if self.name not in bound.estimators:
            raise ValueError(
                f"`estimator` of {type(bound).__name__} must be one of "
                f"{list(bound.estimators)}; received {self!r}, whose gradient holds for "
                "other bounds only."
            )
        result = type(self)()
        result._factor = bound.signal_factor
        return result

    def hold(
        self,
        posterior: tfd.Distribution,
        draws: Draws,
        weights: tf.Tensor | None = None,
    ) -> Draws:
        """The draws, with log q held and the signal into z multiplied once more."""
        if weights is None:
            z, zeros = _scaled_by_the_bound(draws, self._factor)
        else:
            z, zeros = _scaled(draws.z, weights), 0.0
        log_posterior = path_log_prob(posterior, draws._replace(z=z))
        return draws._replace(z=z, log_posterior=log_posterior - zeros)


def _scaled(z: Any, weights: tf.Tensor) -> Any:
    """z, whose gradient is multiplied by known weights `[K, B]`."""

    def scale(value: tf.Tensor) -> tf.Tensor:
        held = tf.stop_gradient(value)
        return held + like(tf.stop_gradient(weights), value) * (value - held)

    return tf.nest.map_structure(scale, z)


def _scaled_by_the_bound(
    draws: Draws, factor: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[Any, tf.Tensor]:
    """z, whose gradient is multiplied by `factor`, and zeros `[K, B]`.

    The weights depend on what is computed from z. But the derivative of L_K in log w_k
    *is* the normalised weight of sample k: the zeros, added to log w, receive it.
    """

    @tf.custom_gradient
    def identity(zeros: tf.Tensor, *leaves: tf.Tensor) -> tuple[Any, Any]:
        def gradient(weights: tf.Tensor, *signals: tf.Tensor) -> Any:
            total = tf.reduce_sum(weights, axis=0)
            again = factor(tf.math.divide_no_nan(weights, total))
            return zeros, *(like(again, signal) * signal for signal in signals)

        return (tf.identity(zeros), *map(tf.identity, leaves)), gradient

    zeros = tf.zeros_like(draws.log_posterior)
    zeros, *leaves = identity(zeros, *tf.nest.flatten(draws.z))
    return tf.nest.pack_sequence_as(draws.z, leaves), zeros


def like(weights: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """`weights` `[K, B]`, to be multiplied with `value` `[K, B, ...]`."""
    extra: Any = [1] * (value.shape.rank - 2)
    return tf.reshape(weights, tf.concat([tf.shape(weights), extra], axis=0))
