"""The evidence lower bound."""

import math
import numbers
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import discrete_law
from tfgen.losses.bounds.base import Bound, Evaluation, is_half_relaxed
from tfgen.losses.reductions import elbo
from tfgen.losses.weights import LogLikelihood, LogWeights, log_weights

tfd = tfp.distributions

__all__ = ["ELBO"]


@keras.saving.register_keras_serializable("tfgen")
class ELBO(Bound):
    """The evidence lower bound, E_q log p(x|z) - beta KL(q(z|x) || p(z)).

    What is logged as `elbo` is the bound itself, at beta = 1.

    Args:
        num_samples: the number of posterior samples an example, averaged.
        kl: `"analytic"`, `"monte_carlo"`, or `"auto"`: analytic where TFP knows the pair
            and the estimator is not `"stl"`, else Monte Carlo.
        estimator: `"reparameterized"`, or `"stl"`, which needs the Monte Carlo KL; for
            discrete latents `"enumerate"`, `"reinforce"` or `"vimco"`; an `Estimator`; or
            a dict with one for each of several latents, by name.
        beta: the weight of the KL in the objective, at least 0.

    Raises:
        TypeError: if `num_samples` is no integer or `beta` no number.
        ValueError: if an argument is out of range or unknown, or if `kl="analytic"` goes
            with `estimator="stl"`, or (at `compile`) with distributions for which TFP
            has no closed form.

    Source: Kingma, Welling, arXiv 1312.6114; beta: Higgins et al. beta-VAE, ICLR 2017.

    >>> ELBO(num_samples=2, kl="monte_carlo").estimator
    'reparameterized'
    """

    label = "elbo"
    estimators = ("reparameterized", "stl", "reinforce", "vimco", "enumerate")

    def __init__(
        self,
        num_samples: int = 1,
        kl: str = "auto",
        estimator: Any = "reparameterized",
        beta: float = 1.0,
    ) -> None:
        super().__init__(num_samples, estimator)
        if kl not in ("auto", "analytic", "monte_carlo"):
            raise ValueError(
                f"`kl` must be 'auto', 'analytic' or 'monte_carlo'; received {kl!r}."
            )
        if kl == "analytic" and not self._estimator.keeps_kl:
            raise ValueError(
                f"`estimator` {self._estimator.name!r} holds q constant in log q(z|x), "
                "which an analytic KL does not contain; received kl='analytic'. Use "
                "kl='monte_carlo', or another estimator, such as 'reparameterized'."
            )
        if isinstance(beta, bool) or not isinstance(beta, numbers.Real):
            raise TypeError(f"`beta` must be a number; received {beta!r}.")
        if not 0 <= beta < math.inf:
            raise ValueError(f"`beta` must be finite and at least 0; received {beta!r}.")
        self.kl = kl
        self.beta = keras.Variable(float(beta), trainable=False, name="beta")

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """The average of the log-weights, `[B]`."""
        return elbo(log_weights, log_mass)

    def objective(
        self, terms: LogWeights, log_mass: tf.Tensor | None, kl: tf.Tensor | None = None
    ) -> tf.Tensor:
        """E_q log p(x|z) - beta KL, `[B]`; the KL by its closed form where it is given."""
        if kl is None:
            kl = elbo(terms.log_ratio, log_mass)
        return (
            elbo(terms.log_likelihood, log_mass) - tf.cast(self.beta.value, kl.dtype) * kl
        )

    def _closed_form(
        self, posterior: tfd.Distribution, prior: tfd.Distribution
    ) -> tf.Tensor | None:
        if self.kl == "monte_carlo" or not self._estimator.keeps_kl:
            return None
        if is_half_relaxed(posterior, prior):  # arXiv 1611.01144: the discrete laws' KL
            posterior, prior = discrete_law(posterior), discrete_law(prior)
        try:
            return tfd.kl_divergence(posterior, prior)
        except NotImplementedError:
            return None

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if the bound can't be estimated for such distributions."""
        super().check(posterior, prior)
        if self.kl == "analytic" and self._closed_form(posterior, prior) is None:
            raise ValueError(
                "`kl` 'analytic' needs a pair that TFP has a closed form for; received "
                f"a posterior {posterior.name!r} and a prior {prior.name!r}. Use "
                "kl='monte_carlo' or 'auto'."
            )

    def describe(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> str:
        """One line on how the bound is computed for such distributions."""
        closed = self._closed_form(posterior, prior) is not None
        sampled = "enumerated" if self._estimator.enumerates else "Monte Carlo"
        return (
            f"ELBO, {self._estimator.describe(self.num_samples)}, "
            f"{'analytic' if closed else sampled} KL"
        )

    def evaluate(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        log_likelihood: LogLikelihood,
        key: tf.Tensor,
    ) -> Evaluation:
        """The bound at a batch; see `Bound.evaluate`."""
        kl = self._closed_form(posterior, prior)
        if kl is None:
            return super().evaluate(posterior, prior, log_likelihood, key)
        draws = self._estimator.draw(posterior, key, self.num_samples)
        terms = log_weights(posterior, prior, log_likelihood, z=draws)
        surrogate = self._estimator.surrogate(
            lambda terms, log_mass: self.objective(terms, log_mass, kl), terms, draws
        )
        return self._evaluation(surrogate, terms, draws, kl)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; with the current `beta`."""
        beta = float(keras.ops.convert_to_numpy(self.beta))
        return {**super().get_config(), "kl": self.kl, "beta": beta}
