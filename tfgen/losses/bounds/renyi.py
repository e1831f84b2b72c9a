"""The variational Renyi bound."""

import math
import numbers
from typing import Any

import keras
import tensorflow as tf

from tfgen.losses.bounds.base import Bound
from tfgen.losses.reductions import renyi

__all__ = ["Renyi"]


@keras.saving.register_keras_serializable("tfgen")
class Renyi(Bound):
    """The variational Renyi bound, log(mean_k w_k^(1 - alpha)) / (1 - alpha).

    It is logged as `renyi`. For alpha < 0 it is, in the limit of many samples, an
    **upper** bound on log p(x), and is logged as `renyi_upper`.

    For K finite and 0 <= alpha < 1 it is the VR-IWAE bound, a lower bound on log p(x)
    between the ELBO and L_K.

    Args:
        alpha: the order, a number other than 1.
        num_samples: K.
        estimator: `"reparameterized"`, or `"dreg"`, which multiplies the signal of sample k
            by alpha + (1 - alpha) v_k, where v_k is its share of the w^(1 - alpha); or an
            `Estimator`.

    Raises:
        TypeError: if `num_samples` is no integer.
        ValueError: if it is below 1, if `alpha` is 1: that is the ELBO, or if `estimator`
            is unknown.

    Source: Li, Turner. Renyi divergence variational inference. arXiv 1602.02311; Daudel,
    Benton, Shi, Doucet. Alpha-divergence variational inference meets importance weighted
    auto-encoders. arXiv 2210.06226.

    >>> Renyi(alpha=-1.0, num_samples=5).label
    'renyi_upper'
    """

    estimators = ("reparameterized", "dreg")

    def __init__(
        self, alpha: float, num_samples: int = 5, estimator: Any = "reparameterized"
    ) -> None:
        super().__init__(num_samples, estimator)
        if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real):
            raise TypeError(f"`alpha` must be a number; received {alpha!r}.")
        if not math.isfinite(alpha):
            raise ValueError(f"`alpha` must be finite; received {alpha!r}.")
        if alpha == 1:
            raise ValueError(
                "`alpha` must differ from 1; received 1. The limit at 1 is the ELBO: use "
                "`tfgen.losses.ELBO`."
            )
        self.alpha = float(alpha)
        self.label = "renyi_upper" if alpha < 0 else "renyi"

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The bound, `[B]`, of log-weights `[K, B]`."""
        return renyi(log_weights, self.alpha, log_mass)

    def signal_factor(self, share: tf.Tensor) -> tf.Tensor:
        """alpha + (1 - alpha) v, `[K, B]`, of the shares v of w^(1 - alpha)."""
        return self.alpha + (1.0 - self.alpha) * share

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha, **super().get_config()}
