"""How a GAN's networks are updated: optimizers, gradients, and a moving average."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgen.models.gan.conditions import call_network

__all__ = ["build_optimizer", "frozen_copy", "minimise", "update_average"]


def build_optimizer(
    identifier: str | keras.Optimizer, network: keras.layers.Layer
) -> keras.Optimizer:
    """A built optimizer of a network's variables, which scales a float16 loss.

    Args:
        identifier: a Keras optimizer or its name.
        network: the network, built.

    Returns:
        The optimizer.

    Raises:
        ValueError: if the optimizer averages weights itself.
    """
    optimizer = keras.optimizers.get(identifier)
    if optimizer.use_ema:
        raise ValueError(
            "`use_ema` must be off in a GAN's optimizers, since Keras would overwrite "
            f"both networks at the end of `fit`; received {optimizer.name!r} with "
            "`use_ema=True`. Use `generator_ema` of `compile`."
        )
    half = network.dtype_policy.compute_dtype == "float16"
    if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    if not optimizer.built:
        optimizer.build(network.trainable_variables)
    return optimizer


def minimise(
    objective: Callable[[], tuple[tf.Tensor, Any]],
    optimizer: keras.Optimizer,
    variables: Sequence[keras.Variable],
    share: tf.Tensor,
) -> Any:
    """One update of `variables` only.

    Args:
        objective: returns the scalar to minimise, for this replica's rows, and a second
            result.
        optimizer: built on `variables`; it sums the replicas' gradients.
        variables: what is updated.
        share: this replica's fraction of the global batch's rows.

    Returns:
        The second result of `objective`.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        for variable in variables:
            tape.watch(variable.value)
        value, rest = objective()
        loss = optimizer.scale_loss(value * tf.cast(share, value.dtype))
    if variables:  # A network may be frozen.
        optimizer.apply(tape.gradient(loss, variables), variables)
    return rest


def frozen_copy(
    generator: keras.layers.Layer, latent_dim: int, conditions: dict[str, tf.TensorSpec]
) -> keras.layers.Layer:
    """A copy of a generator, with its weights, that no optimizer trains."""
    config = keras.saving.serialize_keras_object(generator)
    copy = keras.saving.deserialize_keras_object(config)
    given = {
        name: keras.Input(spec.shape[1:], dtype=spec.dtype.name)
        for name, spec in conditions.items()
    }
    call_network(copy, keras.Input([latent_dim]), given)  # builds it
    copy.set_weights(generator.get_weights())
    copy.trainable = False
    return copy


def update_average(
    average: keras.layers.Layer, network: keras.layers.Layer, decay: tf.Tensor
) -> None:
    """average <- decay average + (1 - decay) network; what is not trained is copied."""
    for mean, new in zip(average.variables, network.variables, strict=True):
        if new.trainable:
            mean.assign_add(tf.cast(1.0 - decay, mean.dtype) * (new - mean))
        else:
            mean.assign(new)
