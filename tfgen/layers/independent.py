"""Likelihoods of independent dimensions: binary and real."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import canonical_event_shape, check_params, to_event
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.bernoulli import Bernoulli, IndependentBernoullis
from tfgen.layers.normal import Normal
from tfgen.layers.scale import scale_of_raw

tfd = tfp.distributions

__all__ = [
    "IndependentBernoulli",
    "IndependentLayer",
    "IndependentLogistic",
    "IndependentNormal",
    "independent",
    "location_and_raw_scale",
]


def location_and_raw_scale(
    params: tf.Tensor, event_shape: int | Sequence[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The two halves of `[*batch, 2 prod(event_shape)]`, each `[*batch, *event_shape]`."""
    event_shape = canonical_event_shape(event_shape)
    check_params(params, 2 * math.prod(event_shape))
    loc, raw_scale = tf.split(params, 2, axis=-1)
    return to_event(loc, event_shape), to_event(raw_scale, event_shape)


def independent(
    distribution: tfd.Distribution, event_shape: int | Sequence[int], validate_args: bool
) -> tfd.Distribution:
    """`distribution` with the dimensions of `event_shape` taken from its batch."""
    rank = len(canonical_event_shape(event_shape))
    return tfd.Independent(distribution, rank, validate_args=validate_args)


class IndependentLayer(DistributionLayer):
    """Base of the layers of independent dimensions: an event shape.

    A subclass defines the number of parameters of each entry of the event.
    """

    size_arguments = ("event_shape",)
    params_per_entry: int

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.event_shape = canonical_event_shape(event_shape)

    @classmethod
    def params_size(cls, event_shape: int | Sequence[int] = ()) -> int:
        """The number of parameters of an event: those of an entry, times the entries."""
        return cls.params_per_entry * math.prod(canonical_event_shape(event_shape))

    def _params_rule(self) -> str:
        factor = "" if self.params_per_entry == 1 else f"{self.params_per_entry}·"
        return f"{factor}prod{self.event_shape} = {self._params_size()}"


class _LocationScaleLayer(IndependentLayer):
    """Base of the two of real dimensions: a class of TFP with a location and a scale."""

    params_per_entry = 2
    entry_class: type[tfd.Distribution]

    @classmethod
    def new(
        cls,
        params: tf.Tensor,
        event_shape: int | Sequence[int] = (),
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, 2 prod(event_shape)]`."""
        loc, raw_scale = location_and_raw_scale(params, event_shape)
        entries = cls.entry_class(loc, scale_of_raw(raw_scale), validate_args=validate_args)
        return independent(entries, event_shape, validate_args)


@register
class IndependentBernoulli(IndependentLayer):
    """Independent Bernoulli dimensions, p(x) = prod_i s_i^x_i (1 - s_i)^(1 - x_i).

    The parameters are the logits of s. Data may be grey, in [0, 1]: then this is the
    cross-entropy, which is no log-probability.

    Args:
        event_shape: the shape of x, an integer or integers.
        convert_to_tensor_fn: see `DistributionLayer`.
        sample_dtype: the dtype of samples; the parameters' unless given.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, prod(event_shape)]`: logits. Flatten an image first.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if `event_shape` is not made of integers.
        ValueError: if `inputs` ends in another size.

    >>> p = IndependentBernoulli([8, 8])(tf.zeros([3, 64]))
    >>> p.mean().shape.as_list()
    [3, 8, 8]
    """

    option_arguments = ("sample_dtype",)
    params_per_entry = 1

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        sample_dtype: str | None = None,
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        self.sample_dtype = sample_dtype and tf.as_dtype(sample_dtype).name

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: int | Sequence[int] = (),
        dtype: Any = None,
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, prod(event_shape)]`."""
        shape = canonical_event_shape(event_shape)
        check_params(params, math.prod(shape))
        bernoulli = Bernoulli(
            logits=to_event(params, shape),
            dtype=dtype or params.dtype,
            validate_args=validate_args,
        )
        return IndependentBernoullis(bernoulli, len(shape), validate_args=validate_args)

    def check_support(self, values: np.ndarray, name: str = "x") -> None:
        """Raises a ValueError if `values` are not in [0, 1]."""
        low, high = float(np.min(values)), float(np.max(values))
        if low < 0 or high > 1:
            raise ValueError(
                f"`{name}` must lie in [0, 1] for a Bernoulli likelihood; received "
                f"values from {low:g} to {high:g}. Scale or binarize the data, or end "
                "the decoder in `tfgen.layers.IndependentNormal`."
            )


@register
class IndependentNormal(_LocationScaleLayer):
    """Independent normal dimensions, x_i ~ N(mu_i, sigma_i^2), sigma = softplus(raw).

    Args:
        event_shape: the shape of x, an integer or integers.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, 2 prod(event_shape)]`: mu, then the raw sigma.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if `event_shape` is not made of integers.
        ValueError: if `inputs` ends in another size.

    >>> IndependentNormal.params_size([8, 8])
    128
    """

    entry_class = Normal


@register
class IndependentLogistic(_LocationScaleLayer):
    """Independent logistic dimensions, x_i ~ Logistic(mu_i, s_i), s = softplus(raw).

    Args:
        event_shape: the shape of x, an integer or integers.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, 2 prod(event_shape)]`: mu, then the raw s.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if `event_shape` is not made of integers.
        ValueError: if `inputs` ends in another size.

    >>> IndependentLogistic.params_size([8, 8])
    128
    """

    entry_class = tfd.Logistic
