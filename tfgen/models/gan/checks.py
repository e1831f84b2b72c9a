"""Checks of a GAN's networks, settings and data, made before the first step."""

import math
import numbers
from typing import Any

import keras
import tensorflow as tf

from tfgen.losses import GANLoss
from tfgen.models import checks
from tfgen.models.conditions import check_conditions
from tfgen.models.gan.conditions import call_network, find_conditions

__all__ = [
    "check_batch",
    "check_compile_options",
    "check_data",
    "check_networks",
    "check_stabilisers",
    "check_trainable",
]

_PENALTIES = (None, "r1", "r1_r2", "wgan_gp")

# Arguments of `keras.Model.compile` that a GAN does not use, and what to do instead.
_NOT_OURS = {
    "optimizer": "has two: pass `generator_optimizer` and `discriminator_optimizer`",
    "metrics": "logs its own and has no targets to compare with: leave it out",
    "weighted_metrics": "logs its own and has no targets to compare with: leave it out",
    "loss_weights": "has two losses of two networks: leave it out",
    "auto_scale_loss": "scales float16 losses by itself: leave it out",
}

# Operations between a squashing function and the output that don't hide it.
_PASS_THROUGH = {"Cast", "Identity", "Reshape", "Squeeze"}
_SQUASHING = {"Sigmoid": "sigmoid", "Softmax": "softmax"}


def check_networks(
    generator: Any, discriminator: Any, latent_dim: int
) -> tuple[tuple, dict[str, tf.TensorSpec]]:
    """Builds the networks, if they are not built, and checks that they fit.

    Args:
        generator: z `[batch, latent_dim]` to samples `[batch, ...]`.
        discriminator: samples to logits, `[batch, 1]` or `[batch]`.
        latent_dim: the size of z.

    Returns:
        The shape of one sample, and the conditions by name.

    Raises:
        TypeError: if a network is not a Keras layer or model.
        ValueError: if they don't fit each other or `latent_dim`, or the discriminator
            returns anything but one logit for each example.
    """
    networks = {"generator": generator, "discriminator": discriminator}
    for name, network in networks.items():
        if not isinstance(network, keras.layers.Layer):
            raise TypeError(
                f"`{name}` must be a Keras model or layer; received {network!r}."
            )
    conditions = find_conditions(generator, discriminator)
    given = {
        name: keras.Input(spec.shape[1:], dtype=spec.dtype.name)
        for name, spec in conditions.items()
    }
    samples = _symbolic_output(
        generator,
        keras.Input([latent_dim]),
        given,
        f"`generator` must take z of shape (batch, {latent_dim}), by `latent_dim`",
    )
    if not isinstance(samples, keras.KerasTensor):
        raise ValueError(
            f"`generator` must have one output, the samples; received {_describe(samples)}."
        )
    shape = tuple(samples.shape)[1:]
    if None in shape:
        raise ValueError(
            "`generator` must make samples of a fixed shape; received "
            f"{_describe(samples)}."
        )
    logits = _symbolic_output(
        discriminator,
        keras.Input(shape, dtype=samples.dtype),
        given,
        f"`discriminator` must take what `generator` makes, samples of shape {shape}",
    )
    if not isinstance(logits, keras.KerasTensor) or tuple(logits.shape)[1:] not in (
        (),
        (1,),
    ):
        raise ValueError(
            "`discriminator` must return one logit per example, shape (batch, 1); "
            f"received {_describe(logits)}. End it in `keras.layers.Dense(1)`."
        )
    squashing = _final_squashing(discriminator, shape, conditions)
    if squashing:
        raise ValueError(
            "`discriminator` must return logits a(x), with D(x) = sigmoid(a(x)); "
            f"received one that ends in a {squashing}. Return logits: end it in "
            "`keras.layers.Dense(1)` without activation."
        )
    return shape, conditions


def _symbolic_output(
    network: Any, network_input: keras.KerasTensor, given: dict, rule: str
) -> Any:
    try:
        return call_network(network, network_input, given)
    except Exception as error:
        raise ValueError(
            f"{rule}; received {type(network).__name__} {network.name!r}, which fails on "
            f"it: {error}"
        ) from error


def _describe(outputs: Any) -> str:
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(outputs)]
    return f"shape {shapes[0]}" if len(shapes) == 1 else f"{len(shapes)} outputs: {shapes}"


def _final_squashing(
    discriminator: Any, shape: tuple, conditions: dict[str, tf.TensorSpec]
) -> str | None:
    """The name of the sigmoid or softmax that a network ends in, however written."""

    @tf.function(autograph=False)
    def trace(x: tf.Tensor, given: dict[str, tf.Tensor]) -> tf.Tensor:
        return call_network(discriminator, x, given, training=False)

    spec = tf.TensorSpec([None, *shape], discriminator.compute_dtype)
    operation = trace.get_concrete_function(spec, conditions).outputs[0].op
    while operation.type in _PASS_THROUGH:
        operation = operation.inputs[0].op
    return _SQUASHING.get(operation.type)


