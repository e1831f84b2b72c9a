"""Doubly reparameterized gradients."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.losses.estimators.base import Pathwise
from tfgen.losses.estimators.stl import path_log_prob
from tfgen.losses.weights import Draws

tfd = tfp.distributions

__all__ = ["DReG"]


@keras.saving.register_keras_serializable("tfgen")
class DReG(Pathwise):
    """The doubly reparameterized gradient of the importance-weighted bound.

    As `STL`, and the signal that flows into z_k is multiplied by the normalised weight of
    sample k once more, which makes the gradient of L_K unbiased again, with a variance
    that vanishes as q approaches the posterior. Several latents are one z: their signals
    are multiplied once, after all of them are drawn (arXiv 2101.11046 has what goes wrong
    otherwise).

    Source: Tucker, Lawson, Gu, Maddison. Doubly reparameterized gradient estimators for
    Monte Carlo objectives. arXiv 1810.04152.
    """

    name = "dreg"

    def hold(
        self,
        posterior: tfd.Distribution,
        draws: Draws,
        weights: tf.Tensor | None = None,
    ) -> Draws:
        """The draws, with log q held and the signal into z weighed once more."""
        if weights is None:
            z, zeros = _weighed_by_the_bound(draws)
        else:
            z, zeros = _weighed(draws.z, weights), 0.0
        log_posterior = path_log_prob(posterior, draws._replace(z=z))
        return draws._replace(z=z, log_posterior=log_posterior - zeros)


def _weighed(z: Any, weights: tf.Tensor) -> Any:
    """z, whose gradient is multiplied by known weights `[K, B]`."""

    def weigh(value: tf.Tensor) -> tf.Tensor:
        held = tf.stop_gradient(value)
        return held + _like(tf.stop_gradient(weights), value) * (value - held)

    return tf.nest.map_structure(weigh, z)


def _weighed_by_the_bound(draws: Draws) -> tuple[Any, tf.Tensor]:
    """z, whose gradient is multiplied by the normalised weights, and zeros `[K, B]`.

    The weights depend on what is computed from z. But the derivative of L_K in log w_k
    *is* the normalised weight of sample k: the zeros, added to log w, receive it.
    """

    @tf.custom_gradient
    def identity(zeros: tf.Tensor, *leaves: tf.Tensor) -> tuple[Any, Any]:
        def gradient(weights: tf.Tensor, *signals: tf.Tensor) -> Any:
            total = tf.reduce_sum(weights, axis=0)
            share = tf.math.divide_no_nan(weights, total)
            return zeros, *(_like(share, signal) * signal for signal in signals)

        return (tf.identity(zeros), *map(tf.identity, leaves)), gradient

    zeros = tf.zeros_like(draws.log_posterior)
    zeros, *leaves = identity(zeros, *tf.nest.flatten(draws.z))
    return tf.nest.pack_sequence_as(draws.z, leaves), zeros


def _like(weights: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """`weights` `[K, B]`, to be multiplied with `value` `[K, B, ...]`."""
    extra: Any = [1] * (value.shape.rank - 2)
    return tf.reshape(weights, tf.concat([tf.shape(weights), extra], axis=0))
