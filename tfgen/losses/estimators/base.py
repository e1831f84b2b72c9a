"""What a gradient estimator is."""

from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import FactoredDistribution, sample_and_log_prob, unwrap
from tfgen.layers.arguments import check_distribution
from tfgen.losses.weights import Draws, LogWeights

tfd = tfp.distributions

__all__ = ["Estimator", "Objective", "Pathwise", "is_pathwise"]

Objective = Callable[[LogWeights, tf.Tensor | None], tf.Tensor]


class Estimator:
    """Base of the gradient estimators: how z is drawn, and what is differentiated.

    An estimator never changes the value of a bound, only its gradient. A subclass defines

    - `name`, by which a loss may ask for it;
    - `check(posterior, num_samples)`, which refuses posteriors that it does not apply to;
    - `draw(...)`, values of z with log q(z|x), whose gradients are the estimator's;
    - `surrogate(...)`, what is differentiated in the bound's place, where that is not
      the bound itself;
    - `min_samples`, the least K; `keeps_kl`, whether a KL divergence in closed form may be
      differentiated directly; `enumerates`, whether it sums over values of z instead
      of drawing them. Their defaults are 1, false and false.
    """

    name: ClassVar[str]
    min_samples: int = 1
    keeps_kl: bool = False
    enumerates: bool = False

    def for_bound(self, bound: Any) -> "Estimator":
        """The estimator as `bound`, a `tfgen.losses.Bound`, is to use it.

        Itself, unless what the estimator does depends on how weights are reduced.
        """
        return self

    def check(self, posterior: tfd.Distribution, num_samples: int) -> None:
        """Raises a ValueError if the estimator does not apply.

        Args:
            posterior: q(z|x), as the encoder returns it.
            num_samples: K.
        """

    def draw(self, posterior: tfd.Distribution, key: tf.Tensor, num_samples: int) -> Draws:
        """Values of z with log q(z|x), with the gradients that the estimator needs.

        Args:
            posterior: q(z|x), of batch shape `[B]`.
            key: the rows' keys, `uint32 [B, 2]`.
            num_samples: K.

        Returns:
            `Draws`, of z `[K, B, *latent]`, or a dict of such tensors.
        """
        raise NotImplementedError

    def surrogate(self, objective: Objective, terms: LogWeights, draws: Draws) -> tf.Tensor:
        """What is differentiated: a tensor `[B]` whose gradient is the estimator's.

        Args:
            objective: the reduction that is maximised, from the terms and `log_mass` to
                `[B]`.
            terms: of the log-weights, `[K, B]` each, at the draws.
            draws: what `draw` returned.
        """
        return objective(terms, draws.log_mass)

    def describe(self, num_samples: int) -> str:
        """How a bound is estimated, in a few words."""
        return f"{num_samples} samples, {self.name} gradients"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Estimator":
        """The estimator that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def is_pathwise(posterior: tfd.Distribution) -> bool:
    """Whether every draw is a function of the parameters and noise."""
    check_distribution(posterior, "posterior")
    kind = posterior.reparameterization_type
    return all(part == tfd.FULLY_REPARAMETERIZED for part in tf.nest.flatten(kind))


class Pathwise(Estimator):
    """Base of the estimators that differentiate through z = z(parameters, noise).

    A subclass defines in `hold` what is constant in the backward pass.
    """

    def check(self, posterior: tfd.Distribution, num_samples: int) -> None:
        """Raises a ValueError unless the posterior can be reparameterized."""
        if is_pathwise(posterior):
            return
        received = f"{type(unwrap(posterior)).__name__} {posterior.name!r}"
        if isinstance(posterior, FactoredDistribution):
            kinds = posterior.reparameterization_type
            names = [n for n, k in kinds.items() if k != tfd.FULLY_REPARAMETERIZED]
            received = f"one whose latents {names} can't"
        raise ValueError(
            f"`estimator` {self.name!r} needs a posterior that can be reparameterized; "
            f"received {received}."
        )

    def draw(self, posterior: tfd.Distribution, key: tf.Tensor, num_samples: int) -> Draws:
        """Draws from the posterior; see `Estimator.draw`."""
        draws = Draws(*sample_and_log_prob(posterior, key, num_samples))
        return self.hold(posterior, draws)

    def hold(
        self,
        posterior: tfd.Distribution,
        draws: Draws,
        weights: tf.Tensor | None = None,
    ) -> Draws:
        """The same draws, with the gradients that the estimator needs.

        Args:
            posterior: q(z|x), of batch shape `[B]`.
            draws: from it, differentiable in z and in log q(z|x).
            weights: the normalised weights of the draws, `[K, B]`, where they are known
                already; otherwise they are those of the bound that is differentiated.
        """
        raise NotImplementedError
