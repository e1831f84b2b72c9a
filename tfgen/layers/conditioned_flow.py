"""A diagonal Gaussian through flows whose networks may see a context."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import (
    canonical_activation,
    canonical_size,
    canonical_units,
)
from tfgen.layers.base import DistributionLayer
from tfgen.layers.scale import scale_of_raw

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = ["ConditionedFlow", "bounded_log_scale"]

# |log scale| of one flow and dimension stays below this, whatever the network returns.
_MAX_LOG_SCALE = 5.0


class ConditionedFlow(DistributionLayer):
    """Base of the flows by networks: z = f_T(... f_1(z_0)), z_0 = mu + sigma * eps.

    A subclass defines `_make_network(number)`, the network of a flow, a Keras layer whose
    `bind(context)` gives a function of z, and `_flow(number, function)`, the bijector.
    Arguments are those of `InverseAutoregressiveFlow`.
    """

    size_arguments = ("event_size", "context_size")
    option_arguments = ("num_flows", "hidden_units")

    def __init__(
        self,
        event_size: int,
        num_flows: int = 2,
        hidden_units: Sequence[int] = (64,),
        context_size: int | None = None,
        activation: Any = "elu",
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.event_size = canonical_size(event_size, "event_size")
        self.event_shape = (self.event_size,)
        self.num_flows = canonical_size(num_flows, "num_flows")
        self.context_size = _canonical_context(context_size, self.event_size)
        self.hidden_units = canonical_units(hidden_units)
        self.activation = canonical_activation(activation)
        self.networks = [self._make_network(number) for number in range(self.num_flows)]

    @staticmethod
    def params_size(event_size: int, context_size: int | None = None) -> int:
        """The number of parameters of a `D`-dimensional event: 2 D + `context_size`."""
        size = canonical_size(event_size, "event_size")
        return 2 * size + _canonical_context(context_size, size)

    def _params_rule(self) -> str:
        return f"2·{self.event_size} + {self.context_size} = {self._params_size()}"

    def _make_network(self, number: int) -> Any:
        raise NotImplementedError

    def _flow(self, number: int, function: Callable) -> tfb.Bijector:
        raise NotImplementedError

    def build(self, input_shape: Any) -> None:
        """Checks the parameters' last dimension, and builds the networks."""
        super().build(input_shape)
        for network in self.networks:
            if not network.built:
                network.build((None, self.event_size))

    def _distribution(self, params: tf.Tensor) -> tfd.Distribution:
        sizes = [self.event_size, self.event_size, self.context_size]
        loc, raw_scale, context = tf.split(params, sizes, axis=-1)
        context = context if self.context_size else None
        flows = [
            self._flow(number, network.bind(context))
            for number, network in enumerate(self.networks)
        ]
        return tfd.TransformedDistribution(
            tfd.MultivariateNormalDiag(loc, scale_of_raw(raw_scale)),
            tfb.Chain(flows[::-1]),
            validate_args=self.validate_args,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "activation": keras.activations.serialize(self.activation),
        }


def bounded_log_scale(raw: tf.Tensor) -> tf.Tensor:
    """A network's output as a log scale, whose absolute value is at most 5.

    >>> bounded_log_scale(tf.constant([0.0, 5.0])).numpy()
    array([0. , 2.5], dtype=float32)
    """
    return raw / (1.0 + tf.abs(raw) / _MAX_LOG_SCALE)


def _canonical_context(context_size: int | None, event_size: int) -> int:
    if context_size is None:
        return event_size
    if context_size == 0 and not isinstance(context_size, bool):
        return 0
    return canonical_size(context_size, "context_size")
