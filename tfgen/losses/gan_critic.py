"""GAN losses whose discriminator is a critic: a(x) is no log density ratio."""

import keras
import tensorflow as tf

from tfgen.losses.gan import GANLoss

__all__ = ["Hinge", "LeastSquares", "Wasserstein"]


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


@keras.saving.register_keras_serializable("tfgen")
class Wasserstein(GANLoss):
    """The dual of the Wasserstein-1 distance [1].

        L_D = E a(G(z)) - E a(x),    L_G = -E a(G(z)).

    -L_D is the distance where a is the best 1-Lipschitz function, which the loss does
    not see to: compile the `GAN` with `gradient_penalty="wgan_gp"`, or put
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
