"""Distributions made by planar flows, whose parameters are all the encoder's."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers.arguments import canonical_size, check_params
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.planar_bijector import Planar
from tfgen.layers.scale import scale_of_raw

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["PlanarFlow"]


@register
class PlanarFlow(DistributionLayer):
    """z = f_T(... f_1(z_0)), z_0 = mu + sigma * eps, f_t(z) = z + v_t tanh(w_t.z + b_t).

    Each flow stretches or presses z along one direction, w_t. The layer has no weights:
    mu, sigma and the flows are made of the inputs, one set an example. v_t is u_t, moved so
    that f_t can be inverted, and w_t and b_t are the inputs plus fixed numbers drawn once
    from N(0, 1 / D) and N(0, 1): inputs of 0 make q N(mu, diag sigma^2), with a different
    direction for each flow.

    A sample and its log-density take one pass; the density of a given z also solves one
    equation in one unknown for each flow. As a prior: `LearnedPrior(PlanarFlow(D))`.

    Args:
        event_size: the number of dimensions, D.
        num_flows: T.
        convert_to_tensor_fn: see `DistributionLayer`; TFP has no mean of a flow.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, 2 D + T (2 D + 1)]`: mu, the raw sigma, then u_t, w_t and b_t of
            each flow.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if a size is no integer.
        ValueError: if one is below 1, or if `inputs` ends in another size.

    >>> PlanarFlow.params_size(2, num_flows=4)
    24
    >>> q = PlanarFlow(2, num_flows=4)(tf.zeros([3, 24]))
    >>> q.sample(5, seed=0).shape.as_list()
    [5, 3, 2]

    Source: Rezende, Mohamed. Variational inference with normalizing flows.
    arXiv 1505.05770.
    """

    size_arguments = ("event_size", "num_flows")

    def __init__(
        self,
        event_size: int,
        num_flows: int = 8,
        convert_to_tensor_fn: Any = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.event_size = canonical_size(event_size, "event_size")
        self.event_shape = (self.event_size,)
        self.num_flows = canonical_size(num_flows, "num_flows")

    @staticmethod
    def params_size(event_size: int, num_flows: int = 8) -> int:
        """The number of parameters of a `D`-dimensional event: 2 D + T (2 D + 1)."""
        size = canonical_size(event_size, "event_size")
        return 2 * size + canonical_size(num_flows, "num_flows") * (2 * size + 1)

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, num_flows: int, validate_args: bool = False
    ) -> tfd.Distribution:
        """The distribution at `params` `[*batch, params_size]`."""
        size = canonical_size(event_size, "event_size")
        num_flows = canonical_size(num_flows, "num_flows")
        check_params(params, PlanarFlow.params_size(size, num_flows))
        sizes = [size, size] + num_flows * [size, size, 1]
        loc, raw_scale, *rest = tf.split(params, sizes, axis=-1)
        eps = random.normal(random.key(0), [num_flows, size + 1], dtype=params.dtype)
        flows = []
        for number in range(num_flows):
            u, w, b = rest[3 * number : 3 * number + 3]
            direction = eps[number, :size] / size**0.5
            flows.append(Planar(u, w + direction, b[..., 0] + eps[number, size]))
        return tfd.TransformedDistribution(
            tfd.MultivariateNormalDiag(loc, scale_of_raw(raw_scale)),
            tfb.Chain(flows[::-1]),
            validate_args=validate_args,
        )
