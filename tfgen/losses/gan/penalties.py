"""Gradient penalties on the discriminator."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["r1_penalty", "r1_r2_penalty", "wgan_gp_penalty"]


def r1_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor
) -> tf.Tensor:
    """½ E ‖∇ₓ a(x)‖² over real data [1].

    Args:
        discriminator: x `[batch, ...]` → logits, `[batch]` or `[batch, 1]`.
        real: x, `[batch, ...]`.

    Returns:
        A scalar, 0 where the logits don't depend on x near the data.

    >>> import tensorflow as tf
    >>> float(r1_penalty(lambda x: 3.0 * x, tf.zeros([4, 1])))
    4.5

    [1] Mescheder et al., Which training methods for GANs do actually converge?
        arXiv:1801.04406
    """
    return _half_squared_gradient(discriminator, real, "real")


def r1_r2_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor
) -> tf.Tensor:
    """½ E ‖∇ₓ a(x)‖² over real data plus the same over samples, R1 + R2 [1, 2].

    Args:
        discriminator: x `[batch, ...]` → logits, `[batch]` or `[batch, 1]`.
        real: x, `[batch, ...]`.
        fake: G(z), `[batch, ...]`.

    Returns:
        A scalar, 0 where the logits depend neither on data nor on samples.

    >>> import tensorflow as tf
    >>> x = tf.constant([[1.0], [2.0]])
    >>> float(r1_r2_penalty(lambda x: 0.5 * x**2, x, tf.zeros([2, 1])))
    1.25

    [1] Mescheder et al., Which training methods for GANs do actually converge?
        arXiv:1801.04406
    [2] Huang et al., The GAN is dead; long live the GAN! A modern GAN baseline.
        arXiv:2501.05441
    """
    of_real = _half_squared_gradient(discriminator, real, "real")
    return of_real + _half_squared_gradient(discriminator, fake, "fake")


def wgan_gp_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor],
    real: tf.Tensor,
    fake: tf.Tensor,
    mixture: tf.Tensor,
) -> tf.Tensor:
    """E (‖∇ₓ a(x̂)‖ - 1)² at x̂ = u x + (1 - u) G(z), between data and samples [1].

    Args:
        discriminator: x `[batch, ...]` → logits, `[batch]` or `[batch, 1]`.
        real: x, `[batch, ...]`.
        fake: G(z), of the shape of `real`.
        mixture: u in [0, 1], `[batch]`.

    Returns:
        A scalar.

    >>> import tensorflow as tf
    >>> x = tf.zeros([4, 1])
    >>> float(wgan_gp_penalty(lambda x: 3.0 * x, x, x, tf.zeros([4])))
    4.0

    [1] Gulrajani et al., Improved training of Wasserstein GANs. arXiv:1704.00028
    """
    real, fake = _tensor(real, "real"), _tensor(fake, "fake")
    mixture = _tensor(mixture, "mixture")
    if not fake.shape.is_compatible_with(real.shape):
        raise ValueError(
            f"`fake` must have the shape of `real`, {tuple(real.shape)}; received "
            f"{tuple(fake.shape)}. Draw as many samples as there are data."
        )
    mixture = tf.reshape(mixture, [-1] + [1] * (real.shape.rank - 1))
    between = fake + mixture * (real - fake)
    squared = _squared_gradient_norm(discriminator, between)
    # √ has no slope at 0; the floor keeps the gradient of a flat critic finite.
    return tf.reduce_mean(tf.square(tf.sqrt(tf.maximum(squared, 1e-12)) - 1.0))


def _half_squared_gradient(
    discriminator: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, name: str
) -> tf.Tensor:
    return 0.5 * tf.reduce_mean(_squared_gradient_norm(discriminator, _tensor(x, name)))


def _tensor(value: Any, name: str) -> tf.Tensor:
    """`value` as a tensor, or an error that names the argument."""
    if value is None or isinstance(value, str):
        raise TypeError(
            f"`{name}` must be a tensor, one row per example; received {value!r}."
        )
    return tf.convert_to_tensor(value)


def _squared_gradient_norm(
    discriminator: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor
) -> tf.Tensor:
    if not callable(discriminator):
        raise TypeError(
            "`discriminator` must be a function from x to logits; received "
            f"{discriminator!r}. Pass a Keras model."
        )
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = discriminator(x)
    slope = tape.gradient(logits, x)
    if slope.dtype.size < 4:  # its square overflows float16 from 256
        slope = tf.cast(slope, tf.float32)
    return tf.reduce_sum(tf.square(slope), axis=list(range(1, x.shape.rank)))
