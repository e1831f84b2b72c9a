"""The base of the GAN losses, and the general generator objective."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

__all__ = ["GANLoss", "GeneratorObjective"]


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
    `get_config` where it has arguments.

    [1] Goodfellow et al., Generative Adversarial Nets. arXiv:1406.2661
    """

    logits_are_log_ratio: bool = True
    """Whether the optimal discriminator's logit is log p_data(x) - log p_gen(x)."""

    weighs_by_ratio: bool = False
    """Whether a sample's gradient grows as a power of exp(a), the density ratio."""

    can_overflow: bool = False
    """Whether the generator's loss overflows while its logits are finite."""

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """The scalar that the generator minimises, of float32 or float64 logits [N]."""
        raise NotImplementedError

    def generator(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """What the generator minimises.

        Args:
            fake_logits: a(G(z)), `[batch]` or `[batch, 1]`. Half precision is cast to
                float32 first.

        Returns:
            A scalar. It is infinite where the exact value exceeds the dtype: nothing
            is clipped.

        Raises:
            TypeError: If `fake_logits` are not floating point.
            ValueError: If `fake_logits` are empty or not one number an example.
        """
        return self.objective(_flat_logits(fake_logits, "fake_logits"))

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
                f"discriminator is no classifier; received {label_smoothing}. "
                "Leave it 0."
            )
        return self._discriminator(real, fake, label_smoothing)

    def __call__(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The same as `generator`."""
        return self.generator(fake_logits)

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


@keras.saving.register_keras_serializable("tfgen")
class GeneratorObjective(GANLoss):
    """max_G E f(a(G(z))) for any f of the logit a, the general objective.

    With D optimal, a = log p_data - log p_gen, and the gradient in the generator's
    parameters, D held fixed, is E[f(a) d log p_gen] (p_gen inside f held constant):
    f = exp makes it the gradient of the log-likelihood. `MaximumLikelihood`,
    `NonSaturating` and `Minimax` are this with f = exp, -softplus(-a), softplus(a).

    Args:
        f: Takes logits `[batch]` in float32 or float64, returns `[batch]`, by
            TensorFlow operations. To be saved it must be registered by
            `keras.saving.register_keras_serializable`.

    Raises:
        TypeError: If `f` is not callable.

    >>> import tensorflow as tf
    >>> import tfgen
    >>> loss = tfgen.losses.GeneratorObjective(tf.exp)
    >>> float(loss(tf.constant([0.0, 0.0])))
    -1.0
    """

    can_overflow = True  # For all that is known of f.

    def __init__(self, f: Callable[[tf.Tensor], tf.Tensor]):
        if not callable(f):
            raise TypeError(
                f"`f` must be a function of the logits, [batch] -> [batch]; received {f!r}."
            )
        self.f = f

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """-mean f(a)."""
        return -tf.reduce_mean(self.f(logits))

    def get_config(self) -> dict:
        """The constructor's arguments, `f` by its registered name."""
        return {"f": serialize_function(self.f)}

    @classmethod
    def from_config(cls, config: dict) -> "GeneratorObjective":
        """The loss that `get_config` described."""
        return cls(keras.saving.deserialize_keras_object(config["f"]))


def serialize_function(f: Callable) -> dict:
    """The config of a registered function; anything else is an error, not a pickle."""
    if keras.saving.get_registered_name(f) == getattr(f, "__name__", None):
        raise ValueError(
            f"`f` must be registered before its loss can be saved; received {f!r}. "
            "Decorate it with @keras.saving.register_keras_serializable()."
        )
    return keras.saving.serialize_keras_object(f)


def _flat_logits(logits: Any, name: str) -> tf.Tensor:
    """Logits as a float32 or float64 vector [N]."""
    logits = tf.convert_to_tensor(logits)
    if not logits.dtype.is_floating:
        raise TypeError(
            f"`{name}` must be floating-point logits; received {logits.dtype.name}."
        )
    if logits.shape.rank and any(size not in (None, 1) for size in logits.shape[1:]):
        raise ValueError(
            f"`{name}` must hold one number an example, [batch] or [batch, 1]; "
            f"received shape {tuple(logits.shape)}."
        )
    if logits.shape.num_elements() == 0:
        raise ValueError(f"`{name}` must hold at least one example; received none.")
    if logits.dtype.size < 4:
        logits = tf.cast(logits, tf.float32)
    return tf.reshape(logits, [-1])
