"""Adam on rows: each example's parameters are an optimization problem of their own."""

from typing import NamedTuple

import tensorflow as tf

__all__ = ["RowMoments", "ascend"]

# The second moment forgets faster than Adam's usual 0.999: a row sees few steps.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.99, 1e-8


class RowMoments(NamedTuple):
    """Adam's state of some rows.

    Attributes:
        mean: of the gradient, `[B, P]`.
        square: of the gradient, `[B, P]`.
        visits: how many steps each row has made, `[B]`, floating-point.
    """

    mean: tf.Tensor
    square: tf.Tensor
    visits: tf.Tensor


def ascend(
    rows: tf.Tensor, gradient: tf.Tensor, moments: RowMoments, learning_rate: tf.Tensor
) -> tuple[tf.Tensor, RowMoments]:
    """One step of Adam upwards, with bias corrections by each row's own visits.

    Args:
        rows: `[B, P]`.
        gradient: of what is maximised, `[B, P]`.
        moments: before the step.
        learning_rate: a scalar.

    Returns:
        The rows and the moments after the step.

    Source: Kingma, Ba. Adam. arXiv 1412.6980.
    """
    visits = moments.visits + 1.0
    mean = _BETA_1 * moments.mean + (1.0 - _BETA_1) * gradient
    square = _BETA_2 * moments.square + (1.0 - _BETA_2) * tf.square(gradient)
    times = visits[:, tf.newaxis]
    scale = tf.sqrt(square / (1.0 - _BETA_2**times)) + _EPSILON
    rows += learning_rate * mean / (1.0 - _BETA_1**times) / scale
    return rows, RowMoments(mean, square, visits)
