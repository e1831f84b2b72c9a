"""Langevin steps in the latent space."""

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

__all__ = ["LatentLangevin"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentLangevin(Correction):
    """Langevin steps of z towards the law N(z; 0, I) exp(a(G(z))), DDLS [1].

    With h the step size and n ~ N(0, I),

        z' = z + h^2/2 d/dz [log N(z; 0, I) + a(G(z))] + h n,

    accepted or rejected by the Metropolis-Hastings rule, which [1] omits: with it the
    stationary law is exact for any h. Steps are small, so a chain finds modes near its
    start; if samples must move between distant modes, use another correction.

    Args:
        num_steps: steps of the chain, at least 1.
        step_size: h, positive. At the best value about 0.57 of the steps are accepted; if
            it is too small, all are.
        calibration: as `Correction`'s.

    Raises:
        TypeError: if `num_steps` is not an integer or `step_size` not a number.
        ValueError: if `num_steps` is below 1 or `step_size` not positive and finite.

    >>> import tfgen
    >>> tfgen.models.LatentLangevin(step_size=0.1).num_steps
    100

    [1] Che et al. Your GAN is secretly an energy-based model and you should use
        discriminator driven latent sampling. arXiv 2003.06060.
    """

    num_steps: int = 100
    step_size: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.positive_integer(self.num_steps, "num_steps")
        checks.positive_number(self.step_size, "step_size")

    def latents(
        self,
        keys: tf.Tensor,
        latent_dim: int,
        log_ratio: Callable[[tf.Tensor], tf.Tensor],
        log_bound: tf.Tensor,
    ) -> Corrected:
        """Draws one z for each key; see `Correction.latents`."""
        noise_keys = random.stream(keys, Stream.LANGEVIN)
        size = self.step_size

        def log_density(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            """Unnormalised, `[B]`, and the mean of the next step from there."""
            with tf.GradientTape() as tape:
                tape.watch(z)
                value = log_ratio(z) - 0.5 * tf.reduce_sum(z * z, axis=1)
            return value, z + 0.5 * size**2 * tape.gradient(value, z)

        def step(
            number: tf.Tensor,
            z: tf.Tensor,
            density: tf.Tensor,
            mean: tf.Tensor,
            accepted: tf.Tensor,
        ) -> tuple[tf.Tensor, ...]:
            noise = random.normal(noise_keys, [latent_dim], first_sample=number)
            proposal = mean + size * noise
            new_density, new_mean = log_density(proposal)
            back = tf.reduce_sum(tf.square((z - new_mean) / size), axis=1)
            forth = tf.reduce_sum(tf.square(noise), axis=1)
            log_probability = new_density - density + 0.5 * (forth - back)
            accept = log_uniform(keys, number) < log_probability
            return (
                number + 1,
                choose(accept, proposal, z),
                tf.where(accept, new_density, density),
                choose(accept, new_mean, mean),
                accepted + tf.cast(accept, tf.int32),
            )

        rows = tf.shape(keys)[0]
        first = propose(keys, latent_dim, 0)
        _, z, _, _, accepted = tf.while_loop(
            lambda number, *_: number < self.num_steps,
            step,
            (tf.constant(0), first, *log_density(first), tf.zeros([rows], tf.int32)),
        )
        return Corrected(z, accepted, tf.fill([rows], self.num_steps))
