"""Relaxed discrete posteriors, for gradients through their draws."""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import (
    canonical_event_shape,
    canonical_size,
    check_params,
    to_event,
)
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.categorical import OneHotCategorical
from tfgen.layers.independent import IndependentBernoulli, independent
from tfgen.layers.straight_through import (
    StraightThroughBernoulli,
    StraightThroughOneHotCategorical,
)

tfd = tfp.distributions

__all__ = ["RelaxedBernoulli", "RelaxedOneHotCategorical"]


class _RelaxedLayer(DistributionLayer):
    """Base of the two: a temperature, and whether draws are rounded.

    Attributes:
        temperature: a `keras.Variable` that is not trained; assign to it to anneal it.
        discrete_layer: makes the discrete law of the same parameters.
    """

    option_arguments = ("temperature", "straight_through")

    def __init__(
        self,
        temperature: float,
        straight_through: bool,
        convert_to_tensor_fn: str | Callable,
        validate_args: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.straight_through = bool(straight_through)
        self.temperature = self.add_weight(
            name="temperature",
            shape=(),
            initializer=keras.initializers.Constant(_canonical_temperature(temperature)),
            trainable=False,
            autocast=False,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, with the temperature as it is now."""
        return {**super().get_config(), "temperature": float(self.temperature.numpy())}


def _canonical_temperature(temperature: Any) -> float:
    if isinstance(temperature, bool) or not isinstance(temperature, numbers.Real):
        raise TypeError(
            f"`temperature` must be a number; received {temperature!r}. To anneal it, pass "
            "its first value and assign to the layer's `temperature` in a callback."
        )
    if not 0 < float(temperature) < math.inf:
        raise ValueError(
            f"`temperature` must be above 0 and finite; received {temperature}. Pass a "
            "number such as 0.5."
        )
    return float(temperature)


@register
class RelaxedBernoulli(_RelaxedLayer):
    """z_i = sigmoid((logits_i + l_i) / temperature), l_i logistic noise, in (0, 1).

    As the temperature tends to 0, z tends to draws of a Bernoulli; as it grows, to 1/2.
    The law of each dimension is `tfd.RelaxedBernoulli`'s.

    Args:
        event_shape: the shape of z, an integer or integers.
        temperature: its first value, above 0. `layer.temperature` is a variable which
            training leaves alone and a callback may anneal.
        straight_through: whether draws are 0 or 1, the law is the Bernoulli's, and only
            the gradient is that of the relaxed draw: biased, but of the discrete model.
        convert_to_tensor_fn: see `DistributionLayer`; the relaxed law has no mean in TFP.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, prod(event_shape)]`: logits.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if `event_shape` is not made of integers or `temperature` is no number.
        ValueError: if `temperature` is not above 0, or if `inputs` ends in another size.

    >>> q = RelaxedBernoulli(2, temperature=0.5, straight_through=True)(tf.zeros([3, 2]))
    >>> sorted(set(q.sample(100, seed=0).numpy().ravel().tolist()))
    [0.0, 1.0]

    Source: Maddison, Mnih, Teh. The concrete distribution. arXiv 1611.00712.
    """

    size_arguments = ("event_shape",)

    def __init__(
        self,
        event_shape: int | Sequence[int],
        temperature: float,
        straight_through: bool = False,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            temperature, straight_through, convert_to_tensor_fn, validate_args, **kwargs
        )
        self.event_shape = canonical_event_shape(event_shape)
        self.discrete_layer = IndependentBernoulli(
            self.event_shape, convert_to_tensor_fn, dtype=self.dtype_policy
        )

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: int | Sequence[int],
        temperature: Any,
        straight_through: bool = False,
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The distribution at `params` `[*batch, prod(event_shape)]`."""
        shape = canonical_event_shape(event_shape)
        check_params(params, math.prod(shape))
        logits = to_event(params, shape)
        temperature = tf.cast(tf.convert_to_tensor(temperature), params.dtype)
        entries: tfd.Distribution
        if straight_through:
            entries = StraightThroughBernoulli(
                temperature, logits, params.dtype, validate_args=validate_args
            )
        else:
            entries = tfd.RelaxedBernoulli(
                temperature, logits=logits, validate_args=validate_args
            )
        return independent(entries, event_shape, validate_args)

    @staticmethod
    def params_size(event_shape: int | Sequence[int]) -> int:
        """The number of parameters of an event: prod(event_shape)."""
        return math.prod(canonical_event_shape(event_shape))

    def _params_rule(self) -> str:
        return f"prod{self.event_shape} = {self._params_size()}"


@register
class RelaxedOneHotCategorical(_RelaxedLayer):
    """z = softmax((logits + g) / temperature), g Gumbel noise: a point on the simplex.

    As the temperature tends to 0, z tends to one-hot draws of a categorical. The law is
    `tfd.RelaxedOneHotCategorical`'s.

    Args:
        event_size: the number of categories, D.
        temperature: its first value, above 0. `layer.temperature` is a variable which
            training leaves alone and a callback may anneal.
        straight_through: whether draws are one-hot, the law is the categorical's, and only
            the gradient is that of the relaxed draw: biased, but of the discrete model.
        convert_to_tensor_fn: see `DistributionLayer`; the relaxed law has no mean in TFP.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, D]`: logits.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if `event_size` is no integer or `temperature` no number.
        ValueError: if `temperature` is not above 0, or if `inputs` ends in another size.

    >>> z = RelaxedOneHotCategorical(4, temperature=0.5)(tf.zeros([3, 4])).sample(seed=0)
    >>> tf.reduce_sum(z, axis=-1).numpy()
    array([1., 1., 1.], dtype=float32)

    Source: Jang, Gu, Poole. Categorical reparameterization with Gumbel-softmax. arXiv
    1611.01144.
    """

    size_arguments = ("event_size",)

    def __init__(
        self,
        event_size: int,
        temperature: float,
        straight_through: bool = False,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            temperature, straight_through, convert_to_tensor_fn, validate_args, **kwargs
        )
        self.event_size = canonical_size(event_size, "event_size")
        self.event_shape = (self.event_size,)
        self.discrete_layer = OneHotCategorical(
            self.event_size, convert_to_tensor_fn, dtype=self.dtype_policy
        )

    @staticmethod
    def new(
        params: tf.Tensor,
        event_size: int,
        temperature: Any,
        straight_through: bool = False,
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The distribution at `params` `[*batch, D]`."""
        check_params(params, canonical_size(event_size, "event_size"))
        logits = tf.ensure_shape(params, [*params.shape[:-1], event_size])
        temperature = tf.cast(tf.convert_to_tensor(temperature), params.dtype)
        if straight_through:
            return StraightThroughOneHotCategorical(
                temperature, logits, params.dtype, validate_args=validate_args
            )
        return tfd.RelaxedOneHotCategorical(
            temperature, logits=logits, validate_args=validate_args
        )

    @staticmethod
    def params_size(event_size: int) -> int:
        """The number of parameters of D categories: D."""
        return canonical_size(event_size, "event_size")
