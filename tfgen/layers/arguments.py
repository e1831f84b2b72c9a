"""What constructors accept, as Python values, or errors that name the argument."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = [
    "canonical_activation",
    "canonical_event_shape",
    "canonical_size",
    "canonical_units",
    "check_distribution",
    "check_event_of",
    "check_inputs",
    "check_params",
    "check_range",
    "check_sample_shape",
    "check_whole",
    "number_above",
    "number_at_least",
    "number_between",
    "positive_integer",
    "to_event",
]


def canonical_size(value: Any, name: str) -> int:
    """`value` as a positive Python integer, or an error that names the argument.

    Args:
        value: an integer, or an integer array or static tensor of no dimensions.
        name: the argument's name, for the error.

    Raises:
        TypeError: if it is no integer, or a tensor whose value is not known yet.
        ValueError: if it is below 1.
    """
    size = _static(value, name)
    if isinstance(size, np.ndarray) and size.ndim == 0:
        size = size[()]
    if isinstance(size, int | np.integer) and not isinstance(size, bool):
        if size >= 1:
            return int(size)
        raise ValueError(f"`{name}` must be at least 1; received {size}.")
    raise TypeError(
        f"`{name}` must be a positive integer; received {value!r} of type "
        f"{type(value).__name__}. Pass a number such as 50."
    )


def canonical_event_shape(event_shape: Any, name: str = "event_shape") -> tuple[int, ...]:
    """`event_shape` as a tuple of positive integers; an integer n means (n,).

    Args:
        event_shape: an integer, a sequence of integers, a `tf.TensorShape`, or an integer
            array or static tensor of at most one dimension.
        name: the argument's name, for the error.

    Raises:
        TypeError: if it is not made of integers, or a tensor whose value is not known yet.
        ValueError: if one is below 1.
    """
    shape = _static(event_shape, name)
    if isinstance(shape, tf.TensorShape):
        shape = shape.as_list()
    if isinstance(shape, numbers.Integral) or (
        isinstance(shape, np.ndarray) and shape.ndim == 0
    ):
        shape = (shape,)
    if not isinstance(shape, Sequence | np.ndarray) or isinstance(shape, str):
        raise TypeError(
            f"`{name}` must be an integer or a sequence of positive integers; received "
            f"{event_shape!r}. Pass a shape such as (28, 28)."
        )
    return tuple(canonical_size(size, name) for size in shape)


def canonical_units(value: Any, name: str = "hidden_units") -> list[int]:
    """`value` as a list of positive integers, or an error that names the argument."""
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(
            f"`{name}` must be a sequence of positive integers; received {value!r}. Pass "
            "the width of each layer, such as [64, 64]."
        )
    return [canonical_size(size, name) for size in value]


def canonical_activation(value: Any, name: str = "activation") -> Any:
    """The function that Keras knows by `value`, or an error that names the argument."""
    try:
        return keras.activations.get(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be the name of an activation of Keras, or a function; received "
            f"{value!r}. Pass one such as 'elu'."
        ) from error


def check_range(low: Any, high: Any) -> None:
    """Raises an error unless `low` and `high` are integers with `low` below `high`."""
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise TypeError(
                f"`{name}` must be an integer; received {value!r} of type "
                f"{type(value).__name__}."
            )
    if high <= low:
        raise ValueError(f"`high` must be above `low`; received low={low} and high={high}.")


def _static(value: Any, name: str) -> Any:
    """`value`, a tensor as an array."""
    if not tf.is_tensor(value):
        return value
    known = tf.get_static_value(value)
    if known is None:
        raise TypeError(
            f"`{name}` must be known when the layer is made; received {value!r}, a tensor "
            "whose value is computed later. Pass a number such as 50."
        )
    return known


def to_event(params: tf.Tensor, event_shape: Sequence[int]) -> tf.Tensor:
    """`[*batch, prod(event_shape)]` as `[*batch, *event_shape]`."""
    batch = params.shape[:-1]
    leading = batch if batch.is_fully_defined() else tf.shape(params)[:-1]
    shaped = tf.reshape(params, tf.concat([leading, list(event_shape)], axis=0))
    return tf.ensure_shape(shaped, batch.concatenate(event_shape))


def check_whole(
    values: np.ndarray, name: str, family: str, low: int, high: int | None = None
) -> None:
    """Raises a ValueError unless `values` are whole numbers from `low` to `high`."""
    values = np.asarray(values)
    rule = "whole numbers" + (
        f" of at least {low}" if high is None else f" from {low} to {high}"
    )
    least, greatest = values.min(), values.max()
    if least < low or (high is not None and greatest > high):
        raise ValueError(
            f"`{name}` must hold {rule} for {family}; received values from {least:g} to "
            f"{greatest:g}."
        )
    fractions = values[values != np.floor(values)]
    if fractions.size:
        raise ValueError(
            f"`{name}` must hold {rule} for {family}; received {fractions[0]:g}. Undo "
            "the scaling of the data, or use another likelihood."
        )


def check_inputs(inputs: Any) -> None:
    """Raises a TypeError where a layer's inputs can't be parameters of a distribution."""
    if inputs is None or isinstance(inputs, str | bytes):
        raise TypeError(
            f"`inputs` must be a tensor of parameters; received {inputs!r}. Call the layer "
            "on the output of a layer such as `keras.layers.Dense(params_size)`."
        )
    if not hasattr(inputs, "dtype"):
        return
    dtype = tf.as_dtype(inputs.dtype)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise TypeError(
            f"`inputs` must be real numbers; received dtype {dtype.name}. Convert them to "
            "float32."
        )


def check_distribution(value: Any, name: str = "distribution") -> None:
    """Raises a TypeError unless `value` is a distribution."""
    if not hasattr(value, "batch_shape"):
        received = value if value is None else type(value).__name__
        raise TypeError(
            f"`{name}` must be a `tfd.Distribution`; received {received}. Pass what "
            "a layer of `tfgen.layers` returns."
        )


def check_params(params: Any, size: int) -> None:
    """Raises a ValueError where `params`' last dimension is known, and is not `size`."""
    shape = tf.TensorShape(params.shape)
    if shape.rank is not None and (not shape.rank or shape[-1] not in (None, size)):
        raise ValueError(
            f"`params` must end in a dimension of {size}; received shape {tuple(shape)}. "
            "`params_size` gives the number."
        )


