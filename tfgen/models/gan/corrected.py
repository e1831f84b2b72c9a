"""A GAN's samples under a correction, and its logits of many samples."""

from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from tfgen import random
from tfgen.models.gan.conditions import Conditions, call_network
from tfgen.models.gan.corrections import (
    Corrected,
    Correction,
    CorrectionReport,
    RejectionSampling,
    make_report,
)
from tfgen.random import Stream

__all__ = [
    "batches",
    "corrected_by_key",
    "find_log_bound",
    "ratio_keys",
    "sample_corrected",
    "sample_logits",
]

_BATCH = 1024  # rows in a batch
_BOUND_SAMPLES = 10_000  # their largest log-ratio is a correction's bound


def sample_corrected(
    model: Any, keys: tf.Tensor, given: Conditions, correction: Correction
) -> tuple[tf.Tensor, CorrectionReport]:
    """Corrected samples, one for each key, and their numbers of proposals.

    Args:
        model: a compiled `GAN`.
        keys: of rows, `uint32 [B, 2]`.
        given: its conditions, `[B, ...]` each.
        correction: of the samples.
    """
    log_bound = find_log_bound(model, correction)
    program = model.program(
        ("sample", correction),
        lambda: corrected_by_key(model, correction),
        reduce_retracing=True,
    )
    bound = tf.constant(log_bound or 0.0, tf.float32)
    parts = [program(*part, bound) for part in batches(keys, given)]
    samples, corrected = tf.nest.map_structure(
        lambda *values: tf.concat(values, axis=0), *parts
    )
    return samples, make_report(corrected, log_bound)


def corrected_by_key(model: Any, correction: Correction) -> Callable:
    """The function that draws corrected samples.

    Args:
        model: a compiled `GAN`.
        correction: of the samples.

    Returns:
        A function of keys `[B, 2]`, conditions and the bound M, to samples `[B, ...]` and
        a `Corrected`.
    """

    def draw(
        keys: tf.Tensor, given: Conditions, log_bound: tf.Tensor
    ) -> tuple[tf.Tensor, Corrected]:
        def log_ratio(z: tf.Tensor) -> tf.Tensor:
            samples = call_network(model._sampler, z, given, training=False)
            logits = tf.cast(model._logits(samples, given), tf.float32)
            calibration = correction.calibration
            return logits if calibration is None else calibration(logits)

        corrected = correction.latents(keys, model.latent_dim, log_ratio, log_bound)
        samples = call_network(model._sampler, corrected.z, given, training=False)
        return tf.cast(samples, model.variable_dtype), corrected

    return draw


def find_log_bound(model: Any, correction: Correction) -> float | None:
    """The bound M of a correction that needs one: given, from its calibration, or found.

    Args:
        model: a compiled `GAN`.
        correction: a correction, which may need a bound.

    Raises:
        ValueError: if none is given and the networks take conditions.
    """
    if not isinstance(correction, RejectionSampling):
        return None
    calibration, given = correction.calibration, correction.log_bound
    if given is not None:
        return float(given)
    if calibration is not None and calibration.log_bound is not None:
        return calibration.log_bound
    if model.conditions:
        raise ValueError(
            "`log_bound` of the correction must be given where networks take conditions, "
            "since the largest log-ratio depends on them; received None. Pass "
            "`calibration=gan.calibrate(...)`, which finds it on held-out data."
        )
    logits = sample_logits(model, ratio_keys(_BOUND_SAMPLES), {})
    largest = float(tf.reduce_max(logits))
    return largest if calibration is None else float(calibration(largest))


def ratio_keys(count: int) -> tf.Tensor:
    """The keys of the samples that a log-ratio is checked on, always the same."""
    return random.stream(random.row_keys(0, 0, tf.range(count)), Stream.RATIO)


def sample_logits(model: Any, keys: tf.Tensor, given: Conditions) -> tf.Tensor:
    """a(G(z)) of samples, `[B]`, computed in batches.

    Args:
        model: a `GAN`.
        keys: of rows, `uint32 [B, 2]`.
        given: its conditions, `[B, ...]` each.
    """

    def logits(keys: tf.Tensor, given: Conditions) -> tf.Tensor:
        samples = model._generate(model._sampler, keys, given)
        return model._logits(samples, given)

    program = model.program("sample_logits", lambda: logits, reduce_retracing=True)
    return tf.concat([program(*part) for part in batches(keys, given)], axis=0)


def batches(
    rows: tf.Tensor, given: Conditions, size: int = _BATCH
) -> Iterator[tuple[tf.Tensor, dict[str, tf.Tensor]]]:
    """Slices of at most `size` rows, each with its conditions."""
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield rows[part], {name: value[part] for name, value in given.items()}
