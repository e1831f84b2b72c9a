"""The thermodynamic variational objective."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.losses.bounds.base import Bound
from tfgen.losses.reductions import elbo

__all__ = ["TVO"]


@keras.saving.register_keras_serializable("tfgen")
class TVO(Bound):
    """The thermodynamic variational objective, a Riemann sum from the ELBO to log p(x).

    log p(x) is the integral over b in [0, 1] of the mean of log w under
    q(z|x)^(1 - b) p(x, z)^b. That mean rises with b, so the sum over left ends,

        sum_j (b_{j+1} - b_j) sum_k v_jk log w_k,   v_jk = w_k^b_j / sum_i w_i^b_j,

    lies below. With K samples it lies between their mean log w and their log mean w,
    whatever the samples; so its expectation is a lower bound between the ELBO and L_K.

    Args:
        num_samples: K.
        betas: the left ends b_j: increasing, the first 0, all below 1. One gives the ELBO.

    Raises:
        TypeError: if `num_samples` is no integer or `betas` no sequence of numbers.
        ValueError: if `num_samples` is below 1, or `betas` not increasing from 0.

    Source: Masrani, Le, Wood. The thermodynamic variational objective. arXiv 1907.00031.
    There the gradient is a covariance, which needs no reparameterization; here it is
    that of the sum above through z.

    >>> TVO(num_samples=2, betas=[0.0]).reduce(tf.constant([[0.0], [4.0]])).numpy()
    array([2.], dtype=float32)
    """

    label = "tvo"

    def __init__(
        self,
        num_samples: int = 10,
        betas: Sequence[float] = (0.0, 0.025, 0.06, 0.16, 0.4),
    ) -> None:
        super().__init__(num_samples)
        self.betas = _increasing(betas)

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The sum over the left ends, `[B]`."""
        steps = np.diff([*self.betas, 1.0])
        mass = 0.0 if log_mass is None else log_mass
        total = steps[0] * elbo(log_weights, log_mass)  # where 0 * -inf would be NaN
        for beta, step in zip(self.betas[1:], steps[1:], strict=True):
            shares = tf.nn.log_softmax(beta * log_weights + mass, axis=0)
            total += step * elbo(log_weights, shares)
        return total

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_samples": self.num_samples, "betas": list(self.betas)}


def _increasing(betas: Any) -> tuple[float, ...]:
    try:
        values = tuple(float(beta) for beta in betas)
    except (TypeError, ValueError):
        raise TypeError(
            f"`betas` must be a sequence of numbers; received {betas!r}."
        ) from None
    fits = bool(values) and values[0] == 0 and all(np.diff([*values, 1.0]) > 0)
    if not fits:
        raise ValueError(
            "`betas` must begin with 0, increase, and stay below 1, as (0, 0.1, 0.4) does; "
            f"received {betas!r}."
        )
    return values
