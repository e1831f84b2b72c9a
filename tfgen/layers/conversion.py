"""How a distribution becomes a tensor: by a name or a function, and as a config."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["canonical_conversion", "conversion_config", "convert", "function_config"]

_NAMES = ("sample", "mean", "mode")


def canonical_conversion(function: Any, argument: str) -> str | Callable:
    """`function` as `"sample"`, `"mean"`, `"mode"` or a function, or an error.

    Args:
        function: a name, a function of a distribution, or one of TFP's methods, such as
            `tfd.Distribution.sample`, which go by their names.
        argument: the name of the argument, for the error.

    Raises:
        ValueError: if it is another name.
        TypeError: if it is neither a name nor a function.
    """
    if isinstance(function, str):
        if function not in _NAMES:
            raise ValueError(
                f"`{argument}` must be one of {list(_NAMES)} or a function of the "
                f"distribution; received {function!r}."
            )
        return function
    if not callable(function):
        raise TypeError(
            f"`{argument}` must be one of {list(_NAMES)} or a function of the "
            f"distribution; received {function!r}."
        )
    name = getattr(function, "__name__", None)
    is_method = inspect.isfunction(function) and name in _NAMES
    if is_method and function.__qualname__.endswith(f"Distribution.{name}"):
        return str(name)
    return function


def convert(distribution: tfd.Distribution, function: str | Callable) -> tf.Tensor:
    """The tensor that a canonical `function` makes of `distribution`."""
    if isinstance(function, str):
        return getattr(distribution, function)()
    return function(distribution)


def conversion_config(function: str | Callable, argument: str) -> Any:
    """The config of a canonical `function`: a name, or a registered function's."""
    return function if isinstance(function, str) else function_config(function, argument)


def function_config(function: Callable, argument: str) -> Any:
    """The config of a registered function, for `keras.saving.deserialize_keras_object`.

    Args:
        function: what was passed to a layer.
        argument: the name of the argument it was passed as.

    Raises:
        ValueError: if `function` is not registered.
    """
    name = getattr(function, "__name__", None)
    if keras.saving.get_registered_name(function) in (name, function):
        raise ValueError(
            f"`{argument}` must be registered to be saved; received {function!r}, which "
            "works until then. Give the function a name and decorate it with "
            "`@keras.saving.register_keras_serializable()`: a file then holds its name, "
            "and whoever loads it must have registered the function too."
        )
    return keras.saving.serialize_keras_object(function)
