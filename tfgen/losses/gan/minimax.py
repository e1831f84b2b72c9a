"""The original GAN as a game of two players."""

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss

__all__ = ["Minimax"]


@keras.saving.register_keras_serializable("tfgen")
class Minimax(GANLoss):
    """min_G E log(1 - D(G(z))): the generator minimises -mean softplus(a) [1].

    At the optimal D this descends 2 JS(p_data ‖ p_gen), and its gradient vanishes
    where D separates the samples from the data, as D(G(z)) → 0.

    >>> import tfgen
    >>> round(float(tfgen.losses.Minimax()([0.0])), 6)
    -0.693147

    [1] Goodfellow et al., Generative Adversarial Nets. arXiv:1406.2661
    """

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """E log(1 - D) = -mean softplus(a)."""
        return -tf.reduce_mean(tf.math.softplus(logits))
