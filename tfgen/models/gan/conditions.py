"""What a GAN's networks take beside z and x, found by the names of their inputs."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgen.layers import NamedInputs

__all__ = ["Conditions", "call_network", "find_conditions"]

Conditions = Mapping[str, Any]

# The input of each network that is no condition.
_MAIN = {"generator": "z", "discriminator": "x"}
_RESERVED = ("x", "z", "seed")


def find_conditions(
    generator: keras.layers.Layer, discriminator: keras.layers.Layer
) -> dict[str, tf.TensorSpec]:
    """The conditions that either network takes, by name.

    A network of one input takes z, or x. One of several has an input named so, and the
    others are conditions.

    Args:
        generator: a Keras model or layer.
        discriminator: another.

    Returns:
        The shape `[None, ...]` and type of each condition.

    Raises:
        ValueError: if a network of several inputs has none named z, or x, or if the
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
            f"`{role}` must not have a condition named {name!r}, which has a meaning of "
            "its own. Give its `keras.Input` another name."
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
    """A network of z or x and of the conditions that it takes.

    Args:
        network: a generator or a discriminator.
        value: z, or x.
        given: every condition, by name.
        training: Keras's argument.
    """
    variables = dict.fromkeys(_MAIN.values(), value)
    return NamedInputs(network, network.name)({**variables, **given}, training=training)
