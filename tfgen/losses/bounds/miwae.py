"""The mean of several importance-weighted bounds."""

from typing import Any

import keras
import tensorflow as tf

from tfgen.layers.arguments import positive_integer
from tfgen.losses.bounds.base import Bound
from tfgen.losses.reductions import elbo, iwlb

__all__ = ["MIWAE"]


@keras.saving.register_keras_serializable("tfgen")
class MIWAE(Bound):
    """The mean of M importance-weighted bounds of K samples each, of M K samples in all.

        (1/M) sum_m log (1/K) sum_k w_mk

    In expectation it is L_K. Its gradient has less noise than that of one L_K, and the
    encoder's signal-to-noise ratio does not fall as fast as that of L_MK.

    Args:
        num_groups: M.
        group_size: K.
        estimator: `"reparameterized"` or `"dreg"`; or an `Estimator`.

    Raises:
        TypeError: if `num_groups` or `group_size` is no integer.
        ValueError: if one is below 1, or if `estimator` is unknown.

    Source: Rainforth et al. Tighter variational bounds are not necessarily better.
    arXiv 1802.04537.

    >>> MIWAE(num_groups=2, group_size=1).reduce(tf.constant([[0.0], [4.0]])).numpy()
    array([2.], dtype=float32)
    """

    label = "miwae"
    estimators = ("reparameterized", "dreg")

    def __init__(
        self, num_groups: int = 8, group_size: int = 8, estimator: Any = "reparameterized"
    ) -> None:
        self.num_groups = positive_integer(num_groups, "num_groups")
        self.group_size = positive_integer(group_size, "group_size")
        super().__init__(self.num_groups * self.group_size, estimator)

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The mean over M groups of log mean_k w_k, `[B]`, of log-weights `[M K, B]`."""
        if log_mass is not None:
            raise ValueError(
                f"`estimator` of {type(self).__name__} must draw z from q, as its samples "
                f"come in groups; received {self.estimator!r}, which sums over values of z."
            )
        return elbo(iwlb(self.grouped(log_weights)))

    def grouped(self, values: tf.Tensor) -> tf.Tensor:
        """`[K, M, B]` of `[M K, B]`."""
        shape = [self.group_size, self.num_groups, tf.shape(values)[1]]
        return tf.reshape(values, shape)

    def signal_factor(self, share: tf.Tensor) -> tf.Tensor:
        """Each sample's weight within its own group, `[M K, B]`."""
        return self.num_groups * share

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        return {
            "num_groups": self.num_groups,
            "group_size": self.group_size,
            "estimator": config["estimator"],
        }
