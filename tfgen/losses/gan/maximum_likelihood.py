"""Maximum likelihood by adversarial training, f(D) = exp(sigmoid^-1(D))."""

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss
from tfgen.losses.gan.exponentials import log_count, mean_exp

__all__ = ["MaximumLikelihood"]


@keras.saving.register_keras_serializable("tfgen")
class MaximumLikelihood(GANLoss):
    """The generator objective whose expected gradient is that of maximum likelihood.

    With D optimal, exp(a) = p_data / p_gen, so [1]

        d/dθ E exp(a(G(z))) = E_gen[(p_data / p_gen) d log p_gen] = E_data[d log p_gen]:

    the generator minimises -mean exp(a). Its cost is variance: for unit Gaussians a
    distance δ apart Var[exp a] = exp(δ²) - 1, and in float32 exp overflows at
    a = 88.7, which makes the loss infinite; it is not clipped.

    `normalize=True` minimises -log mean exp(a) instead. It gives the batch's samples
    the weights softmax(a), cannot overflow, and has the same gradient in the limit of a
    large batch at the optimal D, where E_gen exp(a) = 1. The mean is over the batch, or
    over a replica's part of it.

    Args:
        normalize: Whether the weights of a batch are made to sum to one.

    Raises:
        TypeError: If `normalize` is not a bool.

    >>> import tfgen
    >>> float(tfgen.losses.MaximumLikelihood()([0.0, 0.0]))
    -1.0
    >>> float(tfgen.losses.MaximumLikelihood(normalize=True)([1e4, 1e4]))
    -10000.0

    [1] Goodfellow, On distinguishability criteria for estimating generative models.
        arXiv:1412.6515
    """

    weighs_by_ratio = True

    def __init__(self, normalize: bool = False):
        if not isinstance(normalize, bool):
            raise TypeError(f"`normalize` must be True or False; received {normalize!r}.")
        self.normalize = normalize
        self.can_overflow = not normalize

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """-mean exp(a), or -log mean exp(a)."""
        if self.normalize:
            return log_count(logits) - tf.reduce_logsumexp(logits)
        return -mean_exp(logits)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {"normalize": self.normalize}