def check_event_of(value: Any, event_shape: tf.TensorShape) -> None:
    """Raises an error where `value` can't be an event of a distribution, nor broadcast."""
    if value is None or isinstance(value, str | bytes):
        raise TypeError(f"`value` must be a tensor of events; received {value!r}.")
    shape = getattr(value, "shape", None)
    if shape is None or event_shape.rank is None or tf.TensorShape(shape).rank is None:
        return
    pairs = zip(reversed(tuple(shape)), reversed(tuple(event_shape)), strict=False)
    if any(a != b and None not in (a, b) and 1 not in (a, b) for a, b in pairs):
        raise ValueError(
            f"`value` must end in the shape of an event, {tuple(event_shape)}; received "
            f"shape {tuple(shape)}. Reshape it."
        )


def check_sample_shape(sample_shape: Any) -> None:
    """Raises an error unless `sample_shape` is made of whole numbers, where it is known."""
    if tf.is_tensor(sample_shape) or isinstance(sample_shape, tf.TensorShape):
        return
    if isinstance(sample_shape, np.ndarray):
        sample_shape = sample_shape.tolist()
    is_list = isinstance(sample_shape, list | tuple)
    sizes = list(sample_shape) if is_list else [sample_shape]
    known = [size for size in sizes if not tf.is_tensor(size)]
    if any(isinstance(n, bool) or not isinstance(n, numbers.Integral) for n in known):
        raise TypeError(
            "`sample_shape` must be a whole number or whole numbers; received "
            f"{sample_shape!r}. Pass a number such as 5."
        )
    if any(size < 0 for size in known):
        raise ValueError(f"`sample_shape` must be at least 0; received {sample_shape!r}.")


def positive_integer(value: Any, name: str) -> int:
    """`value` as a positive Python integer, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"`{name}` must be a positive integer; received {value!r} of type "
            f"{type(value).__name__}. Pass a number such as 5."
        )
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1; received {value}.")
    return int(value)


def number_between(value: Any, low: float, high: float, name: str) -> float:
    """`value` as a Python float in [low, high], or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number; received {value!r}.")
    number = float(value)
    if not low <= number <= high:
        raise ValueError(f"`{name}` must lie in [{low:g}, {high:g}]; received {value!r}.")
    return number


def number_at_least(low: float, value: Any, name: str) -> float:
    """`value` as a finite Python float from `low` up, or an error that names it."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"`{name}` must be a number; received {value!r}.")
    number = float(value)
    if not low <= number < math.inf:
        raise ValueError(
            f"`{name}` must be finite and at least {low:g}; received {value!r}."
        )
    return number


def number_above(low: float, value: Any, name: str) -> float:
    """`value` as a finite Python float above `low`, or an error that names it."""
    number = number_at_least(low, value, name)
    if number == low:
        raise ValueError(f"`{name}` must be above {low:g}; received {value!r}.")
    return number
