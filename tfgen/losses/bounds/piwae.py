"""One importance-weighted bound for the encoder, a tighter one for the decoder."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.losses.bounds.base import Evaluation
from tfgen.losses.bounds.miwae import MIWAE
from tfgen.losses.estimators import Pathwise
from tfgen.losses.estimators.dreg import like
from tfgen.losses.reductions import iwlb
from tfgen.losses.weights import Draws, LogLikelihood, log_weights

tfd = tfp.distributions

__all__ = ["PIWAE"]

# The least weight that a sample has on the way back. Its signal into z is multiplied by
# the ratio of two weights, which a weight that underflows to 0 would lose.
_LEAST = 1e-20


@keras.saving.register_keras_serializable("tfgen")
class PIWAE(MIWAE):
    """The encoder is trained by `MIWAE(M, K)`, the decoder and the prior by L_MK.

    Both are of the same M K samples, in one backward pass: whatever acts on z or on
    log q(z|x) is the encoder's. A tighter bound is better for the decoder, but drowns the
    encoder's gradient in noise. What is minimised and logged is L_MK.

    Args:
        num_groups: M.
        group_size: K; for M = 1 both objectives are L_K.
        estimator: of the encoder's gradient, `"reparameterized"` or `"dreg"`; or a
            `tfgen.losses.estimators.Pathwise`.

    Raises:
        TypeError: if `num_groups` or `group_size` is no integer.
        ValueError: if one is below 1, if `estimator` is unknown, or if it does not
            differentiate through z.

    Source: Rainforth et al. Tighter variational bounds are not necessarily better.
    arXiv 1802.04537.

    >>> PIWAE(num_groups=4, group_size=2).num_samples
    8
    """

    label = "piwae"

    def __init__(
        self, num_groups: int = 8, group_size: int = 8, estimator: Any = "reparameterized"
    ) -> None:
        super().__init__(num_groups, group_size, estimator)
        if not isinstance(self._estimator, Pathwise):
            raise ValueError(
                "`estimator` of PIWAE must be one that differentiates through z; received "
                f"{estimator!r}. Use 'reparameterized' or 'dreg'."
            )

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """log mean w over all M K samples, `[B]`."""
        return iwlb(log_weights, log_mass)

    def evaluate(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        log_likelihood: LogLikelihood,
        key: tf.Tensor,
    ) -> Evaluation:
        """The bound at a batch; see `Bound.evaluate`."""
        draws = self._estimator.draw(posterior, key, self.num_samples)
        draws, encoder = _with_own_weights(draws)
        terms = log_weights(posterior, prior, log_likelihood, z=draws)
        held = tf.stop_gradient(terms.total)
        of_all = tf.maximum(tf.nn.softmax(held, axis=0), _LEAST)
        in_group = tf.nn.softmax(self.grouped(held), axis=0) / self.num_groups
        of_group = tf.reshape(in_group, tf.shape(held))
        surrogate = tf.reduce_sum(of_all * terms.total + of_group * encoder, axis=0)
        return self._evaluation(surrogate, terms, draws)


def _with_own_weights(draws: Draws) -> tuple[Draws, tf.Tensor]:
    """The draws, and zeros whose gradient is the weights that the draws' signals get.

    On the way back log q(z|x) receives minus the weight that a sample has in the bound;
    signals into the draws are multiplied by the zeros' weight over that one.
    """

    @tf.custom_gradient
    def identity(zeros: tf.Tensor, log_q: tf.Tensor, *leaves: tf.Tensor) -> Any:
        def gradient(wanted: tf.Tensor, signal: tf.Tensor, *signals: tf.Tensor) -> Any:
            ratio = tf.math.divide_no_nan(wanted, -signal)
            scaled = (like(ratio, other) * other for other in signals)
            return tf.zeros_like(wanted), ratio * signal, *scaled

        return (tf.identity(zeros), tf.identity(log_q), *map(tf.identity, leaves)), gradient

    zeros = tf.zeros_like(draws.log_posterior)
    flat = tf.nest.flatten(draws.z)
    zeros, log_q, *leaves = identity(zeros, draws.log_posterior, *flat)
    z = tf.nest.pack_sequence_as(draws.z, leaves)
    return draws._replace(z=z, log_posterior=log_q), zeros
