"""What a latent-variable model serves: its methods as functions of batches and seeds."""

import warnings
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import is_keyed_by_row
from tfgen.losses import iwlb
from tfgen.serving import Signature

tfd = tfp.distributions

__all__ = ["vae_signatures"]


def vae_signatures(model: Any, num_samples: int) -> dict[str, Signature]:
    """The signatures of a built `VAE`.

    Args:
        model: a `VAE`.
        num_samples: K of the signature `iwlb`.

    Returns:
        `sample`, `decode`, `encode`, `reconstruct` and `iwlb`, by name.
    """
    shapes = model.structure
    seed = tf.TensorSpec([None], tf.int64)
    z = tf.TensorSpec([None, *shapes.latent_shape], model.variable_dtype)
    _warn_if_drawn_by_row(model, z)

    def sample(seed: tf.Tensor) -> dict[str, tf.Tensor]:
        samples, mean = model._sample_by_key(random.row_keys(seed, 0, 0))
        return {"samples": samples, "mean": mean}

    def decode(z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mean": model.decoder(z, training=False).mean()}

    signatures = {
        "sample": Signature(sample, {"seed": seed}),
        "decode": Signature(decode, {"z": z}),
    }
    inputs = getattr(model.encoder, "inputs", None)
    shape = shapes.input_shape
    if not isinstance(shape, tuple) or not shape[1:] or not all(shape[1:]):
        return signatures  # nothing to be called by one tensor of a fixed shape
    dtype = inputs[0].dtype if inputs else model.variable_dtype
    x = tf.TensorSpec([None, *shape[1:]], dtype)

    def encode(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return _gaussian_parameters(model.encoder(x, training=False))

    def reconstruct(x: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mean": model._reconstruct(x, random.row_keys(seed, 0, 0)).mean()}

    def bound(x: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        keys = random.row_keys(seed, 0, 0)
        return {"iwlb": iwlb(model._log_weights((x, x), keys, 0, num_samples).total)}

    signatures["encode"] = Signature(encode, {"x": x})
    signatures["reconstruct"] = Signature(reconstruct, {"x": x, "seed": seed})
    if tuple(shape[1:]) == shapes.event_shape:
        signatures["iwlb"] = Signature(bound, {"x": x, "seed": seed})
    return signatures


def _gaussian_parameters(posterior: tfd.Distribution) -> dict[str, tf.Tensor]:
    """The mean, and, of a Gaussian, sigma `[B, D]` or S `[B, D, D]`."""
    outputs = {"mean": posterior.mean()}
    inner = getattr(posterior, "tensor_distribution", posterior)
    if isinstance(inner, tfd.MultivariateNormalLinearOperator):
        is_diagonal = isinstance(inner.scale, tf.linalg.LinearOperatorDiag)
        outputs["scale"] = inner.stddev() if is_diagonal else inner.scale.to_dense()
    elif isinstance(inner, tfd.Independent) and isinstance(inner.distribution, tfd.Normal):
        outputs["scale"] = inner.stddev()
    return outputs


def _warn_if_drawn_by_row(model: Any, z: tf.TensorSpec) -> None:
    parts = {
        "prior": model.prior,
        "decoder": model.decoder(tf.zeros([1, *z.shape[1:]], z.dtype), training=False),
    }
    for name, part in parts.items():
        if not is_keyed_by_row(part):
            inner = getattr(part, "tensor_distribution", part)
            warnings.warn(
                f"The {name}'s {type(inner).__name__} has no draw by row key: signature "
                "'sample' draws it one row at a time, which is slower.",
                stacklevel=4,
            )
