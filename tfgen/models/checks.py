"""What a user can get wrong about a latent-variable model, found before any work."""

import math
import numbers
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = [
    "check_array",
    "check_event",
    "check_seeds",
    "check_weights",
    "positive_integer",
    "positive_number",
]


def positive_integer(value: Any, name: str) -> int:
    """`value` as a positive Python integer, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(
            f"`{name}` must be a positive integer; received {value!r} of type "
            f"{type(value).__name__}. Pass a number such as 5."
        )
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1; received {value}.")
    return int(value)


def positive_number(value: Any, name: str, or_zero: bool = False) -> float:
    """`value` as a positive finite Python float, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"`{name}` must be a number; received {value!r} of type {type(value).__name__}."
        )
    number = float(value)
    if not 0 <= number < math.inf or (number == 0 and not or_zero):
        rule = "at least 0" if or_zero else "positive"
        raise ValueError(f"`{name}` must be {rule} and finite; received {value!r}.")
    return number


def check_seeds(seed: Any) -> None:
    """Raises an error unless `seed` is a non-empty vector of integers."""
    shape = np.shape(seed) if not tf.is_tensor(seed) else tuple(seed.shape)
    if len(shape) != 1 or shape[0] == 0:
        raise ValueError(
            "`seed` must be an integer, with `num_samples`, or a non-empty vector of "
            f"integers, one a sample; received shape {shape}."
        )


def check_array(value: Any, name: str, event_shape: tuple | None = None) -> None:
    """Raises an error unless `value` is an array of finite numbers of the shape needed.

    Args:
        value: an array or tensor, `[N, *event_shape]`.
        name: the argument's name.
        event_shape: the shape of an example, with `None` for free dimensions; `None`
            where anything goes.

    Raises:
        TypeError: if the dtype is not numeric.
        ValueError: if the array is empty, of another shape, or not finite.
    """
    dtype = tf.as_dtype(value.dtype)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise TypeError(
            f"`{name}` must be numeric; received dtype {dtype.name}. Convert it to float32."
        )
    shape = tuple(value.shape)
    if not shape or shape[0] == 0:
        raise ValueError(
            f"`{name}` must hold at least one example; received shape {shape}."
        )
    if event_shape is not None:
        check_event(shape, name, event_shape)
    if dtype.is_floating and not isinstance(value, tf.Tensor):
        finite = np.isfinite(value)
        if not finite.all():
            example = int(np.argmin(finite.reshape(shape[0], -1).all(axis=1)))
            kind = "NaN" if np.isnan(value[example]).any() else "infinity"
            raise ValueError(
                f"`{name}` must be finite; received {kind} in example {example}. Remove or "
                "impute such values."
            )
    elif dtype.is_floating and tf.executing_eagerly():
        check_array(value.numpy(), name)


def check_event(shape: tuple, name: str, event_shape: tuple, hint: str = "") -> None:
    """Raises a ValueError unless `shape` is `[N, *event_shape]`."""
    got, needed = tuple(shape[1:]), tuple(event_shape)
    fits = len(got) == len(needed) and all(
        a is None or b is None or a == b for a, b in zip(got, needed, strict=True)
    )
    if not fits:
        needed_text = ", ".join(["N", *("any" if n is None else str(n) for n in needed)])
        raise ValueError(
            f"`{name}` must have shape ({needed_text}); received {tuple(shape)}. "
            f"{hint or 'Reshape it.'}"
        )


def check_weights(weights: Any, count: int) -> None:
    """Raises a ValueError unless `sample_weight` is finite, >= 0 and of shape `[N]`."""
    values = np.asarray(weights)
    if values.shape != (count,):
        raise ValueError(
            f"`sample_weight` must have shape ({count},), one weight an example; received "
            f"{values.shape}."
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            "`sample_weight` must be finite and at least 0; received values from "
            f"{values.min():g} to {values.max():g}."
        )
