"""Mixtures whose components are of one family."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import (
    canonical_event_shape,
    canonical_size,
    check_params,
    to_event,
)
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.independent import IndependentLogistic, IndependentNormal

tfd = tfp.distributions

__all__ = [
    "MixtureLogistic",
    "MixtureNormal",
    "MixtureSameFamily",
    "components_and_logits",
]


def components_and_logits(
    params: tf.Tensor, num_components: int, component_params_size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """A mixture's parameters, taken apart.

    Args:
        params: `[*batch, K (1 + component_params_size)]`: the weights' logits first.
        num_components: K.
        component_params_size: the number of parameters of one component.

    Returns:
        Logits `[*batch, K]` and parameters `[*batch, K, component_params_size]`.
    """
    check_params(params, num_components * (1 + component_params_size))
    rest = params[..., num_components:]
    return params[..., :num_components], to_event(
        rest, (num_components, component_params_size)
    )


@register
class MixtureSameFamily(DistributionLayer):
    """p(x) = sum_k w_k p_k(x), the p_k made by one layer, w = softmax(logits).

    Args:
        num_components: the number of components, K.
        component_layer: a distribution layer, which makes all components at once.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, K (1 + P)]`: the logits of w, then the P parameters of each
            component.

    Returns:
        A distribution over the components' event, of batch shape `batch`.

    Raises:
        TypeError: if `num_components` is no integer, or `component_layer` no
            distribution layer that makes a distribution of any batch of parameters.
        ValueError: if `num_components` is below 1, or `inputs` ends in another size.

    >>> size = MixtureSameFamily.params_size(5, IndependentNormal.params_size([2]))
    >>> p = MixtureSameFamily(5, IndependentNormal([2]))(tf.zeros([3, size]))
    >>> p.event_shape.as_list(), p.batch_shape.as_list()
    ([2], [3])

    Source: Bishop. Mixture density networks. 1994.
    """

    def __init__(
        self,
        num_components: int,
        component_layer: DistributionLayer,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.num_components = canonical_size(num_components, "num_components")
        if not (
            isinstance(component_layer, DistributionLayer) and component_layer.any_batch
        ):
            raise TypeError(
                "`component_layer` must be a distribution layer whose number of parameters "
                "is known, such as `tfgen.layers.IndependentNormal(2)`; received "
                f"{component_layer!r} of type {type(component_layer).__name__}."
            )
        self.component_layer = component_layer
        self.event_shape = component_layer.event_shape

    @staticmethod
    def new(
        params: tf.Tensor,
        num_components: int,
        component_layer: DistributionLayer,
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, K (1 + P)]`."""
        size = component_layer._params_size()
        logits, components = components_and_logits(params, num_components, size)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits),
            component_layer._distribution(components),
            validate_args=validate_args,
        )

    @staticmethod
    def params_size(num_components: int, component_params_size: int) -> int:
        """The number of parameters: K (1 + `component_params_size`)."""
        size = canonical_size(component_params_size, "component_params_size")
        return canonical_size(num_components, "num_components") * (1 + size)

    def build(self, input_shape: Any) -> None:
        """Checks the parameters' last dimension, and builds the component layer."""
        super().build(input_shape)
        if not self.component_layer.built:
            size = self.component_layer._params_size()
            self.component_layer.build((*input_shape[:-1], self.num_components, size))

    def _distribution(self, params: tf.Tensor) -> tfd.Distribution:
        return self.new(
            params, self.num_components, self.component_layer, self.validate_args
        )

    def _params_size(self) -> int:
        return self.params_size(self.num_components, self.component_layer._params_size())

    def _params_rule(self) -> str:
        size = self.component_layer._params_size()
        return f"{self.num_components}·(1 + {size}) = {self._params_size()}"

    def check_support(self, values: np.ndarray, name: str = "x") -> None:
        """Raises a ValueError if `values` can't be events of the components."""
        self.component_layer.check_support(values, name)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        component = keras.saving.serialize_keras_object(self.component_layer)
        component.pop("build_config", None)  # it has no weights to be built
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "component_layer": component,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MixtureSameFamily":
        """The layer that `get_config` described."""
        layer = keras.saving.deserialize_keras_object(config["component_layer"])
        return super().from_config({**config, "component_layer": layer})


class _MixtureOfIndependent(DistributionLayer):
    """Base of the two: components of independent dimensions."""

    size_arguments = ("num_components", "event_shape")
    component_class: type[IndependentLogistic] | type[IndependentNormal]

    def __init__(
        self,
        num_components: int,
        event_shape: int | Sequence[int] = (),
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.num_components = canonical_size(num_components, "num_components")
        self.event_shape = canonical_event_shape(event_shape)

    @classmethod
    def new(
        cls,
        params: tf.Tensor,
        num_components: int,
        event_shape: int | Sequence[int] = (),
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, K (1 + 2 prod(event_shape))]`."""
        size = cls.component_class.params_size(event_shape)
        logits, components = components_and_logits(params, num_components, size)
        return tfd.MixtureSameFamily(
            tfd.Categorical(logits=logits),
            cls.component_class.new(components, event_shape, validate_args),
            validate_args=validate_args,
        )

    @classmethod
    def params_size(cls, num_components: int, event_shape: int | Sequence[int] = ()) -> int:
        """The number of parameters: K (1 + 2 prod(event_shape))."""
        size = cls.component_class.params_size(event_shape)
        return MixtureSameFamily.params_size(num_components, size)

    def _params_rule(self) -> str:
        size = self.component_class.params_size(self.event_shape)
        return f"{self.num_components}·(1 + {size}) = {self._params_size()}"


@register
class MixtureNormal(_MixtureOfIndependent):
    """p(x) = sum_k w_k prod_i N(x_i; mu_ki, sigma_ki^2), sigma = softplus(raw).

    Args:
        num_components: the number of components, K.
        event_shape: the shape of x, an integer or integers.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, K (1 + 2 prod(event_shape))]`: the logits of w, then for each
            component mu and the raw sigma.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if an argument is not made of integers.
        ValueError: if one is below 1, or if `inputs` ends in another size.

    >>> MixtureNormal.params_size(5, [2])
    25
    """

    component_class = IndependentNormal


@register
class MixtureLogistic(_MixtureOfIndependent):
    """p(x) = sum_k w_k prod_i Logistic(x_i; mu_ki, s_ki), s = softplus(raw).

    Args:
        num_components: the number of components, K.
        event_shape: the shape of x, an integer or integers.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, K (1 + 2 prod(event_shape))]`: the logits of w, then for each
            component mu and the raw s.

    Returns:
        A distribution over `event_shape`, of batch shape `batch`.

    Raises:
        TypeError: if an argument is not made of integers.
        ValueError: if one is below 1, or if `inputs` ends in another size.

    >>> MixtureLogistic.params_size(5, [2])
    25
    """

    component_class = IndependentLogistic
