"""What a bound is: how log-weights are reduced over samples."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import FactoredDistribution, is_discrete, is_relaxed
from tfgen.layers.arguments import positive_integer
from tfgen.losses.estimators import Estimator, get_estimator, known_estimators
from tfgen.losses.reductions import elbo as average
from tfgen.losses.weights import Draws, LogLikelihood, LogWeights, log_weights

tfd = tfp.distributions

__all__ = ["Bound", "Evaluation", "is_half_relaxed"]


class Evaluation(NamedTuple):
    """A bound at a batch, in nats an example.

    Attributes:
        objective: `[B]`, what is maximised: the bound at the training beta, whose gradient
            is the estimator's.
        bound: `[B]`, the bound itself, at beta = 1, without gradient.
        reconstruction: `[B]`, E_q log p(x|z).
        kl: `[B]`, KL(q(z|x) || p(z)), or its Monte Carlo estimate.
        terms: of the log-weights, each `[K, B]`, without gradient.
        draws: the values of z that they are at, with the gradients of the estimator.
    """

    objective: tf.Tensor
    bound: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor
    terms: LogWeights
    draws: Draws


class Bound:
    """Base of the bounds: how log-weights are reduced, and by which gradient.

    A subclass defines `label`, which names its metric, `estimators`, the names of those
    that apply, and `reduce(log_weights, log_mass)`. Where its objective is not the reduced
    log-weights, it defines `objective` too.

    Args:
        num_samples: K, the number of posterior samples an example.
        estimator: the gradient estimator, a name or an object, see
            `tfgen.losses.estimators`.

    Raises:
        TypeError: if `num_samples` is no integer, or `estimator` neither a name nor an
            `Estimator`.
        ValueError: if `num_samples` is below 1, or if `estimator` is unknown or doesn't
            apply.
    """

    label: str
    estimators: tuple[str, ...] = ("reparameterized",)

    def __init__(self, num_samples: int, estimator: Any = "reparameterized") -> None:
        self.num_samples = positive_integer(num_samples, "num_samples")
        self.check_estimator(estimator)
        self._estimator: Estimator = get_estimator(estimator).for_bound(self)
        if self.num_samples < self._estimator.min_samples:
            raise ValueError(
                f"`num_samples` must be at least {self._estimator.min_samples} with "
                f"estimator={self._estimator.name!r}, which compares samples; received "
                f"{self.num_samples}."
            )
        self.estimator = estimator if isinstance(estimator, str) else self._estimator

    @classmethod
    def check_estimator(cls, estimator: Any) -> None:
        """Raises a ValueError where an estimator of tfgen is of other bounds only."""
        if isinstance(estimator, dict) and "class_name" not in estimator:
            for one in estimator.values():
                cls.check_estimator(one)
        name = getattr(estimator, "name", estimator)
        is_known = isinstance(estimator, str) or name in known_estimators()
        if isinstance(name, str) and is_known and name not in cls.estimators:
            raise ValueError(
                f"`estimator` of {cls.__name__} must be one of "
                f"{list(cls.estimators)}, or an `Estimator`; received {estimator!r}."
            )

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The bound, `[B]`, of log-weights `[K, B]`.

        Args:
            log_weights: in nats.
            log_mass: the logarithm of each one's share in an average, `[K, B]`; 1 / K
                unless given.
        """
        raise NotImplementedError

    def objective(
        self, terms: LogWeights, log_mass: tf.Tensor | None, kl: tf.Tensor | None = None
    ) -> tf.Tensor:
        """What is maximised, `[B]`: the bound, unless a subclass says otherwise.

        Args:
            terms: of the log-weights, each `[K, B]`.
            log_mass: as `reduce`'s.
            kl: KL(q(z|x) || p(z)) in closed form, `[B]`, for bounds that ask for it.
        """
        return self.reduce(terms.total, log_mass)

    def signal_factor(self, share: tf.Tensor) -> tf.Tensor:
        """What `DReG` multiplies the signal into each z_k by, `[K, B]`.

        With f the bound as a function of log-weights, f_k and f_kk its first and second
        derivative in log w_k, it is 1 - f_kk / f_k. A bound that has `"dreg"` among its
        `estimators` overrides this where the factor differs from that of L_K.

        Args:
            share: f_k divided by its sum over k, `[K, B]`.
        """
        return share

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if the bound can't be estimated for such distributions."""
        try:
            self._estimator.check(posterior, self.num_samples)
        except ValueError as error:
            raise ValueError(f"{error} {self._advice(posterior)}") from None
        is_open = self._closed_form(posterior, prior) is None
        if is_open and is_half_relaxed(posterior, prior):
            raise ValueError(
                "`prior` must be relaxed too where the posterior is, unless the bound "
                f"is an `ELBO` with a KL in closed form; received {self!r} with a "
                "discrete prior. Relax the prior, such as by `tfgen.layers."
                "LearnedPrior(tfgen.layers.RelaxedBernoulli([8], 0.5))`, use "
                "loss='elbo', or `straight_through=True`, which draws discrete values."
            )

    def _closed_form(
        self, posterior: tfd.Distribution, prior: tfd.Distribution
    ) -> tf.Tensor | None:
        """KL(q(z|x) || p(z)), `[B]`, where the bound has it in closed form."""
        return None

    def _advice(self, posterior: tfd.Distribution) -> str:
        """Which estimators apply to a posterior."""
        applicable = [name for name in self.estimators if self._applies(name, posterior)]
        if not applicable:
            return (
                f"No estimator of {type(self).__name__} applies: use `tfgen.losses.IWLB`, "
                "or end the encoder in a reparameterized layer, such as "
                "`tfgen.layers.MultivariateNormalTriL`."
            )
        text = f"Estimators of {type(self).__name__} that apply: {applicable}"
        if isinstance(posterior, FactoredDistribution):
            text += ", or one for each latent, as a dict by name"
        return text + "."

    def _applies(self, name: str, posterior: tfd.Distribution) -> bool:
        estimator = get_estimator(name)
        try:
            estimator.check(posterior, self.num_samples)
        except ValueError:
            return False
        return True

    def describe(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> str:
        """One line on how the bound is computed for such distributions."""
        return (
            f"{type(self).__name__}, {self._estimator.describe(self.num_samples)}, "
            "Monte Carlo KL"
        )

    def evaluate(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        log_likelihood: LogLikelihood,
        key: tf.Tensor,
    ) -> Evaluation:
        """The bound at a batch of B examples.

        Args:
            posterior: q(z|x), of batch shape `[B]`.
            prior: p(z), of batch shape `[]` or `[B]`.
            log_likelihood: from z `[K, B, *event]` to log p(x|z) `[K, B]`.
            key: the rows' keys, `uint32 [B, 2]`.

        Returns:
            An `Evaluation`.
        """
        draws = self._estimator.draw(posterior, key, self.num_samples)
        terms = log_weights(posterior, prior, log_likelihood, z=draws)
        surrogate = self._estimator.surrogate(self.objective, terms, draws)
        return self._evaluation(surrogate, terms, draws)

    def _evaluation(
        self,
        surrogate: tf.Tensor,
        terms: LogWeights,
        draws: Draws,
        kl: tf.Tensor | None = None,
    ) -> Evaluation:
        """The bound's values, with the gradient of `surrogate`."""
        terms, log_mass = terms.held, draws.held.log_mass
        kl = None if kl is None else tf.stop_gradient(kl)
        value = self.objective(terms, log_mass, kl)
        reconstruction = average(terms.log_likelihood, log_mass)
        if kl is None:
            bound = self.reduce(terms.total, log_mass)
            kl = average(terms.log_ratio, log_mass)
        else:
            bound = reconstruction - kl
        # The objective's value, and the surrogate's gradient.
        objective = value + (surrogate - tf.stop_gradient(surrogate))
        return Evaluation(objective, bound, reconstruction, kl, terms, draws)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_samples": self.num_samples, "estimator": self._estimator_config()}

    def _estimator_config(self) -> Any:
        if isinstance(self.estimator, str):
            return self.estimator
        return keras.saving.serialize_keras_object(self._estimator)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bound":
        """The bound that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = self.get_config()
        if "estimator" in arguments:
            arguments["estimator"] = self.estimator
        text = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return f"{type(self).__name__}({text})"


def is_half_relaxed(posterior: tfd.Distribution, prior: tfd.Distribution) -> bool:
    """Whether a latent's posterior is relaxed and its prior is discrete."""
    if isinstance(posterior, FactoredDistribution):
        relaxed, discrete = posterior.is_relaxed, prior.is_discrete
        return any(relaxed[name] and discrete[name] for name in relaxed)
    return is_relaxed(posterior) and is_discrete(prior)
