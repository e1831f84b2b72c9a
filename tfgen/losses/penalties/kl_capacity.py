"""A capacity that the KL is held at."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import number_at_least
from tfgen.losses.penalties.base import Penalty

tfd = tfp.distributions

__all__ = ["KLCapacity"]


@keras.saving.register_keras_serializable("tfgen")
class KLCapacity(Penalty):
    """|KL - capacity|, KL the mean of KL(q(z|x) || p(z)) over the batch.

    With `ELBO(beta=0.0)`, whose objective has no KL, what is minimised is
    -E log p(x|z) + weight |KL - capacity|. `tfgen.callbacks.CapacityWarmup` raises the
    capacity over the training.

    Args:
        capacity: in nats, at least 0; a variable, so that it may change in training.
        weight: at least 0.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if one is below 0 or not finite; at `compile`, if TFP has no closed
            form of the KL.

    Source: Burgess et al. Understanding disentangling in beta-VAE. arXiv 1804.03599.

    >>> float(KLCapacity(25.0).capacity.numpy())
    25.0
    """

    label = "kl_capacity"

    def __init__(self, capacity: float, weight: float = 100.0) -> None:
        super().__init__(weight)
        capacity = number_at_least(0.0, capacity, "capacity")
        self.capacity = keras.Variable(capacity, trainable=False, name="capacity")

    def __call__(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        z: tf.Tensor,
        key: tf.Tensor,
    ) -> tf.Tensor:
        """The penalty of a batch; see `Penalty.__call__`."""
        kl = tf.reduce_mean(tfd.kl_divergence(posterior, prior))
        return tf.abs(kl - tf.cast(self.capacity.value, kl.dtype))

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if there is no closed form of the KL."""
        try:
            tfd.kl_divergence(posterior, prior)
        except NotImplementedError:
            raise ValueError(
                "`penalties` may hold KLCapacity where TFP has a closed form of the KL; "
                f"received a posterior {posterior.name!r} and a prior {prior.name!r}."
            ) from None

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; with the current `capacity`."""
        capacity = float(keras.ops.convert_to_numpy(self.capacity))
        return {"capacity": capacity, **super().get_config()}
