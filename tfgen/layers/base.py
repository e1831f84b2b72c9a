"""The base of the distribution layers: parameters in, a distribution out."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers.arguments import check_inputs
from tfgen.layers.conversion import (
    canonical_conversion,
    conversion_config,
    convert,
    keeps_shape,
)
from tfgen.layers.tensor_distribution import SymbolicDistribution, TensorDistribution
from tfgen.layers.undocumented import in_symbolic_call

tfd = tfp.distributions

__all__ = ["DistributionLayer", "batch_size", "register"]

register = keras.saving.register_keras_serializable("tfgen")


class DistributionLayer(keras.layers.Layer):
    """Base of the layers that turn a tensor of parameters into a distribution.

    Called on a tensor `[*batch, params_size]`, a layer returns a `TensorDistribution`
    over `[*event_shape]`: a `tfd.Distribution` which TensorFlow and Keras convert to a
    tensor. Called on a `KerasTensor`, it returns one of shape `[*batch, *event_shape]`.
    Distributions are computed in the layer's variable dtype: float32 under a mixed
    policy.

    A subclass sets `event_shape` and an attribute for each argument of its constructor,
    and defines

    - `size_arguments`: the names of the arguments that determine the number of parameters,
    - `option_arguments`: the names of its further arguments,
    - `params_size(*sizes)`, static: the number of parameters,
    - `new(params, *sizes, *options, validate_args)`, static: the `tfd.Distribution` at
      `params`, which may have any leading dimensions.

    The config follows from the names. A family with weights defines
    `_distribution(params)` in place of `new`, and reads its weights there.

    Args:
        convert_to_tensor_fn: what the distribution converts to: `"sample"`, `"mean"`,
            `"mode"`, `"stddev"`, `"variance"`; a property of the family, such as
            `tfd.Bernoulli.logits`; or a function of the distribution. A function that is
            to be saved must be registered with
            `keras.saving.register_keras_serializable`; a property or a function, whose
            tensor may have another shape than batch and event, is traced to find it.
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
        # Parameters come as they are: rounding them to a compute dtype gains nothing.
        super().__init__(autocast=False, **kwargs)
        self.convert_to_tensor_fn = canonical_conversion(
            convert_to_tensor_fn, "convert_to_tensor_fn"
        )
        self.validate_args = bool(validate_args)
        self.seed_generator = keras.random.SeedGenerator()
        # Keras tracks the weights of a regularizer's prior through an attribute only.
        self.regularizer_layers = getattr(self.activity_regularizer, "layers", [])

    # What a subclass defines.

    event_shape: tuple[int, ...]
    size_arguments: tuple[str, ...] = ()
    option_arguments: tuple[str, ...] = ()
    # Whether parameters may have any leading dimensions, as `rebuild` may add some.
    any_batch = True

    def _params_rule(self) -> str:
        """How `_params_size` is made up, for the error message."""
        return str(self._params_size())

    def check_support(self, values: np.ndarray, name: str = "x") -> None:
        """Raises a ValueError if `values` can't be events of the family.

        Args:
            values: data, `[..., *event_shape]`.
            name: the argument's name, for the message.
        """

    # What it inherits.

    def _distribution(self, params: tf.Tensor) -> tfd.Distribution:
        arguments = self._values(self.size_arguments) + self._values(self.option_arguments)
        return self.new(params, *arguments, validate_args=self.validate_args)

    def _params_size(self) -> int:
        return self.params_size(*self._values(self.size_arguments))

    def _values(self, names: tuple[str, ...]) -> list[Any]:
        return [getattr(self, name) for name in names]

    def distribution(self, params: Any) -> TensorDistribution:
        """The distribution at `params` `[*batch, params_size]`, without Keras's call."""
        params = tf.cast(tf.convert_to_tensor(params), self.variable_dtype)
        self._check_size(params.shape)
        return self._tensor_distribution(
            self._distribution(params), params, self.distribution
        )

    def _tensor_distribution(
        self, distribution: tfd.Distribution, raw_parameters: Any, rebuild: Callable
    ) -> TensorDistribution:
        made = SymbolicDistribution if in_symbolic_call() else TensorDistribution
        return made(
            distribution,
            raw_parameters=raw_parameters,
            layer=self,
            rebuild=rebuild,
            convert_to_tensor=self._convert,
            next_key=self._next_key,
        )

    def build(self, input_shape: Any) -> None:
        """Checks the parameters' last dimension."""
        self._check_size(input_shape)

    def _check_size(self, shape: Any) -> None:
        needed = self._params_size()
        shape = tuple(shape)
        if not shape or shape[-1] not in (None, needed):
            raise ValueError(
                f"`inputs` of `{self._call_text()}` must end in a dimension of "
                f"{self._params_rule()}; received shape {shape}. End the "
                f"layer before it in {needed} units (`params_size` gives the number)."
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.layers.Layer`'s, which fails obscurely on what is no tensor."""
        if args:
            check_inputs(args[0])
        return super().__call__(*args, **kwargs)

    def call(self, inputs: tf.Tensor) -> TensorDistribution:
        """The distribution at `inputs` `[*batch, params_size]`."""
        return self._regularized(self.distribution(inputs))

    def _regularized(self, distribution: TensorDistribution) -> TensorDistribution:
        """`distribution`, with the regularizer's loss added as Keras adds a tensor's.

        Keras regularizes outputs that are tensors only. It divides what the regularizer
        returns, a total over the batch, by the size of the first dimension.
        """
        if self.activity_regularizer is not None:
            total = self.activity_regularizer(distribution)
            self.add_loss(total / batch_size(distribution, total.dtype))
        return distribution

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The batch shape and the event shape."""
        return (*input_shape[:-1], *self.event_shape)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """A `KerasTensor` of the shape of the tensor that the output converts to."""
        if not keeps_shape(self.convert_to_tensor_fn):
            return self._traced_output_spec(inputs)
        shape = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.variable_dtype)

    def _traced_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """The output's spec, found by converting a distribution of unknown parameters."""
        specs = keras.tree.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), inputs
        )
        convert = tf.function(
            lambda params: self.distribution(params).value(), autograph=False
        )
        # The scope keeps what the trace would do to the seed generator in the trace.
        with keras.StatelessScope():
            value = convert.get_concrete_function(specs).structured_outputs
        return keras.KerasTensor(tuple(value.shape), dtype=value.dtype.name)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `convert_to_tensor_fn` by name."""
        names = self.size_arguments + self.option_arguments
        values = zip(names, self._values(names), strict=True)
        return {
            **super().get_config(),
            **{
                name: list(value) if isinstance(value, tuple) else value
                for name, value in values
            },
            "convert_to_tensor_fn": conversion_config(
                self.convert_to_tensor_fn, "convert_to_tensor_fn"
            ),
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
        return convert(distribution, self.convert_to_tensor_fn)

    def _next_key(self) -> tf.Tensor:
        return random.next_key(self.seed_generator)

    def _call_text(self) -> str:
        event = self.event_shape[0] if len(self.event_shape) == 1 else self.event_shape
        return f"{type(self).__name__}({event})"


def batch_size(distribution: tfd.Distribution, dtype: Any) -> tf.Tensor:
    """The size of the first batch dimension, 1 where there is none, as a `dtype`."""
    if distribution.batch_shape.rank == 0:
        return tf.ones([], dtype)
    return tf.cast(distribution.batch_shape_tensor()[0], dtype)