def check_stabilisers(
    loss: GANLoss,
    gradient_penalty: Any,
    gradient_penalty_weight: float,
    label_smoothing: float,
    generator_ema: float | None,
) -> None:
    """Raises a ValueError unless each is in its range; arguments as `GAN.compile`'s."""
    if gradient_penalty not in _PENALTIES:
        known = ", ".join(repr(name) for name in _PENALTIES)
        raise ValueError(
            f"`gradient_penalty` must be one of {known}; received {gradient_penalty!r}."
        )
    for name, value in (
        ("gradient_penalty_weight", gradient_penalty_weight),
        ("label_smoothing", label_smoothing),
        ("generator_ema", 0.0 if generator_ema is None else generator_ema),
    ):
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"`{name}` must be a number; received {value!r}.")
    if not (math.isfinite(gradient_penalty_weight) and gradient_penalty_weight >= 0):
        raise ValueError(
            "`gradient_penalty_weight` must be finite and at least 0; received "
            f"{gradient_penalty_weight}."
        )
    if generator_ema is not None and not 0.0 <= generator_ema < 1.0:
        raise ValueError(
            f"`generator_ema` must lie in [0, 1), or be None; received {generator_ema}."
        )
    # The loss checks the smoothing itself: call it on one example.
    loss.discriminator([0.0], [0.0], label_smoothing)


def check_compile_options(guard: Any, options: dict[str, Any]) -> None:
    """Raises a TypeError for options that `GAN.compile` does not take."""
    checks.check_bool(guard, "guard")
    for name in options:
        if name in _NOT_OURS:
            raise TypeError(
                f"`{name}` is no argument of `GAN.compile`: a GAN {_NOT_OURS[name]}; "
                f"received {options[name]!r}."
            )


def check_trainable(model: Any) -> None:
    """Raises a ValueError if a GAN has no weights to train."""
    if not model.trainable_variables:
        raise ValueError(
            "`fit` must have weights to train; received a GAN whose generator and "
            "discriminator are both frozen. Set `trainable = True` on one, and compile "
            "again."
        )


def check_data(
    x: Any,
    sample_shape: tuple,
    conditions: dict[str, tf.TensorSpec],
    name: str = "x",
) -> None:
    """Checks data as far as possible before the first step.

    Args:
        x: an array or tensor, a `tf.data.Dataset`, or something else that Keras takes,
            whose batches `check_batch` will see.
            With conditions a dict of such, of x and each condition.
        sample_shape: the shape of one sample of the generator.
        conditions: the conditions that the networks take.
        name: its name in errors.

    Raises:
        TypeError: if x is not floating point.
        ValueError: if x is empty, not finite or of another shape, or has labels; if a
            condition is missing, unknown, or of another shape or number of rows.
    """
    if isinstance(x, tf.data.Dataset):
        checks.check_batches(x, None if conditions else sample_shape, name)
        check_batch(x.element_spec, sample_shape, conditions, name)
    elif x is None or isinstance(x, list | str):
        received = x if x is None or isinstance(x, str) else type(x).__name__
        raise TypeError(
            f"`{name}` must be an array, a dict of arrays or a dataset; received "
            f"{received!r}."
        )
    elif isinstance(x, dict) or (hasattr(x, "shape") and hasattr(x, "dtype")):
        x, _ = check_batch(x, sample_shape, conditions, name)
        checks.check_array(x, name)


def check_batch(
    data: Any,
    sample_shape: tuple,
    conditions: dict[str, tf.TensorSpec],
    name: str = "x",
) -> tuple[Any, dict[str, Any]]:
    """The x of a batch, or its spec, and its conditions; raises as `check_data` does."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    if y is not None or weight is not None:
        raise ValueError(
            f"`{name}` must come alone; received labels or sample weights with it. Leave "
            "them out, `fit(x)` or `fit(dataset.map(lambda x, y: x))`: a GAN uses neither."
        )
    given = x if isinstance(x, dict) else {"x": x}
    if "x" not in given:
        raise ValueError(
            f"`{name}` must have an entry 'x', the data; received {sorted(given)}."
        )
    x = given["x"]
    if not (hasattr(x, "shape") and hasattr(x, "dtype")):
        raise TypeError(f"`{name}` must be one tensor; received {type(x).__name__}.")
    dtype = tf.as_dtype(x.dtype)
    if not dtype.is_floating:
        raise TypeError(
            f"`{name}` must be floating point; received {dtype.name}. Cast it, and scale "
            "it to the range of the generator's samples."
        )
    checks.check_event(
        tuple(x.shape),
        name,
        sample_shape,
        "That is the shape of the generator's samples, which the discriminator compares "
        "with the data.",
    )
    others = {key: value for key, value in given.items() if key != "x"}
    return x, check_conditions(others, conditions, x.shape[0], name)
