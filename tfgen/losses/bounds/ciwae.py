"""A mixture of the ELBO and the importance-weighted bound."""

from typing import Any

import keras
import tensorflow as tf

from tfgen.layers.arguments import number_between
from tfgen.losses.bounds.base import Bound
from tfgen.losses.reductions import elbo, iwlb

__all__ = ["CIWAE"]


@keras.saving.register_keras_serializable("tfgen")
class CIWAE(Bound):
    """A mixture of the ELBO and L_K on the same samples, beta ELBO + (1 - beta) L_K.

    Args:
        num_samples: K.
        beta: the share of the ELBO, in [0, 1]: 0 is L_K, 1 the ELBO.
        estimator: `"reparameterized"` or `"dreg"`; or an `Estimator`.

    Raises:
        TypeError: if `num_samples` is no integer or `beta` no number.
        ValueError: if one is out of range, or if `estimator` is unknown.

    Source: Rainforth et al. Tighter variational bounds are not necessarily better.
    arXiv 1802.04537.

    >>> CIWAE(num_samples=2, beta=1.0).reduce(tf.constant([[0.0], [4.0]])).numpy()
    array([2.], dtype=float32)
    """

    label = "ciwae"
    estimators = ("reparameterized", "dreg")

    def __init__(
        self, num_samples: int = 5, beta: float = 0.5, estimator: Any = "reparameterized"
    ) -> None:
        super().__init__(num_samples, estimator)
        self.beta = number_between(beta, 0.0, 1.0, "beta")

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """beta mean log w + (1 - beta) log mean w, `[B]`."""
        mean, tight = elbo(log_weights, log_mass), iwlb(log_weights, log_mass)
        return self.beta * mean + (1.0 - self.beta) * tight

    def signal_factor(self, share: tf.Tensor) -> tf.Tensor:
        """(beta / K + (1 - beta) v^2) / (beta / K + (1 - beta) v), of weights v."""
        even = self.beta / self.num_samples
        rest = share - even  # (1 - beta) v
        weight = tf.math.divide_no_nan(rest, 1.0 - self.beta)
        return tf.math.divide_no_nan(even + rest * weight, share)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        return {
            "num_samples": config["num_samples"],
            "beta": self.beta,
            "estimator": config["estimator"],
        }
