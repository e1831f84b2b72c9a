"""The base of corrections: functions from row keys to latents of the corrected law."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from tfgen import random
from tfgen.models.gan.corrections.calibration import Calibration
from tfgen.random import Stream

__all__ = ["Corrected", "Correction", "choose", "log_uniform", "propose"]


class Corrected(NamedTuple):
    """Latents of the corrected law, and their numbers of proposals.

    Attributes:
        z: `[B, latent_dim]`.
        num_accepted: the number of proposals accepted for each row, int32 `[B]`.
        num_proposals: the number of proposals of each row, int32 `[B]`.
    """

    z: tf.Tensor
    num_accepted: tf.Tensor
    num_proposals: tf.Tensor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Correction:
    """Base of the corrections of a GAN's samples by its log-ratio.

    With a(x) = log p_data(x) - log p_gen(x), samples G(z) of latents of the law

        p(z | corrected) = N(z; 0, I) exp(a(G(z)))

    are distributed as the data, on the support of the generator. A correction draws such z.
    It keeps no state: a row's result depends on the row's key alone, and the largest number
    of proposals for a row is fixed. Adding a constant to a changes nothing.

    A subclass is a frozen dataclass, so that equal corrections share a compiled program,
    and implements `latents`.

    Args:
        calibration: the result of `GAN.calibrate`, or `None` to use the logit unchanged.
    """

    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if self.calibration is not None and not isinstance(self.calibration, Calibration):
            raise TypeError(
                "`calibration` must be what `GAN.calibrate` returns, or None; received "
                f"{self.calibration!r}."
            )

    def latents(
        self,
        keys: tf.Tensor,
        latent_dim: int,
        log_ratio: Callable[[tf.Tensor], tf.Tensor],
        log_bound: tf.Tensor,
    ) -> Corrected:
        """Draws one z for each key.

        Args:
            keys: of rows, `uint32 [B, 2]`.
            latent_dim: the size of z.
            log_ratio: from z `[B, latent_dim]` to calibrated a(G(z)), float32 `[B]`.
            log_bound: an upper bound of a, a scalar, for `RejectionSampling`; 0 for others.
        """
        raise NotImplementedError


def propose(keys: tf.Tensor, latent_dim: int, number: Any) -> tf.Tensor:
    """Proposal `number` of each row, `[B, latent_dim]`; number 0 is what `sample` draws."""
    latent_keys = random.stream(keys, Stream.LATENT)
    return random.normal(latent_keys, [latent_dim], first_sample=number)


def log_uniform(keys: tf.Tensor, number: Any) -> tf.Tensor:
    """The logarithm of the uniform number that decides on proposal `number`, `[B]`."""
    return tf.math.log(
        random.uniform(random.stream(keys, Stream.ACCEPT), first_sample=number)
    )


def choose(take: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """Row by row, `new` where `take` `[B]` is true, else `old`; both `[B, D]`."""
    return tf.where(take[:, tf.newaxis], new, old)
