"""Free bits: no unit gains from a KL below so many nats."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import number_at_least
from tfgen.losses.penalties.base import Penalty
from tfgen.losses.penalties.units import units

tfd = tfp.distributions

__all__ = ["FreeBits"]


@keras.saving.register_keras_serializable("tfgen")
class FreeBits(Penalty):
    """Sum over units d of max(0, nats - KL_d), KL_d the mean over the batch.

    Added to -ELBO, which contains KL_d too, it replaces each KL_d by max(nats, KL_d): a
    unit may carry `nats` nats at no cost, so that it is not switched off early in training.
    The KL of each unit is in closed form.

    Args:
        nats: each unit's free nats, at least 0.
        weight: the beta of the `ELBO`, 1 unless that is another.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if one is below 0 or not finite; at `compile`, if the units of q or of
            the prior are not independent or their KL has no closed form.

    Source: Kingma et al. Improving variational inference with inverse autoregressive flow.
    arXiv 1606.04934.

    >>> FreeBits(0.25).label
    'free_bits'
    """

    label = "free_bits"

    def __init__(self, nats: float, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.nats = number_at_least(0.0, nats, "nats")

    def __call__(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        z: tf.Tensor,
        key: tf.Tensor,
    ) -> tf.Tensor:
        """The penalty of a batch; see `Penalty.__call__`."""
        kl = tfd.kl_divergence(units(posterior, "posterior"), units(prior, "prior"))
        return tf.reduce_sum(tf.nn.relu(self.nats - tf.reduce_mean(kl, axis=0)))

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if there is no closed form of each unit's KL."""
        pair = units(posterior, "posterior"), units(prior, "prior")
        try:
            tfd.kl_divergence(*pair)
        except NotImplementedError:
            raise ValueError(
                "`penalties` may hold FreeBits where TFP knows the KL of a unit; received "
                f"{type(pair[0]).__name__} and {type(pair[1]).__name__}. Choose posterior "
                "and prior of one family."
            ) from None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"nats": self.nats, **super().get_config()}
