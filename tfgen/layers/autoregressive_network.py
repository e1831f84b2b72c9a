"""The masked network of autoregressive flows (MADE)."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.layers.arguments import canonical_event_shape, canonical_size, to_event
from tfgen.layers.base import register

__all__ = ["AutoregressiveNetwork"]


@register
class AutoregressiveNetwork(keras.layers.Layer):
    """A dense network whose outputs for x_i depend on the x_j before x_i alone.

    Each unit has a degree, and a weight between two units is masked to 0 unless the
    degrees allow it: input i has its place in the order, 1 to D; a hidden unit sees
    inputs up to its degree; output i sees hidden units of degree below its input's.

    Args:
        params: the number of outputs an input.
        event_shape: D, the number of inputs; from the first call unless given.
        conditional: whether there is a second input, which all outputs depend on.
        conditional_event_shape: the size of the second input.
        conditional_input_layers: `"all_layers"`, to which the second input is added, or
            `"first_layer"`.
        hidden_units: the size of each hidden layer; none unless given.
        input_order: `"left-to-right"`, `"right-to-left"`, `"random"`, or a permutation of
            1 to D.
        hidden_degrees: `"equal"`, spread evenly, or `"random"`.
        activation: of the hidden layers, a Keras activation or its name.
        use_bias: whether layers have biases.
        kernel_initializer: of all kernels, a Keras initializer or its name.
        bias_initializer: of all biases.
        kernel_regularizer: of all kernels.
        bias_regularizer: of all biases.
        kernel_constraint: of all kernels.
        bias_constraint: of all biases.
        output_initializer: of the last layer's kernel; `kernel_initializer` unless given.
            `"zeros"` makes a flow start as the identity.
        seed: of random orders and degrees; a fresh one unless given.
        **kwargs: `keras.layers.Layer`'s.

    `tfb.MaskedAutoregressiveFlow` and a `tfd.TransformedDistribution` take the network
    (with `params=2`), but do not list its variables, since TFP lists `tf.Variable`s only:
    train `made.trainable_variables`, or put the network into `AutoregressiveTransform`.

    Call arguments:
        inputs: x, `[*batch, D]`.
        conditional_input: `[*batch, conditional_event_shape]`.

    Returns:
        `[*batch, D, params]`.

    Raises:
        TypeError: if a size is no integer.
        ValueError: if one is below 1, if a name is unknown, if `event_shape` is not one
            number, or if one of `conditional` and `conditional_event_shape` goes without
            the other.

    >>> made = AutoregressiveNetwork(params=2, event_shape=3, hidden_units=[10])
    >>> made(tf.zeros([5, 3])).shape.as_list()
    [5, 3, 2]

    Source: Germain, Gregor, Murray, Larochelle. MADE. arXiv 1502.03509.
    """

    def __init__(
        self,
        params: int,
        event_shape: int | Sequence[int] | None = None,
        conditional: bool = False,
        conditional_event_shape: int | Sequence[int] | None = None,
        conditional_input_layers: str = "all_layers",
        hidden_units: Sequence[int] | None = None,
        input_order: str | Sequence[int] = "left-to-right",
        hidden_degrees: str = "equal",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        output_initializer: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.params = canonical_size(params, "params")
        self.event_size = _one_size(event_shape, "event_shape")
        self.conditional = bool(conditional)
        self.conditional_size = _one_size(
            conditional_event_shape, "conditional_event_shape"
        )
        if self.conditional != (self.conditional_size is not None):
            raise ValueError(
                "`conditional_event_shape` must be given if `conditional` is true, and "
                f"only then; received {conditional_event_shape} with "
                f"conditional={conditional}. Pass both for a network of two inputs, and "
                "neither for one."
            )
        _check_name(
            conditional_input_layers,
            "conditional_input_layers",
            ("all_layers", "first_layer"),
        )
        _check_name(hidden_degrees, "hidden_degrees", ("equal", "random"))
        self.conditional_input_layers = conditional_input_layers
        self.hidden_units = [canonical_size(n, "hidden_units") for n in hidden_units or ()]
        self.input_order = (
            input_order if isinstance(input_order, str) else [int(i) for i in input_order]
        )
        if isinstance(input_order, str):
            _check_name(
                input_order, "input_order", ("left-to-right", "right-to-left", "random")
            )
        self.hidden_degrees = hidden_degrees
        self.activation = keras.activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.output_initializer = keras.initializers.get(output_initializer)
        self.seed = random.fresh_seed() if seed is None else int(seed)

    def build(self, input_shape: Any) -> None:
        """Makes masks and weights for inputs `[*batch, D]`."""
        size = self.event_size or input_shape[-1]
        if input_shape[-1] != size:
            raise ValueError(
                f"`inputs` must end in a dimension of `event_shape`, {size}; received "
                f"shape {tuple(input_shape)}."
            )
        self.event_size = size
        self.input_spec = keras.layers.InputSpec(min_ndim=1, axes={-1: size})
        self._masks = self._make_masks(size)
        sizes = [size, *self.hidden_units, size * self.params]
        self._kernels, self._biases, self._conditional_kernels = [], [], []
        for number, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            is_last = number == len(self.hidden_units)
            initializer = (is_last and self.output_initializer) or self.kernel_initializer
            self._kernels.append(
                self._add_kernel(f"kernel_{number}", (fan_in, fan_out), initializer)
            )
            if self.use_bias:
                self._biases.append(self._add_bias(f"bias_{number}", (fan_out,)))
            if self.conditional and (
                number == 0 or self.conditional_input_layers == "all_layers"
            ):
                self._conditional_kernels.append(
                    self._add_kernel(
                        f"conditional_kernel_{number}",
                        (self.conditional_size, fan_out),
                        initializer,
                    )
                )

    def _add_kernel(self, name: str, shape: tuple, initializer: Any) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            autocast=False,  # `bind` casts to the dtype of its inputs
        )

    def _add_bias(self, name: str, shape: tuple) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
            autocast=False,
        )

    def _make_masks(self, size: int) -> list[np.ndarray]:
        """One mask a kernel, `[fan_in, fan_out]`."""
        generator = np.random.default_rng(self.seed)
        inputs = self._input_degrees(size, generator)
        # Where there is a second input, units of degree 0 carry it alone.
        least = 0 if self.conditional else 1
        degrees = [inputs]
        for units in self.hidden_units:
            greatest = max(size - 1, least)
            if self.hidden_degrees == "random":
                low = min(int(degrees[-1].min()), greatest) if len(degrees) > 1 else least
                degrees.append(generator.integers(low, greatest + 1, units))
            else:
                degrees.append(np.ceil(np.linspace(least, greatest, units)).astype(int))
        masks = [
            below[:, np.newaxis] <= above for below, above in itertools.pairwise(degrees)
        ]
        masks.append(degrees[-1][:, np.newaxis] < np.repeat(inputs, self.params))
        return [mask.astype(np.float32) for mask in masks]

    def _input_degrees(self, size: int, generator: np.random.Generator) -> np.ndarray:
        degrees = np.arange(1, size + 1)
        if self.input_order == "right-to-left":
            return degrees[::-1]
        if self.input_order == "random":
            return generator.permutation(degrees)
        if self.input_order != "left-to-right":
            if sorted(self.input_order) != list(degrees):
                raise ValueError(
                    f"`input_order` must be a name or a permutation of 1 to {size}; "
                    f"received {self.input_order}."
                )
            return np.array(self.input_order)
        return degrees

    def bind(self, conditional_input: tf.Tensor | None = None) -> Callable:
        """The network as a function of x alone, its weights read and masked once.

        Args:
            conditional_input: the second input, where there is one.

        Returns:
            A function from x `[*batch, D]` to `[*batch, D, params]`.
        """
        if self.conditional != (conditional_input is not None):
            raise ValueError(
                "`conditional_input` must be given if the network was made with "
                f"`conditional=True`, and only then; received {conditional_input} with "
                f"conditional={self.conditional}."
            )
        if self.event_size is None:
            raise ValueError(
                "`bind` needs a network that was built; received one whose input size is "
                "unknown. Give `event_shape`, and call `build`."
            )
        dtype = self.compute_dtype if conditional_input is None else conditional_input.dtype
        layers = []
        for number, (kernel, mask) in enumerate(
            zip(self._kernels, self._masks, strict=True)
        ):
            offset = tf.zeros([], dtype)
            if self.use_bias:
                offset += tf.cast(self._biases[number], dtype)
            if number < len(self._conditional_kernels):
                weights = tf.cast(self._conditional_kernels[number], dtype)
                offset += _matmul(conditional_input, weights)
            layers.append((tf.cast(kernel, dtype) * tf.cast(mask, dtype), offset))

        shape = (self.event_size, self.params)

        def network(x: tf.Tensor) -> tf.Tensor:
            for number, (kernel, offset) in enumerate(layers):
                x = self.activation(x) if number else x
                x = _matmul(x, kernel) + offset
            return to_event(x, shape)

        return network

    def call(self, inputs: tf.Tensor, conditional_input: Any = None) -> tf.Tensor:
        """The outputs at x `[*batch, D]`, `[*batch, D, params]`."""
        return self.bind(conditional_input)(inputs)

    def compute_output_shape(self, input_shape: Any, *unused: Any) -> tuple:
        """The input's shape, and `params`."""
        return (*input_shape, self.params)

    def compute_output_spec(
        self, inputs: Any, conditional_input: Any = None
    ) -> keras.KerasTensor:
        """A `KerasTensor` of shape `[*batch, D, params]`."""
        return keras.KerasTensor((*inputs.shape, self.params), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "params": self.params,
            "event_shape": self.event_size,
            "conditional": self.conditional,
            "conditional_event_shape": self.conditional_size,
            "conditional_input_layers": self.conditional_input_layers,
            "hidden_units": self.hidden_units,
            "input_order": self.input_order,
            "hidden_degrees": self.hidden_degrees,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
            "bias_constraint": keras.constraints.serialize(self.bias_constraint),
            "output_initializer": keras.initializers.serialize(self.output_initializer),
            "seed": self.seed,
        }


def _matmul(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """x @ kernel for x with any leading dimensions, as one product of two matrices."""
    return tf.tensordot(x, kernel, axes=1)


def _one_size(shape: Any, argument: str) -> int | None:
    if shape is None:
        return None
    shape = canonical_event_shape(shape, argument)
    if len(shape) != 1:
        raise ValueError(
            f"`{argument}` must be one number; received {shape}. Flatten the input."
        )
    return shape[0]


def _check_name(value: Any, argument: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"`{argument}` must be one of {list(known)}; received {value!r}.")
