"""Metropolis-Hastings over a generator's samples."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tfgen.models import checks
from tfgen.models.gan.corrections.base import (
    Corrected,
    Correction,
    choose,
    log_uniform,
    propose,
)

__all__ = ["MetropolisHastings"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetropolisHastings(Correction):
    """A chain of samples of the generator for each row, of which the last is returned [1].

    A new sample x' replaces x with probability min(1, exp(a(x') - a(x))), for which the
    chain's stationary law is the data's. It starts at a sample, not at an example of the
    data as in [1], so that a served model needs no data. With a at most M the distance to
    the stationary law is at most (1 - exp(-M))^num_steps in total variation.

    Args:
        num_steps: steps of the chain, at least 1.
        calibration: as `Correction`'s.

    Raises:
        TypeError: if `num_steps` is not an integer.
        ValueError: if it is below 1.

    >>> import tfgen
    >>> tfgen.models.MetropolisHastings(num_steps=640).num_steps
    640

    [1] Turner et al. Metropolis-Hastings generative adversarial networks.
        arXiv 1811.11357.
    """

    num_steps: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive_integer(self.num_steps, "num_steps")

    def latents(
        self,
        keys: tf.Tensor,
        latent_dim: int,
        log_ratio: Callable[[tf.Tensor], tf.Tensor],
        log_bound: tf.Tensor,
    ) -> Corrected:
        """Draws one z for each key; see `Correction.latents`."""
        first = propose(keys, latent_dim, 0)

        def step(
            number: tf.Tensor, z: tf.Tensor, ratio: tf.Tensor, accepted: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            proposal = propose(keys, latent_dim, number)
            new_ratio = log_ratio(proposal)
            accept = log_uniform(keys, number) < new_ratio - ratio
            return (
                number + 1,
                choose(accept, proposal, z),
                tf.where(accept, new_ratio, ratio),
                accepted + tf.cast(accept, tf.int32),
            )

        rows = tf.shape(keys)[0]
        _, z, _, accepted = tf.while_loop(
            lambda number, *_: number <= self.num_steps,
            step,
            (tf.constant(1), first, log_ratio(first), tf.zeros([rows], tf.int32)),
        )
        return Corrected(z, accepted, tf.fill([rows], self.num_steps))
