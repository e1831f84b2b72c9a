"""The base of the GAN losses: what each of the two networks minimises."""

from typing import Any

import tensorflow as tf

__all__ = ["GANLoss"]


class GANLoss:
    """What the discriminator and the generator of a GAN each minimise.

    The discriminator returns logits a(x), and D(x) = sigmoid(a(x)) is never formed.
    Unless a subclass says otherwise it minimises the original objective [1],

        L_D = -E log D(x) - E log(1 - D(G(z)))
            = E softplus(-a(x)) + E softplus(a(G(z))),

    whose optimum is the log density ratio a(x) = log p_data(x) - log p_gen(x). With
    one-sided label smoothing s the label of real data is 1 - s instead of 1, and the
    optimum moves to a = log[(1 - s) p_data / (p_gen + s p_data)].

    A subclass writes `objective`, the scalar that the generator minimises, and
    `get_config` where it has arguments. One whose generator compares its samples with
    data sets `needs_real_logits` and writes `paired_objective` instead.

    [1] Goodfellow et al., Generative Adversarial Nets. arXiv:1406.2661
    """

    logits_are_log_ratio: bool = True
    """Whether the optimal discriminator's logit is log p_data(x) - log p_gen(x)."""

    logits_are_log_ratio_up_to_constant: bool = False
    """Whether it is the log-ratio plus a constant that the loss does not determine."""

    weighs_by_ratio: bool = False
    """Whether a sample's gradient grows as a power of exp(a), the density ratio."""

    can_overflow: bool = False
    """Whether the generator's loss overflows while its logits are finite."""

    needs_real_logits: bool = False
    """Whether the generator's loss takes a(x) of data beside a(G(z))."""

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """The scalar that the generator minimises, of float32 or float64 logits [N]."""
        raise NotImplementedError

    def paired_objective(self, fake: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
        """The same of the logits of samples and of data, both [N]."""
        raise NotImplementedError

    def generator(
        self, fake_logits: tf.Tensor, real_logits: tf.Tensor | None = None
    ) -> tf.Tensor:
        """What the generator minimises.

        Args:
            fake_logits: a(G(z)), `[batch]` or `[batch, 1]`. Half precision is cast to
                float32 first.
            real_logits: a(x), of the same shape, for a loss that `needs_real_logits`;
                the others ignore it.

        Returns:
            A scalar. It is infinite where the exact value exceeds the dtype: nothing
            is clipped.

        Raises:
            TypeError: If the logits are not floating point.
            ValueError: If the logits are empty or not one number an example, or if
                `real_logits` are missing where the loss needs them.
        """
        fake = _flat_logits(fake_logits, "fake_logits")
        if not self.needs_real_logits:
            return self.objective(fake)
        if real_logits is None:
            raise ValueError(
                f"`real_logits` must be given to {type(self).__name__}, which compares "
                "samples with data; received None. Call `generator(fake_logits, "
                "real_logits)`."
            )
        return self.paired_objective(fake, _flat_logits(real_logits, "real_logits"))

    def discriminator(
        self,
        real_logits: tf.Tensor,
        fake_logits: tf.Tensor,
        label_smoothing: float = 0.0,
    ) -> tf.Tensor:
        """What the discriminator minimises.

        Args:
            real_logits: a(x), `[batch]` or `[batch, 1]`.
            fake_logits: a(G(z)), `[batch]` or `[batch, 1]`.
            label_smoothing: s in [0, 1), one-sided: real data have the label 1 - s.

        Returns:
            A scalar.

        Raises:
            TypeError: If the logits are not floating point.
            ValueError: If the logits are empty or not one number an example, or if
                `label_smoothing` is outside [0, 1) or not defined for this loss.
        """
        real = _flat_logits(real_logits, "real_logits")
        fake = _flat_logits(fake_logits, "fake_logits")
        if not 0.0 <= label_smoothing < 1.0:
            raise ValueError(
                "`label_smoothing` must lie in [0, 1): the label of real data is "
                f"1 - label_smoothing; received {label_smoothing}."
            )
        if label_smoothing and not self.logits_are_log_ratio:
            raise ValueError(
                f"`label_smoothing` is not defined for {type(self).__name__}, whose "
                f"discriminator is not a classifier; received {label_smoothing}. Leave it "
                "0."
            )
        return self._discriminator(real, fake, label_smoothing)

    def __call__(
        self, fake_logits: tf.Tensor, real_logits: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The same as `generator`."""
        return self.generator(fake_logits, real_logits)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> "GANLoss":
        """The loss that `get_config` described."""
        return cls(**config)

    def _discriminator(
        self, real: tf.Tensor, fake: tf.Tensor, label_smoothing: float
    ) -> tf.Tensor:
        # softplus(-a) + s a is the cross-entropy to the label 1 - s.
        on_real = tf.reduce_mean(tf.math.softplus(-real) + label_smoothing * real)
        return on_real + tf.reduce_mean(tf.math.softplus(fake))


def _flat_logits(logits: Any, name: str) -> tf.Tensor:
    """Logits as a float32 or float64 vector [N]."""
    logits = tf.convert_to_tensor(logits)
    if not logits.dtype.is_floating:
        raise TypeError(
            f"`{name}` must be floating-point logits; received {logits.dtype.name}."
        )
    if logits.shape.rank and any(size not in (None, 1) for size in logits.shape[1:]):
        raise ValueError(
            f"`{name}` must hold one number per example, [batch] or [batch, 1]; received "
            f"shape {tuple(logits.shape)}."
        )
    if logits.shape.num_elements() == 0:
        raise ValueError(f"`{name}` must hold at least one example; received none.")
    if logits.dtype.size < 4:
        logits = tf.cast(logits, tf.float32)
    return tf.reshape(logits, [-1])
