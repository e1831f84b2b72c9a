"""Discrete distributions whose draws have the gradient of a relaxed draw."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.bernoulli import Bernoulli
from tfgen.layers.sampling import Noise, register_draw

tfd = tfp.distributions

__all__ = ["StraightThroughBernoulli", "StraightThroughOneHotCategorical"]


_Mixin: Any = object  # for type checkers: the next class in line is a distribution


class _StraightThrough(_Mixin):
    """What both distributions have beside their discrete law: a temperature.

    Args:
        temperature: of the relaxed draw, above 0.
        logits: `[*batch]`, or `[*batch, D]`.
        dtype: of draws.
        validate_args: as TFP's.
        allow_nan_stats: as TFP's.
        name: as TFP's.
    """

    def __init__(
        self,
        temperature: Any,
        logits: Any,
        dtype: Any = tf.float32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str | None = None,
    ) -> None:
        self.temperature = temperature
        super().__init__(
            logits=logits,
            dtype=dtype,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            name=name or type(self).__name__,
        )

    @property
    def reparameterization_type(self) -> tfd.ReparameterizationType:
        """Draws have a gradient, if not that of their discrete law."""
        return tfd.FULLY_REPARAMETERIZED

    @property
    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments."""
        given = super().parameters
        given = {name: value for name, value in given.items() if name != "probs"}
        return {"temperature": self.temperature, **given}


class StraightThroughBernoulli(_StraightThrough, Bernoulli):
    """A `tfd.Bernoulli` whose draws have the gradient of a `tfd.RelaxedBernoulli`'s.

    Arguments are `tfd.Bernoulli`'s, with a temperature first and logits alone.

    Source: Bengio, Leonard, Courville. Estimating or propagating gradients through
    stochastic neurons. arXiv 1308.3432.
    """


class StraightThroughOneHotCategorical(_StraightThrough, tfd.OneHotCategorical):
    """A `tfd.OneHotCategorical` whose draws have the gradient of a relaxed draw.

    Arguments are `tfd.OneHotCategorical`'s, with a temperature first and logits alone.

    Source: Jang, Gu, Poole. Categorical reparameterization with Gumbel-softmax. arXiv
    1611.01144.
    """


def _noisy_logits(distribution: tfd.Bernoulli, noise: Noise, own: list[int]) -> tf.Tensor:
    """Logits plus logistic noise, which is above 0 where a Bernoulli's draw is 1."""
    logits = distribution.logits_parameter()
    uniform = noise.uniform(own, logits.dtype)
    return logits + tf.math.log1p(-uniform) - tf.math.log(uniform)


@register_draw(tfd.RelaxedBernoulli)
def _(distribution: tfd.RelaxedBernoulli, noise: Noise, own: list[int]) -> tf.Tensor:
    soft = tf.sigmoid(_noisy_logits(distribution, noise, own) / distribution.temperature)
    # The density of 0 and of 1 is infinite: the draw stays between.
    end = tf.constant(0.5 * np.finfo(soft.dtype.as_numpy_dtype).eps, soft.dtype)
    return tf.clip_by_value(soft, end, 1.0 - end)


@register_draw(StraightThroughBernoulli)
def _(distribution: StraightThroughBernoulli, noise: Noise, own: list[int]) -> tf.Tensor:
    noisy = _noisy_logits(distribution, noise, own)
    soft = tf.sigmoid(noisy / distribution.temperature)
    return _with_gradient_of(tf.cast(noisy > 0, soft.dtype), soft, distribution.dtype)


def _noisy_categories(
    distribution: tfd.OneHotCategorical, noise: Noise, own: list[int]
) -> tf.Tensor:
    logits = distribution.logits_parameter()
    return logits + noise.gumbel([*own, int(logits.shape[-1])], logits.dtype)


# `tfd.RelaxedOneHotCategorical` is the exponential of it.
@register_draw(tfd.ExpRelaxedOneHotCategorical)
def _(
    distribution: tfd.ExpRelaxedOneHotCategorical, noise: Noise, own: list[int]
) -> tf.Tensor:
    noisy = _noisy_categories(distribution, noise, own) / distribution.temperature
    # The density of 0 is infinite: the exponential stays above.
    least = np.log(np.finfo(noisy.dtype.as_numpy_dtype).tiny) + 1.0
    return tf.maximum(tf.math.log_softmax(noisy), tf.constant(least, noisy.dtype))


@register_draw(StraightThroughOneHotCategorical)
def _(
    distribution: StraightThroughOneHotCategorical, noise: Noise, own: list[int]
) -> tf.Tensor:
    noisy = _noisy_categories(distribution, noise, own)
    soft = tf.nn.softmax(noisy / distribution.temperature)
    chosen = tf.argmax(noisy, axis=-1)
    hard = tf.one_hot(chosen, int(noisy.shape[-1]), dtype=soft.dtype)
    return _with_gradient_of(hard, soft, distribution.dtype)


def _with_gradient_of(hard: tf.Tensor, soft: tf.Tensor, dtype: Any) -> tf.Tensor:
    """`hard`, exactly, with the gradient of `soft`."""
    return tf.cast(hard + (soft - tf.stop_gradient(soft)), dtype)
