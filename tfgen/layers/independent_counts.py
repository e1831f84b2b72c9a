"""Likelihoods of independent whole numbers: counts and 8-bit pixels."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import (
    canonical_event_shape,
    check_params,
    check_range,
    check_whole,
    to_event,
)
from tfgen.layers.base import register
from tfgen.layers.discretized_logistic import DiscretizedLogistic
from tfgen.layers.independent import (
    IndependentLayer,
    independent,
    location_and_raw_scale,
)
from tfgen.layers.scale import scale_of_raw

tfd = tfp.distributions

__all__ = ["IndependentDiscretizedLogistic", "IndependentPoisson"]


@register
class IndependentPoisson(IndependentLayer):
    """Independent counts, x_i ~ Poisson(rate_i), rate = exp(raw).

    Args:
        event_shape: the shape of x, an integer or integers.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, prod(event_shape)]`: log rates.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if `event_shape` is not made of integers.
        ValueError: if `inputs` ends in another size.

    >>> p = IndependentPoisson([8, 8])(tf.zeros([3, 64]))
    >>> float(p.mean()[0, 0, 0])
    1.0
    """

    params_per_entry = 1

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: int | Sequence[int] = (),
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, prod(event_shape)]`."""
        shape = canonical_event_shape(event_shape)
        check_params(params, math.prod(shape))
        poisson = tfd.Poisson(
            log_rate=to_event(params, shape),
            validate_args=validate_args,
        )
        return independent(poisson, event_shape, validate_args)

    def check_support(self, values: np.ndarray, name: str = "x") -> None:
        """Raises a ValueError if `values` are no counts."""
        check_whole(values, name, "a Poisson likelihood", low=0)


@register
class IndependentDiscretizedLogistic(IndependentLayer):
    """Independent whole numbers in [low, high], each a rounded logistic: 8-bit pixels.

    See `DiscretizedLogistic`. With m the middle of the range and h half of it,
    mu = m + h raw and s = h softplus(raw), so that a network's small outputs span the
    range. Data are whole numbers, not scaled; scale what an encoder sees by
    `keras.layers.Rescaling`. A mixture of images is
    `MixtureSameFamily(K, IndependentDiscretizedLogistic(event_shape))`.

    Args:
        event_shape: the shape of x, an integer or integers.
        low: the least value.
        high: the greatest value.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, 2 prod(event_shape)]`: the raw mu, then the raw s.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if `event_shape`, `low` or `high` is not made of integers.
        ValueError: if `high` is not above `low`, or if `inputs` ends in another size.

    >>> p = IndependentDiscretizedLogistic([8, 8])(tf.zeros([3, 128]))
    >>> float(p.mean()[0, 0, 0])
    127.5
    """

    option_arguments = ("low", "high")
    params_per_entry = 2

    def __init__(
        self,
        event_shape: int | Sequence[int] = (),
        low: int = 0,
        high: int = 255,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_shape, convert_to_tensor_fn, validate_args, **kwargs)
        check_range(low, high)
        self.low, self.high = int(low), int(high)

    @staticmethod
    def new(
        params: tf.Tensor,
        event_shape: int | Sequence[int] = (),
        low: int = 0,
        high: int = 255,
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The distribution at `params` `[*batch, 2 prod(event_shape)]`."""
        raw_loc, raw_scale = location_and_raw_scale(params, event_shape)
        middle, half = 0.5 * (low + high), 0.5 * (high - low)
        pixel = DiscretizedLogistic(
            middle + half * raw_loc,
            half * scale_of_raw(raw_scale),
            low,
            high,
            validate_args=validate_args,
        )
        return independent(pixel, event_shape, validate_args)

    def check_support(self, values: np.ndarray, name: str = "x") -> None:
        """Raises a ValueError if `values` are not whole numbers from `low` to `high`."""
        check_whole(values, name, "a discretized logistic likelihood", self.low, self.high)
