"""Checks of a latent-variable model's arguments, made before any work."""

import inspect
import math
import numbers
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.layers.arguments import positive_integer

__all__ = [
    "check_array",
    "check_batches",
    "check_bool",
    "check_event",
    "check_given",
    "check_input",
    "check_inputs",
    "check_latents",
    "check_numeric",
    "check_optimizer",
    "check_precision",
    "check_same_rows",
    "check_seeds",
    "check_weights",
    "finite_number",
    "observed",
    "positive_integer",
    "positive_number",
]


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


def check_optimizer(value: Any, name: str) -> None:
    """Raises an error unless `value` is what Keras makes an optimizer of."""
    hint = "Pass 'adam', or one such as `keras.optimizers.Adam(1e-3)`."
    if isinstance(value, str | dict):
        try:
            keras.optimizers.get(value)
        except ValueError as error:
            raise ValueError(
                f"`{name}` must be an optimizer or its name; received {value!r}, which "
                f"Keras does not know. {hint}"
            ) from error
    elif isinstance(value, numbers.Number | type) or inspect.isroutine(value):
        raise TypeError(
            f"`{name}` must be an optimizer or its name; received {value!r}. {hint}"
        )


def finite_number(value: Any, name: str) -> float:
    """`value` as a finite Python float, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(
            f"`{name}` must be a number; received {value!r} of type {type(value).__name__}."
        )
    if not math.isfinite(value):
        raise ValueError(f"`{name}` must be finite; received {value!r}.")
    return float(value)


def check_bool(value: Any, name: str) -> None:
    """Raises a TypeError unless `value` is `True` or `False`."""
    if not isinstance(value, bool):
        raise TypeError(f"`{name}` must be True or False; received {value!r}.")


def check_precision(networks: Mapping[str, Any]) -> None:
    """Raises a ValueError where a network has half-precision weights.

    Args:
        networks: Keras layers, by the names of the arguments that they were given as.
    """
    for name, network in networks.items():
        policies = [network.dtype_policy.variable_dtype]
        policies += [weight.dtype for weight in network.weights]
        half = {"float16", "bfloat16"} & set(policies)
        if half:
            (dtype, *_) = sorted(half)
            raise ValueError(
                f"`{name}` must keep its weights in float32 or float64, since half "
                "precision would round small updates to zero; received the policy "
                f"'{dtype}'. Make all networks under 'mixed_{dtype}', which computes in "
                "half precision and keeps float32 weights: "
                f"keras.config.set_dtype_policy('mixed_{dtype}')."
            )


def check_seeds(seed: Any) -> None:
    """Raises an error unless `seed` is a non-empty vector of integers."""
    shape = np.shape(seed) if not tf.is_tensor(seed) else tuple(seed.shape)
    if len(shape) != 1 or shape[0] == 0:
        raise ValueError(
            "`seed` must be an integer, with `num_samples`, or a non-empty vector of "
            f"integers, one per sample; received shape {shape}."
        )


def check_array(value: Any, name: str, event_shape: tuple | None = None) -> None:
    """Raises an error unless `value` is an array of finite numbers of the shape needed.

    Args:
        value: an array or tensor, `[N, *event_shape]`.
        name: the argument's name.
        event_shape: the shape of an example, with `None` for free dimensions; `None`
            if any shape is allowed.

    Raises:
        TypeError: if the dtype is not numeric.
        ValueError: if the array is empty, of another shape, or not finite.
    """
    check_numeric(value, name)
    dtype = tf.as_dtype(value.dtype)
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


def check_batches(data: Any, event_shape: Any, name: str) -> None:
    """Raises a ValueError where a `tf.data.Dataset` is empty, or of single examples.

    Args:
        data: the dataset.
        event_shape: of one example of its first entry; `None` where that is not known.
        name: the argument's name.
    """
    if data.cardinality() == 0:
        raise ValueError(
            f"`{name}` must hold at least one batch; received a dataset with no batch. "
            "Check what it was made of."
        )
    spec = tf.nest.flatten(data.element_spec)[0]
    shape = getattr(spec, "shape", tf.TensorShape(None))
    if event_shape is not None and shape == tf.TensorShape(event_shape):
        raise ValueError(
            f"`{name}` must be a dataset of batches; received one of elements of shape "
            f"{tuple(shape)}. Call `dataset.batch(100)`."
        )


def check_inputs(given: Mapping[str, Any]) -> None:
    """Raises an error unless what is given by name is numeric and has rows.

    Args:
        given: arrays, tensors or numbers by name, or lists of such.

    Raises:
        TypeError: if one is missing, or of a dtype that is not numeric.
        ValueError: if one holds no row.
    """
    for name, entry in given.items():
        text = "x" if name == "x" else f"x[{name!r}]"
        for value in [entry] if entry is None else keras.tree.flatten(entry):
            check_input(value, text)


def check_input(value: Any, name: str) -> None:
    """Raises an error where `value` is none, or holds no row or no numbers."""
    if value is None or isinstance(value, str | bytes):
        raise TypeError(
            f"`{name}` must be an array of numbers; received {value!r}. Pass an array of "
            "one row per example."
        )
    if not (hasattr(value, "dtype") and hasattr(value, "shape")):
        return
    check_numeric(value, name)
    if value.shape[:1] == (0,):
        raise ValueError(
            f"`{name}` must hold at least one example; received shape {tuple(value.shape)}."
        )


def check_numeric(value: Any, name: str) -> None:
    """Raises a TypeError unless an array is of real numbers, integers or booleans."""
    try:
        dtype = tf.as_dtype(value.dtype)
        is_numeric = dtype.is_floating or dtype.is_integer or dtype.is_bool
    except TypeError:  # of NumPy's, such as dates
        is_numeric = False
    if not is_numeric:
        received = getattr(value.dtype, "name", value.dtype)
        raise TypeError(
            f"`{name}` must be numeric; received dtype {received}. Convert it to float32."
        )


def check_event(shape: tuple, name: str, event_shape: tuple, hint: str = "") -> None:
    """Raises a ValueError unless `shape` is `[N, *event_shape]`."""
    got, needed = tuple(shape[1:]), tuple(event_shape)
    fits = len(got) == len(needed) and all(
        a is None or b is None or a == b for a, b in zip(got, needed, strict=True)
    )
    if not fits:
        needed_text = ", ".join(["N", *("any" if n is None else str(n) for n in needed)])
        if tuple(shape) == needed:
            batch = f"Give a batch: for one example, `{name}[None]`."
            hint = batch if name == "x" else f"{batch} {hint}".rstrip()
        raise ValueError(
            f"`{name}` must have shape ({needed_text}); received {tuple(shape)}. "
            f"{hint or 'Reshape it.'}"
        )


def observed(given: Mapping[str, Any]) -> Any:
    """The targets of the likelihood if no y is given: the entry `x`, one array."""
    if "x" not in given:
        raise ValueError(
            "`x` must have an entry 'x', the data whose likelihood is computed, unless "
            f"`y` is given; received {list(given)}. Give ['x'] too."
        )
    x = given["x"]
    if x is None or isinstance(x, list | tuple | dict):
        raise ValueError(
            "`y`, the data whose likelihood is computed, must be given if x is not one "
            f"array; received x of type {type(x).__name__}. Pass it as `y`."
        )
    return x


def check_given(given: Mapping[str, Any], structure: Any, prefix: str = "") -> None:
    """Raises a ValueError unless what is given has the names and shapes of the model.

    Args:
        given: arrays or tensors by name.
        structure: the model's structure.
        prefix: of the argument's name in messages.
    """
    expected = structure.given
    if set(given) != set(expected):
        missing = [name for name in expected if name not in given]
        unknown = [name for name in given if name not in expected]
        fix = f"Give {missing} too." if missing else f"Leave out {unknown}."
        raise ValueError(
            f"`{prefix}x` must hold {list(expected)}, which the model was built with; "
            f"received {list(given)}. {fix}"
        )
    for name, value in given.items():
        if isinstance(value, list | tuple):
            continue
        text = f"{prefix}x" if name == "x" else f"{prefix}x[{name!r}]"
        check_event(tuple(value.shape), text, tuple(expected[name].shape)[1:])
    arrays = {n: v for n, v in given.items() if not isinstance(v, list | tuple)}
    check_same_rows(arrays, None, f"{prefix}x", "")


def check_same_rows(
    given: Mapping[str, Any], count: int | None, name: str, of: str
) -> None:
    """Raises a ValueError unless all have the same number of rows, `count` if known."""
    rows = {key: value.shape[0] for key, value in given.items()}
    known = {size for size in (*rows.values(), count) if size is not None}
    if len(known) > 1:
        beside = "" if count is None else f", and {count} {of}"
        raise ValueError(
            f"`{name}` must hold one row for each example; received {rows} rows{beside}. "
            "Give all the same number."
        )


def check_latents(z: Any, structure: Any) -> None:
    """Raises a ValueError unless z has the names and shapes of the model's latents."""
    latents = structure.latents
    if structure.is_joint != isinstance(z, Mapping):
        needed = f"a dict of {list(latents)}" if structure.is_joint else "one tensor"
        raise ValueError(f"`z` must be {needed}; received {type(z).__name__}.")
    values = z if structure.is_joint else {"z": z}
    if set(values) != set(latents):
        raise ValueError(f"`z` must hold {list(latents)}; received {list(values)}.")
    for name, value in values.items():
        text = f"z[{name!r}]" if structure.is_joint else "z"
        check_event(tuple(value.shape), text, latents[name])
    check_same_rows(values, None, "z", "")


def check_weights(weights: Any, count: int) -> None:
    """Raises a ValueError unless `sample_weight` is finite, >= 0 and of shape `[N]`."""
    values = np.asarray(weights)
    if values.dtype.kind not in "fiub":
        raise TypeError(
            f"`sample_weight` must be an array of numbers; received {weights!r}."
        )
    if values.shape != (count,):
        raise ValueError(
            f"`sample_weight` must have shape ({count},), one weight per example; "
            f"received {values.shape}."
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            "`sample_weight` must be finite and at least 0; received values from "
            f"{values.min():g} to {values.max():g}."
        )
