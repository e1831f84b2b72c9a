"""A GAN's signatures for serving: its methods as functions of batches and seeds."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfgen import random
from tfgen.models.gan.conditions import call_network
from tfgen.models.gan.corrected import corrected_by_key, find_log_bound
from tfgen.models.gan.corrections import Correction, get_correction
from tfgen.serving import Signature

__all__ = ["gan_signatures"]


def gan_signatures(
    model: Any, corrections: Mapping[str, str | Correction]
) -> dict[str, Signature]:
    """The signatures of a `GAN`: `sample`, `decode`, `sample_<name>` for each correction.

    Args:
        model: a `GAN`.
        corrections: as `GAN.export`'s.
    """

    def sample(seed: tf.Tensor, **given: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"samples": model._sample_by_key(random.row_keys(seed, 0, 0), given)}

    def decode(z: tf.Tensor, **given: tf.Tensor) -> dict[str, tf.Tensor]:
        samples = call_network(model._sampler, z, given, training=False)
        return {"samples": tf.cast(samples, model.variable_dtype)}

    seed = {"seed": tf.TensorSpec([None], tf.int64), **model.conditions}
    z = tf.TensorSpec([None, model.latent_dim], model.variable_dtype)
    signatures = {
        "sample": Signature(sample, seed),
        "decode": Signature(decode, {"z": z, **model.conditions}),
    }
    for name, correction in corrections.items():
        served = _served(model, get_correction(correction))
        signatures[f"sample_{name}"] = Signature(served, seed)
    return signatures


def _served(model: Any, correction: Correction) -> Callable:
    draw = corrected_by_key(model, correction)
    log_bound = find_log_bound(model, correction)

    def sample(seed: tf.Tensor, **given: tf.Tensor) -> dict[str, tf.Tensor]:
        bound = tf.constant(log_bound or 0.0, tf.float32)
        samples, corrected = draw(random.row_keys(seed, 0, 0), given, bound)
        return {"samples": samples, "num_accepted": corrected.num_accepted}

    return sample
