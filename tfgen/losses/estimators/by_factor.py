"""An estimator for each of several latents."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import FactoredDistribution
from tfgen.losses.estimators.base import Estimator, Objective
from tfgen.losses.estimators.enumeration import Enumerate, check_enumerable
from tfgen.losses.estimators.factors import draw_factors, example_factors
from tfgen.losses.estimators.reparameterized import Reparameterized
from tfgen.losses.estimators.score_function import ScoreFunction
from tfgen.losses.weights import Draws, LogWeights

tfd = tfp.distributions

__all__ = ["ByFactor"]


@keras.saving.register_keras_serializable("tfgen")
class ByFactor(Estimator):
    """One estimator for each latent of a joint posterior, in any order of drawing.

    A loss makes it of a dict: `ELBO(estimator={"y": "enumerate", "z": "reparameterized"})`.
    K draws of the latents that are drawn are taken for each combination of the values of
    those that are enumerated. A latent's estimator is `"reparameterized"`, `"enumerate"`,
    or one of the score-function estimators, which can't go with `"enumerate"`.

    Args:
        estimators: by the latents' names: `Estimator`s.

    Raises:
        ValueError: if an estimator can't be used for one latent of several, or two of them
            can't go together.

    >>> ByFactor({"y": Enumerate(), "z": Reparameterized()})
    ByFactor({'y': 'enumerate', 'z': 'reparameterized'})
    """

    name = "by factor"

    def __init__(self, estimators: Mapping[str, Any]) -> None:
        if not isinstance(estimators, Mapping):
            raise TypeError(
                "`estimators` must be a dict of estimators by the latents' names; received "
                f"{estimators!r}. Pass one such as {{'z': 'stl'}} to the loss."
            )
        if not estimators:
            raise ValueError(
                "`estimators` must hold an estimator for each latent; received {}."
            )
        self.estimators: dict[str, Estimator] = {
            name: keras.saving.deserialize_keras_object(e) if isinstance(e, dict) else e
            for name, e in estimators.items()
        }
        for name, estimator in self.estimators.items():
            received = getattr(estimator, "name", estimator)
            if not isinstance(estimator, Reparameterized | Enumerate | ScoreFunction):
                raise ValueError(
                    f"`estimator[{name!r}]` must be 'reparameterized', 'enumerate' or a "
                    "score-function estimator, such as 'vimco'; received "
                    f"{received!r}, which applies only to a posterior as a whole."
                )
        if self.enumerates and self._names(ScoreFunction):
            raise ValueError(
                "`estimator` must not enumerate one latent and take the score function of "
                f"another; received {self!r}. Use 'vimco' or 'reinforce' for both."
            )

    def _names(self, kind: type[Estimator]) -> set[str]:
        return {name for name, e in self.estimators.items() if isinstance(e, kind)}

    @property
    def min_samples(self) -> int:  # type: ignore[override]  # computed
        """The least K that every latent's estimator takes."""
        return max(estimator.min_samples for estimator in self.estimators.values())

    @property
    def keeps_kl(self) -> bool:  # type: ignore[override]
        """Whether a KL divergence in closed form may be differentiated directly."""
        return all(estimator.keeps_kl for estimator in self.estimators.values())

    @property
    def enumerates(self) -> bool:  # type: ignore[override]
        """Whether a latent is enumerated."""
        return bool(self._names(Enumerate))

    def check(self, posterior: tfd.Distribution, num_samples: int) -> None:
        """Raises a ValueError unless every latent has an estimator that applies to it."""
        if not isinstance(posterior, FactoredDistribution):
            raise ValueError(
                "`estimator` by latent needs a posterior over several latents, a "
                "`tfgen.layers.JointDistribution`; received one over a tensor, and "
                f"{self!r}. Pass one estimator."
            )
        names = list(posterior.layer.factors)
        missing = [name for name in names if name not in self.estimators]
        unknown = [name for name in self.estimators if name not in names]
        if missing or unknown:
            raise ValueError(
                f"`estimator` must name each latent of the posterior, {names}, once; "
                f"received {list(self.estimators)}, where {missing} are missing and "
                f"{unknown} are unknown."
            )
        factors = example_factors(posterior)
        for name, estimator in self.estimators.items():
            try:
                estimator.check(factors[name], num_samples)
            except ValueError as error:
                raise ValueError(f"for the latent {name!r}: {error}") from None
        check_enumerable([factors[name] for name in self._names(Enumerate)])

    def draw(self, posterior: tfd.Distribution, key: tf.Tensor, num_samples: int) -> Draws:
        """Values of each latent, as its estimator takes them; see `Estimator.draw`."""
        enumerated, held = self._names(Enumerate), self._names(ScoreFunction)
        return draw_factors(posterior, key, num_samples, enumerated, held)

    def surrogate(self, objective: Objective, terms: LogWeights, draws: Draws) -> tf.Tensor:
        """The objective, and the scores of each latent that has some."""
        total = objective(terms, draws.log_mass)
        for name, estimator in self.estimators.items():
            if isinstance(estimator, ScoreFunction):
                assert draws.log_factors is not None
                total += estimator.scores(objective, terms, draws.log_factors[name])
        return total

    def describe(self, num_samples: int) -> str:
        """How a bound is estimated, in a few words."""
        parts = [f"{name} by {e.name!r}" for name, e in self.estimators.items()]
        return f"{num_samples} samples, {', '.join(parts)}"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.saving.serialize_keras_object
        return {"estimators": {name: serialize(e) for name, e in self.estimators.items()}}

    def __repr__(self) -> str:
        return f"ByFactor({ {name: e.name for name, e in self.estimators.items()} })"
