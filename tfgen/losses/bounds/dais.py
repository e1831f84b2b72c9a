"""Annealed importance sampling that can be differentiated, as a bound."""

import math
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import FactoredDistribution, is_relaxed, sample
from tfgen.layers.arguments import number_above, number_between, positive_integer
from tfgen.losses.bounds.base import Bound, Evaluation
from tfgen.losses.leapfrog import flattening, leapfrog, point_function
from tfgen.losses.reductions import iwlb
from tfgen.losses.weights import Draws, LogLikelihood, log_weights

tfd = tfp.distributions

__all__ = ["DAIS"]

# The draws that estimate a posterior's spread where TFP has no standard deviation of it.
_PILOT_DRAWS = 16


@keras.saving.register_keras_serializable("tfgen")
class DAIS(Bound):
    """Differentiable annealed importance sampling: z moves from q(z|x) towards p(z|x).

    z_0 is a draw from q, v_0 one from N(0, I). Step i = 1..T is one of Hamiltonian
    dynamics along q^(1 - t) p(x, z)^t, t = i / T, from (z, v)_(i-1) to (z_i, v'_i), which
    keeps volume; then the momentum is partly drawn anew,
    v_i = r v'_i + sqrt(1 - r^2) eps_i. The weight of a chain is

        log w = log p(x, z_T) - log q(z_0) + sum_i (log N(v'_i) - log N(v_(i-1))),

    and the bound is log mean w over K chains. E w = p(x) for any step size, as no step is
    accepted or refused; so its mean is a **lower** bound on log p(x), tighter than L_K
    where the steps are small enough. Encoder, decoder and prior are trained through the
    whole chain: a step takes the gradient of log p(x, z) in z, and the training the
    gradient of that.

    Logged as `dais`; `reconstruction` is log p(x|z_T).

    Args:
        num_steps: T.
        num_samples: K.
        step_size: of the dynamics, in standard deviations of q a dimension, above 0. Too
            large a step makes the weights vary without bound.
        momentum: r, the share of the momentum that a step leaves to the next, in [0, 1];
            with 0 each step is one of Langevin dynamics without correction.

    Raises:
        TypeError: if `num_steps` or `num_samples` is no integer, or another no number.
        ValueError: if one is out of range; at `compile`, if a latent is discrete, relaxed,
            or can't be reparameterized.

    Source: Zhang, Hsu, Li, Finn, Grosse. Differentiable annealed importance sampling and
    the perils of gradient noise. arXiv 2107.10211; Thin et al. Monte Carlo variational
    auto-encoders. arXiv 2106.15921, for momentum 0.

    >>> DAIS(num_steps=4)
    DAIS(num_steps=4, num_samples=1, step_size=0.5, momentum=0.5)
    """

    label = "dais"

    def __init__(
        self,
        num_steps: int = 5,
        num_samples: int = 1,
        step_size: float = 0.5,
        momentum: float = 0.5,
    ) -> None:
        super().__init__(num_samples)
        self.num_steps = positive_integer(num_steps, "num_steps")
        self.step_size = number_above(0.0, step_size, "step_size")
        self.momentum = number_between(momentum, 0.0, 1.0, "momentum")

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """log mean w, `[B]`."""
        return iwlb(log_weights, log_mass)

    def temperature(self, i: int) -> float:
        """t of step i, from 1 to `num_steps`."""
        return i / self.num_steps

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if q's draws can't be moved along a gradient."""
        super().check(posterior, prior)
        several = isinstance(posterior, FactoredDistribution)
        if any(posterior.is_relaxed.values()) if several else is_relaxed(posterior):
            raise ValueError(
                f"`loss` {self!r} moves z along a gradient, which may leave the simplex "
                f"that relaxed latents lie in; received a posterior {posterior.name!r}. "
                "Use `tfgen.losses.IWLB`."
            )

    def evaluate(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        log_likelihood: LogLikelihood,
        key: tf.Tensor,
    ) -> Evaluation:
        """The bound at a batch; see `Bound.evaluate`."""
        first = self._estimator.draw(posterior, key, self.num_samples)
        draws = self._moved(posterior, prior, log_likelihood, key, first)
        terms = log_weights(posterior, prior, log_likelihood, z=draws)
        return self._evaluation(self.reduce(terms.total), terms, draws)

    def _moved(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        log_likelihood: LogLikelihood,
        key: tf.Tensor,
        first: Draws,
    ) -> Draws:
        """The draws at the end of their chains, with the chains' part of the weights."""
        to_vector, to_latents = flattening(first.z)

        def densities(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            terms = log_weights(posterior, prior, log_likelihood, z=to_latents(z))
            return terms.log_posterior, terms.log_joint

        evaluate = point_function(densities)
        point = evaluate(to_vector(first.z))
        dtype, size = point.z.dtype, point.z.shape[-1]
        step_size = self.step_size * _spread(posterior, key, size)

        def noise(i: int) -> tf.Tensor:
            keys = random.stream(key, random.Stream.CHAIN, i)
            return random.normal(keys, [size], self.num_samples, dtype=dtype)

        momentum, log_q = noise(0), first.log_posterior
        # No loop of TensorFlow's: XLA has no gradient of one with a density inside.
        for i in range(1, self.num_steps + 1):
            log_q -= 0.5 * tf.reduce_sum(tf.square(momentum), axis=-1)
            t = self.temperature(i)
            momentum, point = leapfrog(evaluate, point, momentum, t, step_size, 1)
            log_q += 0.5 * tf.reduce_sum(tf.square(momentum), axis=-1)
            if i < self.num_steps:
                fresh = math.sqrt(1.0 - self.momentum**2) * noise(i)
                momentum = self.momentum * momentum + fresh
        return Draws(to_latents(point.z), log_q)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "num_steps": self.num_steps,
            "num_samples": self.num_samples,
            "step_size": self.step_size,
            "momentum": self.momentum,
        }


def _spread(posterior: tfd.Distribution, key: tf.Tensor, size: int) -> tf.Tensor:
    """q's standard deviation in each dimension, `[B, D]`; of draws where it has none."""
    if not isinstance(posterior, FactoredDistribution):
        try:
            return tf.reshape(posterior.stddev(), [-1, size])
        except NotImplementedError:
            pass
    draws = sample(posterior, random.stream(key, random.Stream.TUNE), _PILOT_DRAWS)
    return tf.math.reduce_std(flattening(draws)[0](draws), axis=0)
