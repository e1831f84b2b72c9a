"""The total correlation of the aggregate posterior."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import positive_integer
from tfgen.losses.penalties.base import Penalty, check_reparameterized
from tfgen.losses.penalties.units import units

tfd = tfp.distributions

__all__ = ["KLParts", "TotalCorrelation", "kl_parts"]


class KLParts(NamedTuple):
    """The mean of KL(q(z|x) || p(z)) over the data in three parts, in nats; scalars.

    Attributes:
        mutual_information: of z and the example's number, KL(q(z, n) || q(z) p(n)).
        total_correlation: KL(q(z) || prod_d q(z_d)).
        dimension_wise_kl: sum_d KL(q(z_d) || p(z_d)).
    """

    mutual_information: tf.Tensor
    total_correlation: tf.Tensor
    dimension_wise_kl: tf.Tensor


def kl_parts(
    posterior: tfd.Distribution, prior: tfd.Distribution, z: tf.Tensor, num_examples: int
) -> KLParts:
    """Estimates the three parts of the KL from a batch; their sum has no further bias.

    q(z) = (1/N) sum_n q(z|x_n) is estimated at each z_i by weights 1/N for its own
    example and (N - 1) / (N (B - 1)) for each other one of the batch: the mean of the
    minibatch-stratified weights of the source over the order of the batch. The estimate
    of q(z) is unbiased, that of its logarithm is too low.

    Args:
        posterior: q(z|x), of batch shape `[B]` and independent units.
        prior: p(z), of batch shape `[]` or `[B]` and independent units.
        z: one draw from q for each row, `[B, D]`.
        num_examples: N, the number of examples of the data.

    Returns:
        `KLParts`.

    Source: Chen, Li, Grosse, Duvenaud. Isolating sources of disentanglement in variational
    autoencoders. arXiv 1802.04942.

    >>> q = tfd.MultivariateNormalDiag([[-1.0, 0.0], [1.0, 0.0]], tf.ones([2, 2]))
    >>> prior = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
    >>> parts = kl_parts(q, prior, tf.zeros([2, 2]), num_examples=2)
    >>> float(parts.total_correlation)
    0.0
    """
    positive_integer(num_examples, "num_examples")
    q_units = units(posterior, "posterior")
    own = q_units.log_prob(z)  # [B, D]
    pairs = q_units.log_prob(z[:, tf.newaxis])  # [B, B, D]: z_i under q(.|x_j)
    log_share = _log_shares(tf.shape(z)[0], num_examples, z.dtype)
    joint = tf.reduce_logsumexp(log_share + tf.reduce_sum(pairs, axis=-1), axis=1)
    product = tf.reduce_sum(
        tf.reduce_logsumexp(log_share[..., tf.newaxis] + pairs, axis=1), axis=-1
    )
    log_q = tf.reduce_sum(own, axis=-1)
    log_p = tf.reduce_sum(units(prior, "prior").log_prob(z), axis=-1)
    parts = log_q - joint, joint - product, product - log_p
    return KLParts(*map(tf.reduce_mean, parts))


def _log_shares(batch_size: tf.Tensor, num_examples: int, dtype: Any) -> tf.Tensor:
    """log of the weights of q(z_i|x_j) in the estimate of q(z_i), `[B, B]`."""
    count = tf.cast(num_examples, dtype)
    others = tf.cast(batch_size - 1, dtype)
    other = tf.math.divide_no_nan(1.0 - 1.0 / count, others)
    same = tf.eye(batch_size, dtype=dtype)
    return tf.math.log(same / count + (1.0 - same) * other)


@keras.saving.register_keras_serializable("tfgen")
class TotalCorrelation(Penalty):
    """KL(q(z) || prod_d q(z_d)), of the aggregate posterior q(z) = E q(z|x).

    Added to -ELBO with weight beta - 1 it gives the beta-TCVAE. The estimate is of a
    batch, by minibatch-stratified weights; see `kl_parts`. A last batch of a single
    example adds 0.

    Args:
        weight: beta - 1, at least 0.
        num_examples: N, the number of training examples.

    Raises:
        TypeError: if `weight` is no number or `num_examples` no integer.
        ValueError: if one is out of range; at `compile`, if the units of q are not
            independent; at `fit`, if `batch_size` is 1.

    Source: Chen, Li, Grosse, Duvenaud. Isolating sources of disentanglement in variational
    autoencoders. arXiv 1802.04942.

    >>> TotalCorrelation(weight=5.0, num_examples=60_000).label
    'total_correlation'
    """

    label = "total_correlation"
    least_rows = 2

    def __init__(self, weight: float, num_examples: int) -> None:
        super().__init__(weight)
        self.num_examples = positive_integer(num_examples, "num_examples")

    def __call__(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        z: tf.Tensor,
        key: tf.Tensor,
    ) -> tf.Tensor:
        """The penalty of a batch; see `Penalty.__call__`."""
        value = kl_parts(posterior, prior, z, self.num_examples).total_correlation
        return tf.where(tf.shape(z)[0] > 1, value, tf.zeros_like(value))

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError unless the units of posterior and prior are independent."""
        check_reparameterized(self, posterior)
        units(posterior, "posterior")
        units(prior, "prior")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_examples": self.num_examples}
