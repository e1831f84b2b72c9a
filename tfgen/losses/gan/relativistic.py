"""Losses of pairs: is this example more real than that one?"""

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss

__all__ = ["RelativisticPairing"]


@keras.saving.register_keras_serializable("tfgen")
class RelativisticPairing(GANLoss):
    """The relativistic pairing loss, RpGAN: each sample meets one example of the data.

        L_D = E softplus(-(a(x) - a(G(z)))),    L_G = E softplus(-(a(G(z)) - a(x))).

    D decides which of the two is real, so the optimal a(x) is log p_data(x) - log p_gen(x)
    up to a constant, which no pair reveals; `GAN.calibrate` finds it. R3GAN [2] is this
    loss with `gradient_penalty="r1_r2"`. Row i of the samples is paired with row i of the
    data, so both have the same length.

    >>> import tfgen
    >>> loss = tfgen.losses.RelativisticPairing()
    >>> round(float(loss.generator([0.0], real_logits=[0.0])), 6)
    0.693147

    [1] Jolicoeur-Martineau, The relativistic discriminator. arXiv:1807.00734
    [2] Huang et al., The GAN is dead; long live the GAN! A modern GAN baseline.
        arXiv:2501.05441
    """

    logits_are_log_ratio = False
    logits_are_log_ratio_up_to_constant = True
    needs_real_logits = True

    def paired_objective(self, fake: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
        """Mean softplus(a(x) - a(G(z)))."""
        _check_pairs(fake, real)
        return tf.reduce_mean(tf.math.softplus(real - fake))

    def _discriminator(
        self, real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
    ) -> tf.Tensor:
        _check_pairs(fake, real)
        return tf.reduce_mean(tf.math.softplus(fake - real))


def _check_pairs(fake: tf.Tensor, real: tf.Tensor) -> None:
    if not fake.shape.is_compatible_with(real.shape):  # one would be broadcast
        raise ValueError(
            "`real_logits` must have as many rows as `fake_logits`, since they are "
            f"paired; received {real.shape[0]} and {fake.shape[0]}."
        )
