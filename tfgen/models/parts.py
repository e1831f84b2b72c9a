"""How encoder, prior and decoder fit together: found out on one example of zeros."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = [
    "Structure",
    "attach_prior",
    "check_distribution",
    "check_parts",
    "examine",
    "example",
    "known_input_shape",
    "standard_normal",
]


class Structure(NamedTuple):
    """What a latent-variable model is made of, once its input shape is known.

    Attributes:
        input_shape: the encoder's, as Keras gives it to `build`.
        latent_shape: of z.
        event_shape: of x, as the likelihood has it.
        check_support: raises a ValueError where data `(values, name)` can't be of the
            likelihood; a method, since Keras would track its layer.
    """

    input_shape: Any
    latent_shape: tuple[int, ...]
    event_shape: tuple[int, ...]
    check_support: Callable[[Any, str], None]


def check_parts(encoder: Any, decoder: Any, prior: Any) -> None:
    """Raises a TypeError if a part of a model is not of the right kind.

    Args:
        encoder: `None` for a model that makes its own.
        decoder: as a model was given it.
        prior: as a model was given it; `None` for N(0, I).
    """
    for name, part in (("encoder", encoder), ("decoder", decoder)):
        is_made = name == "encoder" and part is None
        if not is_made and not isinstance(part, keras.layers.Layer):
            raise TypeError(
                f"`{name}` must be a Keras model that ends in a distribution layer; "
                f"received {part!r} of type {type(part).__name__}."
            )
    if prior is not None and not isinstance(prior, tfd.Distribution | keras.layers.Layer):
        raise TypeError(
            "`prior` must be a `tfd.Distribution` or a Keras layer that returns one; "
            f"received {prior!r} of type {type(prior).__name__}."
        )
    if isinstance(prior, tfd.Distribution) and prior.trainable_variables:
        raise TypeError(
            "`prior` must be a Keras layer to be trained; received a "
            f"{type(prior).__name__} with {len(prior.trainable_variables)} "
            "`tf.Variable`s, which no Keras optimizer would update. Use a prior layer, "
            "or a distribution of constants."
        )


def standard_normal(shape: tuple[int, ...], dtype: Any) -> tfd.Distribution:
    """N(0, I) over `shape`."""
    zeros = tf.zeros(shape, dtype)
    if len(shape) == 1:
        return tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))
    return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), len(shape))


def example(model: keras.layers.Layer, input_shape: Any) -> Any:
    """One example of zeros, as `model` takes it."""
    inputs = getattr(model, "inputs", None)
    dtype = inputs[0].dtype if inputs else keras.backend.floatx()
    return keras.tree.map_shape_structure(
        lambda shape: tf.zeros([1, *(size or 1 for size in shape[1:])], dtype), input_shape
    )


def known_input_shape(model: keras.layers.Layer) -> Any:
    """The input shape of a functional or Sequential model, `None` where it is unknown."""
    try:
        return model.input_shape
    except (AttributeError, ValueError):
        return None


def examine(
    posterior: Any, prior: Any, decoder: keras.Model, input_shape: Any
) -> Structure:
    """Checks that the three distributions agree, and says what they are over.

    Args:
        posterior: what the encoder returned for one example.
        prior: p(z).
        decoder: from z to p(x|z).
        input_shape: the encoder's.

    Returns:
        A `Structure`.

    Raises:
        TypeError: if one of them is no distribution.
        ValueError: if their latent sizes don't agree.
    """
    latent = tuple(posterior.event_shape)
    if not isinstance(prior, tfd.Distribution):
        raise TypeError(
            "`prior` must return a distribution when it is called without arguments; "
            f"received {prior!r}."
        )
    if prior.batch_shape.rank != 0 or tuple(prior.event_shape) != latent:
        raise ValueError(
            "`prior` must be one distribution over the encoder's latent space, of batch "
            f"shape () and event shape {latent}; received batch shape "
            f"{tuple(prior.batch_shape)} and event shape {tuple(prior.event_shape)}. Give "
            f"both the same latent size{_independent_hint(prior)}."
        )
    accepted = known_input_shape(decoder)
    if accepted is not None and tuple(accepted[1:]) != latent:
        raise ValueError(
            "`decoder` must take the encoder's latent size: the encoder's posterior is "
            f"over {latent}; received a decoder of input shape {tuple(accepted)}. Give "
            "both the same latent size."
        )
    likelihood = decoder(tf.zeros([1, *latent], posterior.dtype))
    check_distribution(likelihood, "decoder", "IndependentBernoulli(event_shape)")
    layer = getattr(likelihood, "layer", None)
    check_support = (lambda values, name: None) if layer is None else layer.check_support
    return Structure(input_shape, latent, tuple(likelihood.event_shape), check_support)


def attach_prior(prior: Any, encoder: keras.Model, posterior: Any, shape: Any) -> None:
    """Shows the encoder to a prior that is made of posteriors, as a `VampPrior` is.

    Integers, such as an example's number in mean field, can't be trained as pseudo-inputs:
    there the posterior's raw parameters take their place.

    Args:
        prior: what has a method `attach(encoder, input_shape)`, or anything else.
        encoder: the model's.
        posterior: what it returned for one example.
        shape: its input shape.
    """
    if not hasattr(prior, "attach"):
        return
    inputs = getattr(encoder, "inputs", None)
    if inputs and tf.as_dtype(inputs[0].dtype).is_integer:
        prior.attach(posterior.layer, (None, posterior.raw_parameters.shape[-1]))
    else:
        prior.attach(encoder, shape)


def check_distribution(value: Any, part: str, instance: str) -> None:
    """Raises an error unless `value` is a batch of distributions over one example each."""
    if not isinstance(value, tfd.Distribution):
        raise TypeError(
            f"`{part}` must end in a distribution; received {type(value).__name__} of "
            f"shape {getattr(value, 'shape', None)}. End it in a layer such as "
            f"`tfgen.layers.{instance}`."
        )
    if value.batch_shape.rank != 1:
        raise ValueError(
            f"`{part}` must return one distribution an example, of batch shape (N,); "
            f"received batch shape {tuple(value.batch_shape)} and event shape "
            f"{tuple(value.event_shape)} for one example{_independent_hint(value)}."
        )


def _independent_hint(distribution: tfd.Distribution) -> str:
    if distribution.batch_shape.rank and not distribution.event_shape.rank:
        return ". Wrap it in `tfd.Independent`, or use a layer that does"
    return ""
