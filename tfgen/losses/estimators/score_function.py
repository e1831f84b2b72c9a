"""What the score-function estimators share: z is held, log q(z|x) is differentiated."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import sample_and_log_prob
from tfgen.losses.estimators.base import Estimator, Objective
from tfgen.losses.weights import Draws, LogWeights

tfd = tfp.distributions

__all__ = ["ScoreFunction", "all_but_one", "held_draw"]


class ScoreFunction(Estimator):
    """Base of the estimators that need no path through z, so that z may be discrete.

    With L the objective of K draws z_k from q(z|x),

        grad E L = E [ grad L + sum_k signal_k grad log q(z_k|x) ],

    where the first gradient is taken at constant draws. A subclass defines in `signals`
    what multiplies the score of each draw: L, minus anything that does not depend on z_k,
    for an unbiased estimate.
    """

    keeps_kl = True

    def draw(self, posterior: tfd.Distribution, key: tf.Tensor, num_samples: int) -> Draws:
        """Draws that are held, and their log q(z|x), which is not; see `Estimator.draw`."""
        z, log_posterior = sample_and_log_prob(posterior, key, num_samples)
        return Draws(*held_draw(posterior, z, log_posterior))

    def surrogate(self, objective: Objective, terms: LogWeights, draws: Draws) -> tf.Tensor:
        """The objective, plus the scores times their signals; see `Estimator.surrogate`."""
        scores = self.scores(objective, terms, draws.log_posterior)
        return objective(terms, draws.log_mass) + scores

    def scores(
        self, objective: Objective, terms: LogWeights, log_posterior: tf.Tensor
    ) -> tf.Tensor:
        """sum_k signal_k log q(z_k|x), with the signals held, `[B]`.

        Args:
            objective: as `surrogate`'s.
            terms: as `surrogate`'s.
            log_posterior: of all latents, or of one, `[K, B]`.
        """
        signals = tf.stop_gradient(self.signals(objective, terms.held))
        return tf.reduce_sum(signals * log_posterior, axis=0)

    def signals(self, objective: Objective, terms: LogWeights) -> tf.Tensor:
        """What multiplies the gradient of log q(z_k|x), `[K, B]`.

        Args:
            objective: as `surrogate`'s.
            terms: as `surrogate`'s, held.
        """
        raise NotImplementedError


def held_draw(
    distribution: tfd.Distribution, z: tf.Tensor, log_prob: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """z as a constant, and its log-probability as a function of the parameters alone.

    Args:
        distribution: what z was drawn from.
        z: the draw, or a dict of draws by name.
        log_prob: of z, differentiable through z where z is.
    """
    kinds = tf.nest.flatten(distribution.reparameterization_type)
    held = tf.nest.map_structure(tf.stop_gradient, z)
    if any(kind == tfd.FULLY_REPARAMETERIZED for kind in kinds):
        log_prob = distribution.log_prob(held)
    return held, log_prob


def all_but_one(terms: LogWeights) -> LogWeights:
    """The terms of the other samples: `[K - 1, K, B]`, without sample k in column k."""
    count = int(terms.log_posterior.shape[0])
    rows = np.array([[j for j in range(count) if j != k] for k in range(count)]).T
    return LogWeights(*(tf.gather(term, rows) for term in terms))
