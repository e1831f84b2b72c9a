"""Networks that take their inputs by name: from what is given, and from latents."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.sampling import unwrap
from tfgen.layers.tensor_distribution import TensorDistribution

tfd = tfp.distributions

__all__ = ["NamedInputs"]

# What Keras calls an input that is not named.
_AUTOMATIC = ("keras_tensor", "input_layer")


class NamedInputs:
    """Which variables a network takes, and how it is called on them.

    A functional model takes the variables that its `keras.Input(name=...)`s are named
    after; a layer or subclassed model those that the arguments of its `call` are named
    after. A single input whose name is no variable's, or one of several that Keras named,
    takes the default: `x` where there is an x, else `z`, else the only variable there is.

    Args:
        network: a Keras model or layer.
        part: what the network is called in an error, such as "decoder".
    """

    def __init__(self, network: keras.layers.Layer, part: str) -> None:
        if not callable(network):
            raise TypeError(
                f"`network` must be a Keras model or layer; received {network!r}."
            )
        self._get_network = lambda: network  # a function, since Keras tracks attributes
        self.part = part

    @property
    def network(self) -> keras.layers.Layer:
        """The network."""
        return self._get_network()

    @property
    def specs(self) -> dict[str, keras.KerasTensor]:
        """The network's inputs by name, where it says them."""
        return {t.name: t for t in getattr(self.network, "inputs", None) or []}

    def names(self, variables: Iterable[str]) -> dict[str, str]:
        """The variable that each of the network's inputs takes, by the inputs' names.

        Args:
            variables: the names of what there is.

        Raises:
            ValueError: if an input is named after none of them and no default is left.
        """
        variables = list(variables)
        inputs = list(self.specs)
        if not inputs and isinstance(self.network, keras.Sequential):
            inputs = ["inputs"]  # not built: it has one
        elif not inputs:
            inputs = _call_arguments(self.network, variables)
        taken = {name: name for name in inputs if name in variables}
        unknown = [name for name in inputs if name not in taken]
        if not unknown:
            return taken
        default = _default(variables)
        # A name that the user gave, beside others, takes no default: it may be mistyped.
        several = bool(self.specs) and len(inputs) > 1
        is_named = several and not unknown[0].startswith(_AUTOMATIC)
        if len(unknown) > 1 or default is None or default in taken or is_named:
            raise ValueError(
                f"`{self.part}` must have inputs that are named like the variables it can "
                f"take, {variables}; received inputs named {inputs}. Name them by "
                "`keras.Input(..., name=...)`, or give the missing variable."
            )
        return {name: taken.get(name, default) for name in inputs}

    def __call__(self, variables: Mapping[str, Any], training: bool = False) -> Any:
        """What the network returns for the variables that it takes.

        Args:
            variables: by name, each `[B, ...]`.
            training: Keras's argument.

        Raises:
            ValueError: as `names`.
        """
        x = variables.get("x")
        if isinstance(x, list | tuple):  # inputs by position
            return self.network(x, training=training)
        taken = self.names(variables)
        values = {name: variables[variable] for name, variable in taken.items()}
        if not values:  # a prior that is called without arguments
            return self.network()
        if not self.specs:
            first, *names = values
            rest = {name: values[name] for name in names}
            return self.network(values[first], training=training, **rest)
        if len(values) == 1:
            (value,) = values.values()
            return self.network(value, training=training)
        inputs = keras.tree.map_structure(lambda t: values[t.name], self.network.input)
        return self.network(inputs, training=training)

    def on_samples(
        self,
        latents: Mapping[str, Any],
        given: Mapping[str, Any],
        event_ranks: Mapping[str, int],
        training: bool = False,
    ) -> Any:
        """What the network returns at several values of the latents for each row.

        Args:
            latents: by name, each `[*samples, B, *latent]`.
            given: by name, each `[B, ...]`: repeated for every sample.
            event_ranks: the number of dimensions of each latent.
            training: Keras's argument.

        Returns:
            A distribution of batch shape `[*samples, B]`; `[B]` where the network takes no
            latent.
        """
        variables = {**given, **latents}
        taken = set(self.names(variables).values())
        sampled = [name for name in latents if name in taken]
        if not sampled:
            return self(variables, training)
        value = latents[sampled[0]]
        rank = value.shape.rank - event_ranks[sampled[0]]
        if rank == 1:
            return self(variables, training)
        samples, static = tf.shape(value)[:rank], value.shape[:rank]
        flat = dict(given)
        if static[:-1].num_elements() != 1:
            count = tf.reduce_prod(samples[:-1])
            flat = {n: _repeat(v, count) if n in taken else v for n, v in given.items()}
        flat |= {name: _flatten(latents[name], rank) for name in sampled}
        # Names are matched as before: latents that are not taken are there as they are.
        return _unflatten(self({**latents, **flat}, training), samples, static)


def _default(variables: list[str]) -> str | None:
    for name in ("x", "z"):
        if name in variables:
            return name
    return variables[0] if len(variables) == 1 else None


def _call_arguments(network: Any, variables: list[str]) -> list[str]:
    """The arguments of `call` that are required, or are named after variables."""
    arguments = [
        argument
        for argument in inspect.signature(network.call).parameters.values()
        if argument.kind in (argument.POSITIONAL_OR_KEYWORD, argument.KEYWORD_ONLY)
        and argument.name not in ("training", "mask")
    ]
    return [
        argument.name
        for argument in arguments
        if argument.name in variables or argument.default is argument.empty
    ]


def _flatten(value: tf.Tensor, rank: int) -> tf.Tensor:
    """`[*samples, B, ...]`, of `rank` leading dimensions, as `[samples * B, ...]`."""
    flat = tf.reshape(value, tf.concat([[-1], tf.shape(value)[rank:]], axis=0))
    return tf.ensure_shape(flat, [value.shape[:rank].num_elements(), *value.shape[rank:]])


def _repeat(value: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """`[B, ...]` as `[count * B, ...]`."""
    ones = tf.ones([value.shape.rank - 1], tf.int32)
    tiled = tf.tile(value, tf.concat([[count], ones], axis=0))
    return tf.ensure_shape(tiled, [None, *value.shape[1:]])


def _unflatten(flat: Any, samples: tf.Tensor, static: tf.TensorShape) -> tfd.Distribution:
    """A distribution of batch `[samples * B]` as one of batch `[*samples, B]`."""
    if isinstance(flat, TensorDistribution) and flat.layer.any_batch:
        raw = flat.raw_parameters
        shaped = tf.reshape(raw, tf.concat([samples, tf.shape(raw)[1:]], axis=0))
        return flat.rebuild(tf.ensure_shape(shaped, [*static, *raw.shape[1:]]))
    if not isinstance(flat, tfd.Distribution):
        return flat
    inner = unwrap(flat)
    return tfd.BatchReshape(inner, static if static.is_fully_defined() else samples)
