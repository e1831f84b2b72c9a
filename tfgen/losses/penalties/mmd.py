"""The maximum mean discrepancy between the aggregate posterior and the prior."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import sample
from tfgen.layers.arguments import number_above
from tfgen.losses.penalties.base import Penalty, check_reparameterized

tfd = tfp.distributions

__all__ = ["MMD"]

_KERNELS = ("rbf", "imq")


@keras.saving.register_keras_serializable("tfgen")
class MMD(Penalty):
    """The squared maximum mean discrepancy of q(z) = E q(z|x) and p(z).

        E k(z, z') - 2 E k(z, y) + E k(y, y'),   z, z' from q(z), y, y' from p(z)

    It is estimated, without bias, from one z and one y for each row; an estimate may be
    below 0. Added to -ELBO it gives an InfoVAE; with `ELBO(beta=0.0)`, a WAE. A last
    batch of a single example adds 0.

    Args:
        weight: at least 0.
        kernel: `"imq"`, c / (c + |z - y|^2), or `"rbf"`, exp(-|z - y|^2 / c), where
            c = 2 D scale^2 for z of D numbers.
        scale: the spread of a unit of z under the prior, above 0.

    Raises:
        TypeError: if `weight` or `scale` is no number.
        ValueError: if one is out of range or `kernel` unknown; at `compile`, if q can't be
            reparameterized; at `fit`, if `batch_size` is 1.

    Source: Zhao, Song, Ermon. InfoVAE. arXiv 1706.02262; Tolstikhin et al. Wasserstein
    auto-encoders. arXiv 1711.01558.

    >>> MMD(weight=10.0).kernel
    'imq'
    """

    label = "mmd"
    least_rows = 2

    def __init__(self, weight: float, kernel: str = "imq", scale: float = 1.0) -> None:
        super().__init__(weight)
        if kernel not in _KERNELS:
            raise ValueError(f"`kernel` must be one of {_KERNELS}; received {kernel!r}.")
        self.kernel = kernel
        self.scale = number_above(0.0, scale, "scale")

    def __call__(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        z: tf.Tensor,
        key: tf.Tensor,
    ) -> tf.Tensor:
        """The penalty of a batch; see `Penalty.__call__`."""
        y = sample(prior, random.stream(key, random.Stream.PENALTY))
        rows = tf.shape(z)[0]
        z, y = tf.reshape(z, [rows, -1]), tf.reshape(y, [rows, -1])
        count = tf.cast(rows, z.dtype)
        different = 1.0 - tf.eye(rows, dtype=z.dtype)
        within = self._kernel_of(z, z) + self._kernel_of(y, y)
        pairs = count * (count - 1.0)
        value = tf.math.divide_no_nan(tf.reduce_sum(different * within), pairs)
        value -= 2.0 * tf.reduce_mean(self._kernel_of(z, y))
        return tf.where(rows > 1, value, tf.zeros_like(value))

    def _kernel_of(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """The kernel of every pair, `[B, B]`, of `[B, D]` and `[B, D]`."""
        squares = tf.reduce_sum((a[:, tf.newaxis] - b) ** 2, axis=-1)
        width = 2.0 * self.scale**2 * tf.cast(tf.shape(a)[1], a.dtype)
        if self.kernel == "rbf":
            return tf.exp(-squares / width)
        return width / (width + squares)

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError unless z is one tensor that can be differentiated."""
        check_reparameterized(self, posterior)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "kernel": self.kernel, "scale": self.scale}
