"""What a GAN asks of its two networks, checked before the first step."""

import keras
import tensorflow as tf

__all__ = ["check_networks"]

# Operations between a squashing function and the output that don't hide it.
_PASS_THROUGH = {"Cast", "Identity", "Reshape", "Squeeze"}
_SQUASHING = {"Sigmoid": "sigmoid", "Softmax": "softmax"}


def check_networks(
    generator: keras.Model, discriminator: keras.Model, latent_dim: int
) -> tuple[int | None, ...]:
    """Builds the networks, where they are not, and checks that they fit.

    Args:
        generator: z `[batch, latent_dim]` → samples `[batch, ...]`.
        discriminator: samples → logits `[batch, 1]` or `[batch]`.
        latent_dim: the size of z.

    Returns:
        The shape of one sample.

    Raises:
        TypeError: If a network is no Keras layer or model.
        ValueError: If they don't fit each other or `latent_dim`, or the discriminator
            returns anything but one logit an example.
    """
    networks = {"generator": generator, "discriminator": discriminator}
    for name, network in networks.items():
        if not isinstance(network, keras.layers.Layer):
            raise TypeError(
                f"`{name}` must be a Keras model or layer; received {network!r}."
            )
    sample = _symbolic_output(
        generator,
        keras.Input([latent_dim]),
        f"`generator` must take z of shape (batch, {latent_dim}), by `latent_dim`",
    )
    if not isinstance(sample, keras.KerasTensor):
        raise ValueError(
            f"`generator` must have one output, the samples; received {_describe(sample)}."
        )
    shape = tuple(sample.shape)[1:]
    logits = _symbolic_output(
        discriminator,
        keras.Input(shape, dtype=sample.dtype),
        f"`discriminator` must take what `generator` makes, samples of shape {shape}",
    )
    if not isinstance(logits, keras.KerasTensor) or not (
        len(logits.shape) == 1 or (len(logits.shape) == 2 and logits.shape[1] == 1)
    ):
        raise ValueError(
            "`discriminator` must return one logit an example, shape (batch, 1); "
            f"received {_describe(logits)}. End it in `keras.layers.Dense(1)`."
        )
    squashing = _final_squashing(discriminator, shape)
    if squashing:
        raise ValueError(
            "`discriminator` must return logits, a(x) with D(x) = sigmoid(a(x)); "
            f"received one that ends in a {squashing}. Return logits: end it in "
            "`keras.layers.Dense(1)` without activation."
        )
    return shape


def _symbolic_output(network, network_input, rule):
    try:
        return network(network_input)
    except Exception as error:
        raise ValueError(
            f"{rule}; received {type(network).__name__} {network.name!r}, which "
            f"fails on it: {error}"
        ) from error


def _describe(outputs):
    if isinstance(outputs, keras.KerasTensor):
        return f"shape {tuple(outputs.shape)}"
    shapes = [tuple(tensor.shape) for tensor in keras.tree.flatten(outputs)]
    return f"{len(shapes)} outputs, of shapes {shapes}"


def _final_squashing(discriminator, shape):
    """The name of the sigmoid or softmax that a network ends in, however written."""

    @tf.function(
        input_signature=[tf.TensorSpec([None, *shape], discriminator.compute_dtype)]
    )
    def trace(x):
        return discriminator(x, training=False)

    operation = trace.get_concrete_function().outputs[0].op
    while operation.type in _PASS_THROUGH:
        operation = operation.inputs[0].op
    return _SQUASHING.get(operation.type)
