"""Sticking the landing: the path gradient of log q."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.losses.estimators.base import Pathwise
from tfgen.losses.weights import Draws

tfd = tfp.distributions

__all__ = ["STL", "path_log_prob"]


@keras.saving.register_keras_serializable("tfgen")
class STL(Pathwise):
    """Sticking the landing: the weights of q's networks are held constant in log q.

    The path through z alone is left, whose noise vanishes as q approaches the posterior.
    What a later latent's distribution depends on through an earlier latent is part of
    that path. Parameters that act on log p(z), such as a VampPrior's, are never held.

    Unbiased for the ELBO; for L_K with K > 1 its gradient is biased (arXiv 1810.04152,
    section 3): use `DReG` there.

    Source: Roeder, Wu, Duvenaud. Sticking the landing. arXiv 1703.09194.
    """

    name = "stl"

    def hold(
        self,
        posterior: tfd.Distribution,
        draws: Draws,
        weights: tf.Tensor | None = None,
    ) -> Draws:
        """The draws, with log q differentiated through z alone."""
        return draws._replace(log_posterior=path_log_prob(posterior, draws))


def path_log_prob(posterior: tfd.Distribution, draws: Draws) -> tf.Tensor:
    """log q(z|x) as it was drawn, `[K, B]`, whose gradient flows into z alone.

    Args:
        posterior: q(z|x), of batch shape `[B]`.
        draws: from it.
    """
    point = tf.nest.map_structure(tf.stop_gradient, draws.z)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(point)
        value = posterior.log_prob(point)
    scores = tape.gradient(value, point, unconnected_gradients="zero")
    # The moves are 0, so that the value is the one that was drawn, to the last bit.
    result = tf.stop_gradient(draws.log_posterior)
    leaves = (tf.nest.flatten(part) for part in (scores, draws.z, point))
    for score, z, held in zip(*leaves, strict=True):
        axes = list(range(result.shape.rank, z.shape.rank))
        result += tf.reduce_sum(tf.stop_gradient(score) * (z - held), axis=axes)
    return result
