"""The conditions of a GAN's networks, found by the names of their inputs."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.layers import NamedInputs, ProjectionLogit

__all__ = ["Conditions", "call_network", "check_labels", "find_classes", "find_conditions"]

Conditions = Mapping[str, Any]

# The input of each network that is not a condition.
_MAIN = {"generator": "z", "discriminator": "x"}
_RESERVED = ("x", "z", "seed")


def find_conditions(
    generator: keras.layers.Layer, discriminator: keras.layers.Layer
) -> dict[str, tf.TensorSpec]:
    """The conditions that either network takes, by name.

    A network with one input takes z, or x. A network with several inputs has one with that
    name, and the others are conditions.

    Args:
        generator: a Keras model or layer.
        discriminator: another.

    Returns:
        The shape `[None, ...]` and type of each condition.

    Raises:
        ValueError: if a network with several inputs has none named z, or x, or if the
            networks disagree about a condition.
    """
    found: dict[str, tf.TensorSpec] = {}
    for role, network in (("generator", generator), ("discriminator", discriminator)):
        names = _input_names(network)
        if len(names) < 2:
            continue
        main = _MAIN[role]
        if main not in names:
            raise ValueError(
                f"`{role}` must have an input named '{main}', since it has several; "
                f"received inputs named {names}. Name it: "
                f"`keras.Input(shape, name='{main}')`."
            )
        for tensor in network.inputs:
            if tensor.name != main:
                spec = tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
                _add(found, tensor.name, spec, role)
    return found


def _input_names(network: Any) -> list[str]:
    return [tensor.name for tensor in getattr(network, "inputs", None) or ()]


def _add(
    found: dict[str, tf.TensorSpec], name: str, spec: tf.TensorSpec, role: str
) -> None:
    if name in _RESERVED:
        raise ValueError(
            f"`{role}` must not have a condition named {name!r}, a name that tfgen uses "
            "itself. Give its `keras.Input` another name."
        )
    if found.setdefault(name, spec) != spec:
        raise ValueError(
            f"The condition {name!r} must be the same for both networks; received "
            f"{_describe(found[name])} of `generator` and {_describe(spec)} of "
            "`discriminator`. Give both `keras.Input`s one shape and dtype."
        )


def _describe(spec: tf.TensorSpec) -> str:
    return f"{spec.dtype.name} {tuple(spec.shape)}"


def call_network(
    network: keras.layers.Layer, value: Any, given: Conditions, training: bool = False
) -> Any:
    """Calls a network on z or x and on the conditions that it takes.

    Args:
        network: a generator or a discriminator.
        value: z, or x.
        given: every condition, by name.
        training: Keras's argument.
    """
    variables = dict.fromkeys(_MAIN.values(), value)
    return NamedInputs(network, network.name)({**variables, **given}, training=training)


def find_classes(
    networks: Iterable[keras.layers.Layer], conditions: Mapping[str, tf.TensorSpec]
) -> dict[str, int]:
    """The number of classes of each condition that holds labels.

    These are the conditions of an integer type that are direct inputs of an `Embedding` or
    a `tfgen.layers.ProjectionLogit`; if there are several, the smallest number of classes
    is used.

    Args:
        networks: generator and discriminator.
        conditions: what they take, by name.
    """
    found: dict[str, int] = {}
    for network in networks:
        names = {id(t): t.name for t in getattr(network, "inputs", None) or ()}
        for layer in getattr(network, "layers", ()):
            count = _num_classes(layer)
            if count is None:
                continue
            for tensor in keras.tree.flatten(layer.input):
                name = names.get(id(tensor), "")
                if name in conditions and conditions[name].dtype.is_integer:
                    found[name] = min(count, found.get(name, count))
    return found


def _num_classes(layer: keras.layers.Layer) -> int | None:
    if isinstance(layer, keras.layers.Embedding):
        return layer.input_dim
    return layer.num_classes if isinstance(layer, ProjectionLogit) else None


def check_labels(given: Conditions, classes: Mapping[str, int], name: str) -> None:
    """Raises a ValueError for a label that is not a class.

    Args:
        given: arrays or tensors by name; other values are not checked.
        classes: the number of classes, by condition.
        name: the name of `given` in errors.
    """
    for key, count in classes.items():
        value = given[key]
        values = tf.get_static_value(value) if tf.is_tensor(value) else value
        if not isinstance(values, np.ndarray) or not values.size:
            continue
        least, greatest = values.min(), values.max()
        if least < 0 or greatest >= count:
            raise ValueError(
                f"`{name}[{key!r}]` must hold labels from 0 to {count - 1}, the classes "
                f"that the networks embed; received labels from {least} to {greatest}. "
                "Renumber them, or make the networks of more classes."
            )
