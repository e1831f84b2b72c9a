"""Gradient estimators: what is held constant on the way back, never a change of value.

With z = mu + S eps drawn from q, log w = log p(x, z) - log q(z|x) depends on q's
parameters through z and, directly, through log q.

- reparameterized: both paths.
- stl, sticking the landing [1]: q's parameters are held constant in log q; the path
  through z alone is left, whose noise vanishes as q approaches the posterior.
- dreg, doubly reparameterized [2]: as stl, and the signal that flows into z_k is
  multiplied by the normalised weight of sample k once more, which makes the gradient of
  the importance-weighted bound unbiased again.

Parameters that act on log p(z), such as a VampPrior's, are never held.

References:
    [1] Roeder, Wu, Duvenaud. Sticking the landing. arXiv 1703.09194.
    [2] Tucker, Lawson, Gu, Maddison. Doubly reparameterized gradient estimators for
        Monte Carlo objectives. arXiv 1810.04152.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import sample_and_log_prob

tfd = tfp.distributions

__all__ = ["check_estimator", "hold", "sample_posterior"]


def check_estimator(posterior: tfd.Distribution, estimator: str) -> None:
    """Raises a ValueError if `estimator` does not apply to `posterior`.

    Args:
        posterior: q(z|x), as the encoder returns it.
        estimator: `"reparameterized"`, `"stl"` or `"dreg"`.
    """
    reparameterized = posterior.reparameterization_type == tfd.FULLY_REPARAMETERIZED
    if not reparameterized:
        raise ValueError(
            f"`estimator` {estimator!r} needs a posterior that can be reparameterized; "
            f"received {type(posterior).__name__} {posterior.name!r}, for which no "
            "estimator of tfgen applies. End the encoder in a reparameterized layer, "
            "such as `tfgen.layers.MultivariateNormalTriL`."
        )


def sample_posterior(
    posterior: tfd.Distribution, key: tf.Tensor, num_samples: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws z with log q(z|x), differentiable along both paths.

    Args:
        posterior: q(z|x), of batch shape `[B]`.
        key: the rows' keys, `uint32 [B, 2]`.
        num_samples: K.

    Returns:
        z `[K, B, *event]` and log q(z|x) `[K, B]`.
    """
    inner = getattr(posterior, "tensor_distribution", posterior)
    return sample_and_log_prob(inner, key, num_samples)


def hold(
    posterior: tfd.Distribution, z: tf.Tensor, log_prob: tf.Tensor, estimator: str
) -> tuple[tf.Tensor, tf.Tensor, Callable[[tf.Tensor], None] | None]:
    """Draws as they are, with what `estimator` says held constant on the way back.

    Args:
        posterior: q(z|x), of batch shape `[B]`.
        z: draws from it, `[K, B, *event]`.
        log_prob: log q(z|x), `[K, B]`.
        estimator: `"reparameterized"`, `"stl"` or `"dreg"`.

    Returns:
        z, log q(z|x), and, for dreg, a function to tell the normalised weights `[K, B]`
        to before the gradient is asked for.
    """
    if estimator == "reparameterized":
        return z, log_prob, None
    weigh = None
    if estimator == "dreg":
        z, weigh = _weighable(z)
    return z, _held_log_prob(posterior, z, log_prob), weigh


def _held_log_prob(
    posterior: tfd.Distribution, z: tf.Tensor, log_prob: tf.Tensor
) -> tf.Tensor:
    """log q(z|x) as it is, `[K, B]`, whose gradient flows into z alone.

    Whatever else q depends on is held: raw parameters, and the weights of a flow.
    """
    point = tf.stop_gradient(z)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(point)
        value = posterior.log_prob(point)
    score = tf.stop_gradient(tape.gradient(value, point))
    # The move is 0, so that the value is `log_prob`, to the last bit.
    move = tf.reduce_sum(score * (z - point), axis=list(range(2, z.shape.rank)))
    return tf.stop_gradient(log_prob) + move


def _weighable(z: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], None]]:
    """z, whose gradient is multiplied by weights `[K, B]` that are told later.

    The weights depend on what is computed from z, so they are not known when z is made;
    they are when the gradient is asked for.
    """
    told: list[tf.Tensor] = []

    @tf.custom_gradient
    def identity(value: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            extra: Any = [1] * (value.shape.rank - 2)
            shape = tf.concat([tf.shape(told[0]), extra], axis=0)
            return upstream * tf.reshape(told[0], shape)

        return tf.identity(value), gradient

    return identity(z), told.append
