"""Distributions as configs: a TFP class by name, its parameters by value."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.bernoulli import Bernoulli, IndependentBernoullis
from tfgen.layers.conversion import function_config
from tfgen.layers.discretized_logistic import DiscretizedLogistic
from tfgen.layers.multivariate_normal_tril import FastMultivariateNormalTriL
from tfgen.layers.normal import Normal
from tfgen.layers.normal_mixture import NormalMixture
from tfgen.layers.sampling import unwrap
from tfgen.layers.undocumented import class_of_any_parts, parameters_of

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = [
    "deserialize_distribution",
    "deserialize_prior",
    "serialize_distribution",
    "serialize_prior",
]

# Where a config's classes are looked up; tfgen's own under a label of their own, since
# some have the names of TFP's.
_CLASSES = {
    "tfd": vars(tfd),
    "tfb": vars(tfb),
    "tfgen": {
        cls.__name__: cls
        for cls in (
            Bernoulli,
            IndependentBernoullis,
            DiscretizedLogistic,
            Normal,
            NormalMixture,
        )
    },
}
_BASES = (tfd.Distribution, tfb.Bijector)
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
    return _serialize(unwrap(distribution), "distribution")


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
    """What `serialize_prior` described.

    Raises:
        ValueError: if the config, which may come from a stranger, names anything else.
    """
    if isinstance(config, dict) and "class_name" in config:
        _check_origin(config)
        return keras.saving.deserialize_keras_object(config)
    return deserialize_distribution(config)


def _check_origin(config: dict[str, Any]) -> None:
    """Raises a ValueError for what is neither Keras's nor registered."""
    names = [config.get("registered_name"), config["class_name"]]
    if config["class_name"] == "function":
        names = [config.get("config")]
    registered = [
        isinstance(name, str) and keras.saving.get_registered_object(name) is not None
        for name in names
    ]
    is_keras = str(config.get("module")).split(".")[0] == "keras"
    is_layer = config["class_name"] != "function" and is_keras
    if not any(registered) and not is_layer:
        raise ValueError(
            "`prior` in the config of a model must be a distribution of TFP, a layer of "
            "Keras or tfgen, or an object registered by "
            f"`keras.saving.register_keras_serializable`; received {names[-1]!r} of "
            f"module {config.get('module')!r}. Import the module that registers it, or "
            "load only files that you trust."
        )


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
    found = _label_and_name(type(value))
    if found is not None:
        label, public = found
        parameters = {
            key: _serialize(item, f"{name}.{key}")
            for key, item in parameters_of(value).items()
        }
        return {label: public, "parameters": parameters}
    raise ValueError(
        f"`{name}` must be made of numbers, arrays and classes of TFP to be saved; "
        f"received {value!r}. Use a layer with `get_config` instead."
    )


def _label_and_name(cls: type) -> tuple[str, str] | None:
    """Where `cls` is found, and its name there; `None` for a class of another module.

    By the class itself: one of the user's may have the name of one of TFP's.
    """
    if cls is FastMultivariateNormalTriL:
        return "tfd", "MultivariateNormalTriL"
    public = cls.__name__.lstrip("_")
    for label, classes in _CLASSES.items():
        found = classes.get(public)
        if isinstance(found, type) and issubclass(found, _BASES):
            base = class_of_any_parts(found)
            if cls is found or (cls is base and cls.__name__ == f"_{public}"):
                return label, public
    return None


def _deserialize(config: Any) -> Any:
    if isinstance(config, list | tuple):
        return [_deserialize(item) for item in config]
    if not isinstance(config, dict):
        return config
    if set(config) == {"array", "dtype", "shape"}:
        return np.array(config["array"], config["dtype"]).reshape(config["shape"])
    if set(config) == {"dtype"}:
        return tf.as_dtype(config["dtype"])
    for label, classes in _CLASSES.items():
        if label in config:
            cls = classes.get(config[label])
            if not (isinstance(cls, type) and issubclass(cls, _BASES)):
                raise ValueError(
                    f"`config` must name a class of TFP; received {config[label]!r}, which "
                    f"`{label}` does not have. Was it written by a newer TFP?"
                )
            return cls(**_deserialize(config["parameters"]))
    return {key: _deserialize(item) for key, item in config.items()}
