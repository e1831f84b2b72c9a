"""A variable as a layer: what a network would compute if it ignored its input."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgen.layers.arguments import canonical_event_shape
from tfgen.layers.base import register

__all__ = ["VariableLayer"]


@register
class VariableLayer(keras.layers.Layer):
    """Returns its variable, whatever it is called on, or called on nothing.

    In front of a distribution layer it makes a distribution with weights of its own.

    Args:
        shape: the shape of the variable, an integer or integers.
        dtype: the dtype of the variable; Keras's float type unless given.
        activation: a Keras activation, or its name, applied to the variable.
        initializer: a Keras initializer, or its name.
        regularizer: a Keras regularizer of the variable.
        constraint: a Keras constraint on the variable.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: ignored.

    Returns:
        The variable, `[*shape]`: there is no batch dimension.

    Raises:
        TypeError: if `shape` is not made of integers.
        ValueError: if one is below 1.

    >>> VariableLayer([2], initializer="ones")().numpy()
    array([1., 1.], dtype=float32)
    """

    def __init__(
        self,
        shape: int | Sequence[int],
        dtype: Any = None,
        activation: Any = None,
        initializer: Any = "zeros",
        regularizer: Any = None,
        constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.shape = canonical_event_shape(shape, "shape")
        self.activation = keras.activations.get(activation)
        self.initializer = keras.initializers.get(initializer)
        self.regularizer = keras.regularizers.get(regularizer)
        self.constraint = keras.constraints.get(constraint)
        self.constant = self.add_weight(
            shape=self.shape,
            initializer=self.initializer,
            regularizer=self.regularizer,
            constraint=self.constraint,
            name="constant",
        )
        self.built = True

    def call(self, inputs: Any = None) -> tf.Tensor:
        """The variable, through the activation."""
        return self.activation(tf.convert_to_tensor(self.constant))

    def compute_output_shape(self, input_shape: Any = None) -> tuple:
        """The variable's shape."""
        return self.shape

    def compute_output_spec(self, inputs: Any = None) -> keras.KerasTensor:
        """A `KerasTensor` of the variable's shape."""
        return keras.KerasTensor(self.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "shape": list(self.shape),
            "activation": keras.activations.serialize(self.activation),
            "initializer": keras.initializers.serialize(self.initializer),
            "regularizer": keras.regularizers.serialize(self.regularizer),
            "constraint": keras.constraints.serialize(self.constraint),
        }
