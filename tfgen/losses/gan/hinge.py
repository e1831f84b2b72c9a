"""The hinge loss."""

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss

__all__ = ["Hinge"]


@keras.saving.register_keras_serializable("tfgen")
class Hinge(GANLoss):
    """The hinge loss [1].

        L_D = E max(0, 1 - a(x)) + E max(0, 1 + a(G(z))),    L_G = -E a(G(z)).

    The optimal a(x) is the sign of p_data - p_gen.

    >>> import tfgen
    >>> float(tfgen.losses.Hinge().discriminator([2.0], [-2.0]))
    0.0

    [1] Lim & Ye, Geometric GAN. arXiv:1705.02894
    """

    logits_are_log_ratio = False

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """-mean a."""
        return -tf.reduce_mean(logits)

    def _discriminator(
        self, real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
    ) -> tf.Tensor:
        on_real = tf.reduce_mean(tf.nn.relu(1.0 - real))
        return on_real + tf.reduce_mean(tf.nn.relu(1.0 + fake))
