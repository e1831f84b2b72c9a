"""Hamiltonian dynamics between two log-densities of a vector.

The chains of `tfgen.evaluation` and the bounds `DAIS` and `HIS` share it. Nothing here
depends on a model.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

__all__ = ["Densities", "Point", "flattening", "leapfrog", "point_function"]

# From z `[C, B, D]` to log q(z) and log p(z), each `[C, B]`.
Densities = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Point(NamedTuple):
    """States with their log-densities, `[C, B]`, and gradients, `[C, B, D]`."""

    z: tf.Tensor
    log_q: tf.Tensor
    log_p: tf.Tensor
    gradient_q: tf.Tensor
    gradient_p: tf.Tensor

    def log_prob(self, t: Any) -> tf.Tensor:
        """log q^(1 - t) p^t, `[C, B]`, but for its normaliser."""
        return (1.0 - t) * self.log_q + t * self.log_p

    def gradient(self, t: Any) -> tf.Tensor:
        """The gradient of `log_prob(t)` in z, `[C, B, D]`."""
        return (1.0 - t) * self.gradient_q + t * self.gradient_p


def point_function(densities: Densities) -> Callable[[tf.Tensor], Point]:
    """From states `[C, B, D]` to points; a tape outside sees what the gradients do too."""

    def evaluate(z: tf.Tensor) -> Point:
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(z)
            logs = densities(z)
        gradients = (tape.gradient(v, z, unconnected_gradients="zero") for v in logs)
        return Point(z, *logs, *gradients)

    return evaluate


def leapfrog(
    evaluate: Callable[[tf.Tensor], Point],
    point: Point,
    momentum: tf.Tensor,
    t: Any,
    step_size: tf.Tensor,
    num_steps: int,
) -> tuple[tf.Tensor, Point]:
    """Leapfrog steps along q^(1 - t) p^t, which preserve volume and are reversible.

    Args:
        evaluate: from states to points.
        point: where they start.
        momentum: `[C, B, D]`.
        t: the temperature, a scalar.
        step_size: of each dimension, which broadcasts with `[C, B, D]`.
        num_steps: how many.

    Returns:
        The momentum `[C, B, D]` and the point at the end.
    """

    def leap(momentum: tf.Tensor, end: Point) -> tuple[tf.Tensor, Point]:
        end = evaluate(end.z + step_size * momentum)
        return momentum + step_size * end.gradient(t), end

    state = (momentum + 0.5 * step_size * point.gradient(t), point)
    if num_steps == 1:
        state = leap(*state)
    else:
        state = tf.while_loop(lambda *_: True, leap, state, maximum_iterations=num_steps)
    momentum, end = state
    return momentum - 0.5 * step_size * end.gradient(t), end


def flattening(latents: Any) -> tuple[Callable, Callable]:
    """From latents `[C, B, *event]`, one or several, to vectors `[C, B, D]`, and back.

    >>> to_vector, to_latents = flattening({"a": tf.zeros([1, 3]), "b": tf.ones([1, 3, 2])})
    >>> vector = to_vector({"a": tf.zeros([1, 3]), "b": tf.ones([1, 3, 2])})
    >>> vector.shape.as_list(), sorted(to_latents(vector))
    ([1, 3, 3], ['a', 'b'])
    """
    events = [tuple(leaf.shape[2:]) for leaf in keras.tree.flatten(latents)]
    sizes = [math.prod(event) for event in events]

    def reshape(leaf: tf.Tensor, *event: int) -> tf.Tensor:
        return tf.reshape(leaf, tf.concat([tf.shape(leaf)[:2], event], axis=0))

    def to_vector(latents: Any) -> tf.Tensor:
        parts = zip(keras.tree.flatten(latents), sizes, strict=True)
        return tf.concat([reshape(*part) for part in parts], axis=-1)

    def to_latents(vector: tf.Tensor) -> Any:
        parts = zip(tf.split(vector, sizes, axis=-1), events, strict=True)
        leaves = [reshape(part, *event) for part, event in parts]
        return keras.tree.pack_sequence_as(latents, leaves)

    return to_vector, to_latents
