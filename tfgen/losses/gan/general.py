"""The general generator objective, max_G E f(a(G(z)))."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss

__all__ = ["GeneratorObjective", "serialize_function"]


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

    can_overflow = True  # It may: f is unknown.

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
