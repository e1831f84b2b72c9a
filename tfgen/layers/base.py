"""The base of the distribution layers: parameters in, a distribution out."""

import inspect
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers.tensor_distribution import TensorDistribution

tfd = tfp.distributions

__all__ = [
    "DistributionLayer",
    "canonical_event_shape",
    "canonical_size",
    "register",
]

register = keras.saving.register_keras_serializable("tfgen")

_CONVERSIONS = ("sample", "mean", "mode")


def canonical_size(value: Any, name: str) -> int:
    """`value` as a positive Python integer, or an error that names the argument."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        if value >= 1:
            return int(value)
        raise ValueError(f"`{name}` must be at least 1; received {value}.")
    raise TypeError(
        f"`{name}` must be a positive integer; received {value!r} of type "
        f"{type(value).__name__}. Pass a number such as 50."
    )


def canonical_event_shape(event_shape: Any) -> tuple[int, ...]:
    """`event_shape` as a tuple of positive integers; an integer n stands for (n,)."""
    if isinstance(event_shape, tf.TensorShape):
        event_shape = event_shape.as_list()
    if isinstance(event_shape, numbers.Integral):
        event_shape = (event_shape,)
    if not isinstance(event_shape, Sequence | np.ndarray) or isinstance(event_shape, str):
        raise TypeError(
            "`event_shape` must be an integer or a sequence of positive integers; "
            f"received {event_shape!r}. Pass a shape such as (28, 28)."
        )
    return tuple(canonical_size(size, "event_shape") for size in event_shape)


class DistributionLayer(keras.layers.Layer):
    """Base of the layers that turn a tensor of parameters into a distribution.

    Called on a tensor `[*batch, params_size]`, a layer returns a `TensorDistribution`
    over `[*event_shape]`: a `tfd.Distribution` which TensorFlow and Keras convert to a
    tensor. Called on a `KerasTensor`, it returns one of shape `[*batch, *event_shape]`.
    Distributions are computed in the layer's variable dtype: float32 under a mixed
    policy.

    A subclass says `_distribution(params)`, its `event_shape`, its `_params_size` and
    `_params_rule`, and its constructor's arguments in `get_config`.

    Args:
        convert_to_tensor_fn: what the distribution converts to: `"sample"`, `"mean"`,
            `"mode"`, or a function of the distribution. A function that is to be saved
            must be registered with `keras.saving.register_keras_serializable`.
        validate_args: whether TFP checks parameters and arguments at run time.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, `activity_regularizer`, ...

    Raises:
        ValueError: if `convert_to_tensor_fn` is an unknown name.
        TypeError: if it is neither a name nor a function.
    """

    def __init__(
        self,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.convert_to_tensor_fn = _canonical_conversion(convert_to_tensor_fn)
        self.validate_args = bool(validate_args)
        self.seed_generator = keras.random.SeedGenerator()
        self.supports_jit = True

    # What a subclass says.

    event_shape: tuple[int, ...]

    def _distribution(self, params: tf.Tensor) -> tfd.Distribution:
        raise NotImplementedError

    def _params_size(self) -> int:
        raise NotImplementedError

    def _params_rule(self) -> str:
        """How `_params_size` is made up, for the error message."""
        return str(self._params_size())

    def check_support(self, values: np.ndarray, name: str = "x") -> None:
        """Raises a ValueError if `values` can't be events of the family.

        Args:
            values: data, `[..., *event_shape]`.
            name: the argument's name, for the message.
        """

    # What it gets for that.

    def distribution(self, params: Any) -> TensorDistribution:
        """The distribution at `params` `[*batch, params_size]`, without Keras's call."""
        params = tf.cast(tf.convert_to_tensor(params), self.variable_dtype)
        return TensorDistribution(
            self._distribution(params),
            raw_parameters=params,
            layer=self,
            convert_to_tensor=self._convert,
            next_key=self._next_key,
        )

    def build(self, input_shape: Any) -> None:
        """Checks the parameters' last dimension."""
        needed = self._params_size()
        if input_shape[-1] is not None and input_shape[-1] != needed:
            raise ValueError(
                f"`inputs` of `{self._call_text()}` must end in a dimension of "
                f"{self._params_rule()}; received shape {tuple(input_shape)}. End the "
                f"layer before it in {needed} units (`params_size` gives the number)."
            )

    def call(self, inputs: tf.Tensor) -> TensorDistribution:
        """The distribution at `inputs` `[*batch, params_size]`."""
        distribution = self.distribution(inputs)
        if self.activity_regularizer is not None:
            # Keras regularizes outputs that are tensors only.
            self.add_loss(self.activity_regularizer(distribution))
        return distribution

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The batch shape and the event shape."""
        return (*input_shape[:-1], *self.event_shape)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """A `KerasTensor` of the shape of the tensor that the output converts to."""
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.variable_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `convert_to_tensor_fn` by name."""
        return {
            **super().get_config(),
            "convert_to_tensor_fn": _conversion_config(self.convert_to_tensor_fn),
            "validate_args": self.validate_args,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DistributionLayer":
        """The layer that `get_config` described."""
        config = dict(config)
        config["convert_to_tensor_fn"] = keras.saving.deserialize_keras_object(
            config.get("convert_to_tensor_fn", "sample")
        )
        return cls(**config)

    def _convert(self, distribution: tfd.Distribution) -> tf.Tensor:
        if isinstance(self.convert_to_tensor_fn, str):
            return getattr(distribution, self.convert_to_tensor_fn)()
        return self.convert_to_tensor_fn(distribution)

    def _next_key(self) -> tf.Tensor:
        state = tf.cast(self.seed_generator.next(), tf.int64)
        return random.fold_in(random.key(state[0]), state[1])

    def _call_text(self) -> str:
        event = self.event_shape[0] if len(self.event_shape) == 1 else self.event_shape
        return f"{type(self).__name__}({event})"


def _canonical_conversion(function: Any) -> str | Callable:
    if isinstance(function, str):
        if function not in _CONVERSIONS:
            raise ValueError(
                f"`convert_to_tensor_fn` must be one of {list(_CONVERSIONS)} or a "
                f"function of the distribution; received {function!r}."
            )
        return function
    if not callable(function):
        raise TypeError(
            f"`convert_to_tensor_fn` must be one of {list(_CONVERSIONS)} or a function "
            f"of the distribution; received {function!r}."
        )
    # `tfd.Distribution.sample` and its like, TFP's own spelling, go by their names.
    name = getattr(function, "__name__", None)
    is_method = inspect.isfunction(function) and name in _CONVERSIONS
    if is_method and function.__qualname__.endswith(f"Distribution.{name}"):
        return str(name)
    return function


def _conversion_config(function: str | Callable) -> Any:
    if isinstance(function, str):
        return function
    if keras.saving.get_registered_name(function) == getattr(
        function, "__name__", function
    ):
        raise ValueError(
            "`convert_to_tensor_fn` must be a name or a registered function to be "
            f"saved; received {function!r}. Decorate it with "
            "`@keras.saving.register_keras_serializable()`, or use one of "
            f"{list(_CONVERSIONS)}."
        )
    return keras.saving.serialize_keras_object(function)
