"""Discriminator rejection sampling."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfgen import random
from tfgen.models import checks
from tfgen.models.gan.corrections.base import (
    Corrected,
    Correction,
    choose,
    log_uniform,
    propose,
)
from tfgen.random import Stream

__all__ = ["RejectionSampling"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RejectionSampling(Correction):
    """Accepts a sample with probability exp(a(x) - M), where M is the largest a [1].

    Each row has `num_proposals` samples of the generator and takes the first that is
    accepted. With the acceptance rate r = exp(-M), no proposal of a row is accepted with
    probability (1 - r)^num_proposals; the row then gets one of its proposals, drawn in
    proportion to their probabilities of being accepted, which follows the corrected law
    only approximately.

    If a is above M, the probability is 1, so that samples follow p_gen min(e^a, e^M): a
    lower M accepts more and corrects less. This replaces the percentile of [1].

    Args:
        num_proposals: the largest number of proposals for a row, at least 1. Rows that are
            done wait for the last one.
        log_bound: M, in nats. `None` uses that of the calibration, or otherwise the largest
            a of 10,000 samples, which are then drawn in every call.
        calibration: as `Correction`'s.

    Raises:
        TypeError: if `num_proposals` is not an integer or `log_bound` not a number.
        ValueError: if `num_proposals` is below 1 or `log_bound` not finite.

    >>> import tfgen
    >>> tfgen.models.RejectionSampling(num_proposals=100).num_proposals
    100

    [1] Azadi et al. Discriminator rejection sampling. arXiv 1810.06758.
    """

    num_proposals: int = 64
    log_bound: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive_integer(self.num_proposals, "num_proposals")
        if self.log_bound is not None:
            checks.finite_number(self.log_bound, "log_bound")

    def latents(
        self,
        keys: tf.Tensor,
        latent_dim: int,
        log_ratio: Callable[[tf.Tensor], tf.Tensor],
        log_bound: tf.Tensor,
    ) -> Corrected:
        """Draws one z for each key; see `Correction.latents`."""
        rows = tf.shape(keys)[0]

        def propose_once(
            number: tf.Tensor,
            z: tf.Tensor,
            score: tf.Tensor,
            done: tf.Tensor,
            tried: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            proposal = propose(keys, latent_dim, number)
            log_probability = tf.minimum(log_ratio(proposal) - log_bound, 0.0)
            accept = log_uniform(keys, number) < log_probability
            # The largest of log p + Gumbel is a draw in proportion to p.
            new_score = log_probability + _gumbel(keys, number)
            take = tf.logical_not(done) & (accept | (new_score > score))
            return (
                number + 1,
                choose(take, proposal, z),
                tf.where(take, new_score, score),
                done | accept,
                tried + tf.cast(tf.logical_not(done), tf.int32),
            )

        start = (
            tf.constant(0),
            propose(keys, latent_dim, 0),
            tf.fill([rows], float("-inf")),
            tf.fill([rows], False),
            tf.zeros([rows], tf.int32),
        )
        _, z, _, done, tried = tf.while_loop(
            lambda number, z, score, done, tried: tf.logical_not(tf.reduce_all(done)),
            propose_once,
            start,
            maximum_iterations=self.num_proposals,
        )
        return Corrected(z, tf.cast(done, tf.int32), tried)


def _gumbel(keys: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    uniform = random.uniform(random.stream(keys, Stream.RESAMPLE), first_sample=number)
    return -tf.math.log(-tf.math.log(uniform))
