"""Distributions as configs: a TFP class by name, its parameters by value."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.conversion import function_config

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = [
    "deserialize_distribution",
    "deserialize_prior",
    "serialize_distribution",
    "serialize_prior",
]

_MODULES = {"tfd": tfd, "tfb": tfb}
_PLAIN = (type(None), bool, int, float, str)


def serialize_distribution(distribution: tfd.Distribution) -> dict[str, Any]:
    """A TFP distribution as a JSON-able dict: its class's name and its parameters.

    Args:
        distribution: made of numbers, arrays, and other distributions and bijectors of
            TFP; anything else it was made from, such as a function, has no config.

    Returns:
        `{"tfd": name, "parameters": {...}}`, for `deserialize_distribution`.

    Raises:
        ValueError: if a parameter has no config.

    >>> serialize_distribution(tfd.Normal(0.0, 1.0))["tfd"]
    'Normal'
    """
    return _serialize(distribution, "distribution")


def deserialize_distribution(config: dict[str, Any]) -> tfd.Distribution:
    """The distribution that `serialize_distribution` described.

    Args:
        config: what `serialize_distribution` returned.

    Returns:
        A `tfd.Distribution`.

    Raises:
        ValueError: if the config names no class of TFP.

    >>> normal = deserialize_distribution(serialize_distribution(tfd.Normal(0.0, 2.0)))
    >>> float(normal.stddev())
    2.0
    """
    return _deserialize(config)


def serialize_prior(prior: Any, argument: str = "prior") -> Any:
    """A prior's config: of a distribution, a Keras layer, or a registered function.

    Args:
        prior: a `tfd.Distribution` of constants, or what returns one.
        argument: the name of the argument it was passed as, for errors.

    Raises:
        ValueError: if it has no config.
    """
    if isinstance(prior, tfd.Distribution):
        return serialize_distribution(prior)
    if isinstance(prior, keras.layers.Layer):
        return keras.saving.serialize_keras_object(prior)
    return function_config(prior, argument)


def deserialize_prior(config: Any) -> Any:
    """What `serialize_prior` described."""
    if isinstance(config, dict) and "class_name" in config:
        return keras.saving.deserialize_keras_object(config)
    return deserialize_distribution(config)


def _serialize(value: Any, name: str) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [_serialize(item, name) for item in value]
    if isinstance(value, dict):
        return {key: _serialize(item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, tf.DType):
        return {"dtype": value.name}
    if tf.is_tensor(value) or isinstance(value, np.ndarray):
        array = np.asarray(value)
        return {
            "array": array.tolist(),
            "dtype": str(array.dtype),
            "shape": list(array.shape),
        }
    for label, module in _MODULES.items():
        cls = type(value)
        if getattr(module, cls.__name__.lstrip("_"), None) is not None and isinstance(
            value, tfd.Distribution | tfb.Bijector
        ):
            parameters = {
                key: _serialize(item, f"{name}.{key}")
                for key, item in value.parameters.items()
                if not key.startswith("_")
            }
            return {label: cls.__name__.lstrip("_"), "parameters": parameters}
    raise ValueError(
        f"`{name}` must be made of numbers, arrays and classes of TFP to be saved; "
        f"received {value!r}. Use a layer with `get_config` instead."
    )


def _deserialize(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return [_deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    if set(config) == {"array", "dtype", "shape"}:
        return np.array(config["array"], config["dtype"]).reshape(config["shape"])
    if set(config) == {"dtype"}:
        return tf.as_dtype(config["dtype"])
    for label, module in _MODULES.items():
        if label in config:
            cls = getattr(module, config[label], None)
            base = {"tfd": tfd.Distribution, "tfb": tfb.Bijector}[label]
            if not (isinstance(cls, type) and issubclass(cls, base)):
                raise ValueError(
                    f"`config` must name a class of TFP; received {config[label]!r}, which "
                    f"`{label}` does not have. Was it written by a newer TFP?"
                )
            return cls(**_deserialize(config["parameters"]))
    return {key: _deserialize(item) for key, item in config.items()}
