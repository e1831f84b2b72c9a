"""Least squares to the labels 1 and 0."""

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss

__all__ = ["LeastSquares"]


@keras.saving.register_keras_serializable("tfgen")
class LeastSquares(GANLoss):
    """Least squares to the labels 1 and 0 [1].

        L_D = ½ E (a(x) - 1)² + ½ E a(G(z))²,    L_G = ½ E (a(G(z)) - 1)².

    The optimal a(x) is p_data / (p_data + p_gen), a probability.

    >>> import tfgen
    >>> float(tfgen.losses.LeastSquares()([0.0]))
    0.5

    [1] Mao et al., Least squares generative adversarial networks. arXiv:1611.04076
    """

    logits_are_log_ratio = False

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """½ mean (a - 1)²."""
        return 0.5 * tf.reduce_mean(tf.square(logits - 1.0))

    def _discriminator(
        self, real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
    ) -> tf.Tensor:
        on_real = tf.reduce_mean(tf.square(real - 1.0))
        return 0.5 * (on_real + tf.reduce_mean(tf.square(fake)))
