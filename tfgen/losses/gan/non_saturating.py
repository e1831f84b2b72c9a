"""The generator objective that the original GAN is trained by."""

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss

__all__ = ["NonSaturating"]


@keras.saving.register_keras_serializable("tfgen")
class NonSaturating(GANLoss):
    """max_G E log D(G(z)): the generator minimises mean softplus(-a) [1].

    At the optimal D its gradient is that of KL(p_gen ‖ p_data) - 2 JS(p_data ‖ p_gen)
    [2]: it seeks modes rather than covers them.

    >>> import tfgen
    >>> round(float(tfgen.losses.NonSaturating()([0.0])), 6)
    0.693147

    [1] Goodfellow et al., Generative Adversarial Nets. arXiv:1406.2661
    [2] Arjovsky & Bottou, Towards principled methods for training generative
        adversarial networks. arXiv:1701.04862
    """

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """-mean log D = mean softplus(-a)."""
        return tf.reduce_mean(tf.math.softplus(-logits))
