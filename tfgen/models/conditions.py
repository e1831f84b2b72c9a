"""Conditions: inputs beside x or z, checked against the inputs of the networks."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tfgen.models import checks

__all__ = ["as_tensors", "check_conditions"]


def as_tensors(condition: Any) -> dict[str, tf.Tensor]:
    """The argument `condition` of a request as tensors; an empty dict for `None`."""
    if condition is None:
        return {}
    if not isinstance(condition, Mapping):
        raise TypeError(
            "`condition` must be a dict of arrays by name; received "
            f"{type(condition).__name__}. Pass {{'c': c}} where the input is named 'c'."
        )
    return {name: tf.convert_to_tensor(value) for name, value in condition.items()}


def check_conditions(
    given: Any,
    conditions: Mapping[str, tf.TensorSpec],
    count: int | None,
    name: str,
) -> dict[str, Any]:
    """Returns the conditions among the inputs, checked.

    Args:
        given: arrays, tensors or their specs by name; any other entry is an error.
        conditions: the conditions that the networks take.
        count: the number of rows that each must have; `None` where that is unknown.
        name: what to call `given`.

    Raises:
        TypeError: if a condition is not numeric, or not an integer where one is needed.
        ValueError: if one is missing, unknown, not finite, or of another shape or number
            of rows.
    """
    missing, unknown = set(conditions) - set(given), set(given) - set(conditions)
    if missing or unknown:
        fault = f"without {sorted(missing)}" if missing else f"with {sorted(unknown)}"
        raise ValueError(
            f"`{name}` must have the conditions that the networks take, "
            f"{sorted(conditions)}; received it {fault}. They are the names of the "
            "networks' `keras.Input`s."
        )
    for key, spec in conditions.items():
        _check_condition(given[key], spec, count, f"{name}[{key!r}]")
    return {key: given[key] for key in conditions}


def _check_condition(value: Any, spec: tf.TensorSpec, count: Any, label: str) -> None:
    if not (hasattr(value, "shape") and hasattr(value, "dtype")):
        raise TypeError(f"`{label}` must be an array; received {type(value).__name__}.")
    if not isinstance(value, tf.TensorSpec):
        checks.check_array(value, label)
    dtype = tf.as_dtype(value.dtype)
    if spec.dtype.is_integer and not dtype.is_integer:
        raise TypeError(
            f"`{label}` must be integers, as the networks' inputs are; received "
            f"{dtype.name}."
        )
    checks.check_event(tuple(value.shape), label, tuple(spec.shape[1:]))
    rows = value.shape[0]
    if None not in (rows, count) and rows != count:
        raise ValueError(
            f"`{label}` must have one row for each example or sample, {count}; received "
            f"{rows}."
        )
