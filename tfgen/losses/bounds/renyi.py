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

    Args:
        alpha: the order, a number other than 1.
        num_samples: K.

    Raises:
        TypeError: if `num_samples` is no integer.
        ValueError: if it is below 1, or if `alpha` is 1: that is the ELBO.

    Source: Li, Turner. Renyi divergence variational inference. arXiv 1602.02311.

    >>> Renyi(alpha=-1.0, num_samples=5).label
    'renyi_upper'
    """

    def __init__(self, alpha: float, num_samples: int = 5) -> None:
        super().__init__(num_samples)
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

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha, "num_samples": self.num_samples}

    def __repr__(self) -> str:
        return f"Renyi(alpha={self.alpha!r}, num_samples={self.num_samples!r})"
