"""The dual of the Wasserstein-1 distance."""

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss

__all__ = ["Wasserstein"]


@keras.saving.register_keras_serializable("tfgen")
class Wasserstein(GANLoss):
    """The dual of the Wasserstein-1 distance [1].

        L_D = E a(G(z)) - E a(x),    L_G = -E a(G(z)).

    -L_D is the distance where a is the best 1-Lipschitz function, which the loss does
    not ensure: compile the `GAN` with `gradient_penalty="wgan_gp"`, or put
    `keras.layers.SpectralNormalization` around the discriminator's layers.

    >>> import tfgen
    >>> float(tfgen.losses.Wasserstein().discriminator([3.0], [1.0]))
    -2.0

    [1] Arjovsky et al., Wasserstein GAN. arXiv:1701.07875
    """

    logits_are_log_ratio = False

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """-mean a."""
        return -tf.reduce_mean(logits)

    def _discriminator(
        self, real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
    ) -> tf.Tensor:
        return tf.reduce_mean(fake) - tf.reduce_mean(real)
