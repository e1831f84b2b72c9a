"""The parts of a model in words, for `summary`."""

from typing import Any

import tensorflow as tf

__all__ = ["describe_parts"]


def describe_parts(model: Any, posterior: Any) -> dict[str, str]:
    """A line each on encoder, decoder and prior of a built model.

    Args:
        model: a `VAE`.
        posterior: q(z|x, c) for any example.
    """
    structure = model.structure
    latents, conditions = ", ".join(structure.latents), structure.conditions
    beside = f"|{', '.join(conditions)}" if conditions else ""
    zeros = {name: tf.zeros([1, *shape]) for name, shape in structure.latents.items()}
    likelihood = model.decode(
        zeros if structure.is_joint else zeros["z"],
        {name: _zeros(structure.given[name]) for name in conditions} or None,
    )
    sizes = ", ".join(f"{n} {list(shape)}" for n, shape in structure.latents.items())
    return {
        "Encoder": f"q({latents}|{', '.join(structure.given)}), {_family(posterior)} over "
        f"{sizes}, by {model.encoder.name!r}",
        "Decoder": f"p(x|{', '.join([*structure.latents, *conditions])}), "
        f"{_family(likelihood)} over x {list(structure.event_shape)}, by "
        f"{model.decoder.name!r}",
        "Prior": f"p({latents}{beside}), {_prior(model)}",
    }


def _zeros(spec: Any) -> tf.Tensor:
    return tf.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype)


def _family(distribution: Any) -> str:
    """The name of the layer that made a distribution; otherwise the distribution's name."""
    layer = getattr(distribution, "layer", None)
    return type(distribution).__name__ if layer is None else type(layer).__name__


def _prior(model: Any) -> str:
    given = model._given_prior
    return "N(0, I)" if given is None else type(given).__name__
