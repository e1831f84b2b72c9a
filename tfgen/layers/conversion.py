"""How a distribution becomes a tensor: by a name or a function, and as a config."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.sampling import unwrap

tfd = tfp.distributions

__all__ = [
    "canonical_conversion",
    "conversion_config",
    "convert",
    "function_config",
    "keeps_shape",
]

_NAMES = ("sample", "mean", "mode", "stddev", "variance")


def canonical_conversion(function: Any, argument: str) -> str | Callable:
    """`function` as a name or a function, or an error.

    Args:
        function: `"sample"`, `"mean"`, `"mode"`, `"stddev"` or `"variance"`; the name of a
            property of a class of `tfd`, such as `"logits"`; a function of a distribution;
            or one of TFP's methods and properties, such as `tfd.Distribution.sample` or
            `tfd.Bernoulli.logits`, which go by their names.
        argument: the name of the argument, for the error.

    Raises:
        ValueError: if it is another name.
        TypeError: if it is neither a name nor a function.
    """
    rule = f"`{argument}` must be one of {list(_NAMES)} or a function of the distribution"
    if isinstance(function, property) and function.fget is not None:
        function = function.fget.__name__
    if isinstance(function, str):
        if function not in _NAMES and function not in _property_names():
            raise ValueError(f"{rule}; received {function!r}.")
        return function
    if not callable(function):
        raise TypeError(f"{rule}; received {function!r}.")
    name = getattr(function, "__name__", None)
    is_method = inspect.isfunction(function) and name in _NAMES
    if is_method and function.__qualname__.endswith(f"Distribution.{name}"):
        return str(name)
    return function


@functools.cache
def _property_names() -> frozenset[str]:
    """The properties that some family of TFP has and not every distribution."""

    def properties(cls: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(cls, _is_property)}

    families = [value for value in vars(tfd).values() if inspect.isclass(value)]
    found = [properties(cls) for cls in families if issubclass(cls, tfd.Distribution)]
    return frozenset(set().union(*found) - properties(tfd.Distribution))


def _is_property(value: Any) -> bool:
    return isinstance(value, property)


def keeps_shape(function: str | Callable) -> bool:
    """Whether a canonical `function` makes a tensor of the batch's and event's shape."""
    return isinstance(function, str) and function in _NAMES


def convert(distribution: tfd.Distribution, function: str | Callable) -> tf.Tensor:
    """The tensor that a canonical `function` makes of `distribution`."""
    if not isinstance(function, str):
        return function(distribution)
    if function in _NAMES:
        return getattr(distribution, function)()
    return _property(unwrap(distribution), function)


def _property(distribution: tfd.Distribution, name: str) -> tf.Tensor:
    """A property of the distribution, or of what an `Independent` is made of."""
    while not hasattr(distribution, name):
        inner = getattr(distribution, "distribution", None)
        if inner is None:
            raise ValueError(
                "`convert_to_tensor_fn` must name a method or a property of the "
                f"distribution; received {name!r}, which {distribution!r} does not have."
            )
        distribution = inner
    return getattr(distribution, name)


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
            f"`{argument}` must be a registered function, for the model to be saved; "
            f"received {function!r}, which is not. Give the function a name and decorate "
            "it with `@keras.saving.register_keras_serializable()`. A file holds only its "
            "name: the program that loads the file must register the function too."
        )
    return keras.saving.serialize_keras_object(function)
