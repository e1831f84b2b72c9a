"""Bounds on log p(x) as training objectives."""

import math
import numbers
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.losses.estimators import check_estimator, hold, sample_posterior
from tfgen.losses.reductions import LogWeights, elbo, iwlb, renyi

tfd = tfp.distributions

__all__ = ["ELBO", "IWLB", "Bound", "Evaluation", "Renyi", "analytic_kl", "get_bound"]

_register = keras.saving.register_keras_serializable("tfgen")

LogLikelihood = Callable[[tf.Tensor], tf.Tensor]


class Evaluation(NamedTuple):
    """A bound at a batch, in nats an example.

    Attributes:
        objective: `[B]`, what is maximised: the bound at the training beta, whose gradient
            is the estimator's.
        bound: `[B]`, the bound itself, at beta = 1, without gradient.
        reconstruction: `[B]`, E_q log p(x|z).
        kl: `[B]`, KL(q(z|x) || p(z)), or its Monte Carlo estimate.
        terms: of the log-weights, each `[K, B]`, to tell which of them went wrong.
    """

    objective: tf.Tensor
    bound: tf.Tensor
    reconstruction: tf.Tensor
    kl: tf.Tensor
    terms: LogWeights


class Bound:
    """Base of the bounds: how log-weights are reduced and what is held constant.

    A subclass says `label`, which names its metric, `estimators`, those that apply, and
    `_reduce(log_weights)`.

    Args:
        num_samples: K, the number of posterior samples an example.
        estimator: the gradient estimator, see `tfgen.losses.estimators`.

    Raises:
        TypeError: if `num_samples` is no integer.
        ValueError: if it is below 1, or if `estimator` is unknown or doesn't apply.
    """

    label: str
    estimators: tuple[str, ...] = ("reparameterized",)

    def __init__(self, num_samples: int, estimator: str = "reparameterized") -> None:
        self.num_samples = _positive_integer(num_samples, "num_samples")
        if estimator not in self.estimators:
            raise ValueError(
                f"`estimator` of {type(self).__name__} must be one of "
                f"{list(self.estimators)}; received {estimator!r}."
            )
        self.estimator = estimator

    def _reduce(self, log_weights: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if the bound can't be estimated for such distributions."""
        check_estimator(posterior, self.estimator)

    def describe(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> str:
        """One line on how the bound is computed for such distributions."""
        return (
            f"{type(self).__name__}, {self.num_samples} samples, {self.estimator} "
            "gradients, Monte Carlo KL"
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
            prior: p(z), of batch shape `[]`.
            log_likelihood: from z `[K, B, *event]` to log p(x|z) `[K, B]`.
            key: the rows' keys, `uint32 [B, 2]`.

        Returns:
            An `Evaluation`.
        """
        z, log_prob = sample_posterior(posterior, key, self.num_samples)
        z, log_prob, weigh = hold(posterior, z, log_prob, self.estimator)
        terms = LogWeights(log_likelihood(z), prior.log_prob(z), log_prob)
        if weigh is not None:
            weigh(tf.stop_gradient(tf.nn.softmax(terms.total, axis=0)))
        bound = self._reduce(terms.total)
        return _evaluation(bound, bound, terms)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"num_samples": self.num_samples, "estimator": self.estimator}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Bound":
        """The bound that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def _evaluation(objective: tf.Tensor, bound: tf.Tensor, terms: LogWeights) -> Evaluation:
    terms = LogWeights(*map(tf.stop_gradient, terms))
    return Evaluation(
        objective,
        tf.stop_gradient(bound),
        tf.reduce_mean(terms.log_likelihood, axis=0),
        tf.reduce_mean(terms.log_posterior - terms.log_prior, axis=0),
        terms,
    )


def _positive_integer(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"`{name}` must be a positive integer; received {value!r} of type "
            f"{type(value).__name__}. Pass a number such as 5."
        )
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1; received {value}.")
    return int(value)


def analytic_kl(posterior: tfd.Distribution, prior: tfd.Distribution) -> tf.Tensor | None:
    """KL(q || p) in closed form, `[B]`, or `None` where TFP has none for the pair."""
    try:
        return tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        return None


@_register
class ELBO(Bound):
    """The evidence lower bound, E_q log p(x|z) - beta KL(q(z|x) || p(z)).

    What is logged as `elbo` is the bound itself, at beta = 1.

    Args:
        num_samples: the number of posterior samples an example, averaged.
        kl: `"analytic"`, `"monte_carlo"`, or `"auto"`: analytic where TFP knows the pair
            and the estimator is reparameterized, else Monte Carlo.
        estimator: `"reparameterized"`, or `"stl"`, which is of the Monte Carlo KL.
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
    estimators = ("reparameterized", "stl")

    def __init__(
        self,
        num_samples: int = 1,
        kl: str = "auto",
        estimator: str = "reparameterized",
        beta: float = 1.0,
    ) -> None:
        super().__init__(num_samples, estimator)
        if kl not in ("auto", "analytic", "monte_carlo"):
            raise ValueError(
                f"`kl` must be 'auto', 'analytic' or 'monte_carlo'; received {kl!r}."
            )
        if kl == "analytic" and estimator == "stl":
            raise ValueError(
                "`estimator` 'stl' holds q constant in log q(z|x), which an analytic KL "
                "does not contain; received kl='analytic'. Use kl='monte_carlo', or "
                "estimator='reparameterized'."
            )
        if isinstance(beta, bool) or not isinstance(beta, numbers.Real):
            raise TypeError(f"`beta` must be a number; received {beta!r}.")
        if not 0 <= beta < math.inf:
            raise ValueError(f"`beta` must be finite and at least 0; received {beta!r}.")
        self.kl = kl
        self.beta = keras.Variable(float(beta), trainable=False, name="beta")

    def _reduce(self, log_weights: tf.Tensor) -> tf.Tensor:
        return elbo(log_weights)

    def _closed_form(
        self, posterior: tfd.Distribution, prior: tfd.Distribution
    ) -> tf.Tensor | None:
        if self.kl == "monte_carlo" or self.estimator == "stl":
            return None
        return analytic_kl(posterior, prior)

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
        return (
            f"ELBO, {self.num_samples} samples, {self.estimator} gradients, "
            f"{'analytic' if closed else 'Monte Carlo'} KL"
        )

    def evaluate(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        log_likelihood: LogLikelihood,
        key: tf.Tensor,
    ) -> Evaluation:
        """The bound at a batch; see `Bound.evaluate`."""
        z, log_prob = sample_posterior(posterior, key, self.num_samples)
        z, log_prob, _ = hold(posterior, z, log_prob, self.estimator)
        terms = LogWeights(log_likelihood(z), prior.log_prob(z), log_prob)
        reconstruction = elbo(terms.log_likelihood)
        kl = self._closed_form(posterior, prior)
        if kl is None:
            kl = elbo(terms.log_posterior - terms.log_prior)
        return Evaluation(
            reconstruction - tf.cast(self.beta.value, kl.dtype) * kl,
            tf.stop_gradient(reconstruction - kl),
            tf.stop_gradient(reconstruction),
            tf.stop_gradient(kl),
            LogWeights(*map(tf.stop_gradient, terms)),
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `beta` as it stands."""
        beta = float(keras.ops.convert_to_numpy(self.beta))
        return {**super().get_config(), "kl": self.kl, "beta": beta}


@_register
class IWLB(Bound):
    """The importance-weighted lower bound, L_K = E log (1/K) sum_k w_k.

    Args:
        num_samples: K.
        estimator: `"reparameterized"`, `"dreg"`, or `"stl"`, whose gradient of L_K is
            biased for K > 1 (arXiv 1810.04152, section 3), which `compile` warns of:
            prefer `"dreg"`.
        backward_samples: m: all K samples run forward and only m of them backward, drawn
            with replacement in proportion to their weights and averaged; the gradient is
            the same in expectation, as sum_k w_k/sum_j w_j grad log w_k is its mean. `None`
            runs all K backward.

    Raises:
        TypeError: if `num_samples` or `backward_samples` is no integer.
        ValueError: if one is below 1, if `backward_samples` exceeds `num_samples`, or if
            `estimator` is unknown.

    Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519, also for sampling the backward
    pass (section 3).

    >>> IWLB(num_samples=50, estimator="dreg")
    IWLB(num_samples=50, estimator='dreg', backward_samples=None)
    """

    label = "iwlb"
    estimators = ("reparameterized", "stl", "dreg")

    def __init__(
        self,
        num_samples: int = 5,
        estimator: str = "reparameterized",
        backward_samples: int | None = None,
    ) -> None:
        super().__init__(num_samples, estimator)
        if backward_samples is not None:
            backward_samples = _positive_integer(backward_samples, "backward_samples")
            if backward_samples > num_samples:
                raise ValueError(
                    "`backward_samples` must be at most `num_samples`, "
                    f"{num_samples}; received {backward_samples}."
                )
        self.backward_samples = backward_samples

    def _reduce(self, log_weights: tf.Tensor) -> tf.Tensor:
        return iwlb(log_weights)

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if the bound can't be estimated; warns if it's biased."""
        super().check(posterior, prior)
        if self.estimator == "stl" and self.num_samples > 1:
            warnings.warn(
                f"`estimator` 'stl' of {self!r} gives a biased gradient of the bound for "
                "`num_samples` above 1 (arXiv 1810.04152, section 3). Use "
                "estimator='dreg', which is unbiased and vanishes at the posterior too.",
                UserWarning,
                stacklevel=3,
            )

    def evaluate(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        log_likelihood: LogLikelihood,
        key: tf.Tensor,
    ) -> Evaluation:
        """The bound at a batch; see `Bound.evaluate`."""
        if self.backward_samples is None:
            return super().evaluate(posterior, prior, log_likelihood, key)
        z, log_prob = sample_posterior(posterior, key, self.num_samples)
        held = tf.stop_gradient(z)
        terms = LogWeights(
            tf.stop_gradient(log_likelihood(held)),
            tf.stop_gradient(prior.log_prob(held)),
            tf.stop_gradient(log_prob),
        )
        weights = tf.nn.softmax(terms.total, axis=0)
        chosen = _choose(weights, key, self.backward_samples)
        z, log_prob, weigh = hold(
            posterior, _pick(z, chosen), _pick(log_prob, chosen), self.estimator
        )
        if weigh is not None:
            weigh(_pick(weights, chosen))
        log_weights = log_likelihood(z) + prior.log_prob(z) - log_prob
        surrogate = elbo(log_weights)
        bound = self._reduce(terms.total)
        # The bound's value, to the last bit, with the surrogate's gradient.
        objective = bound + (surrogate - tf.stop_gradient(surrogate))
        return _evaluation(objective, bound, terms)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "backward_samples": self.backward_samples}


def _choose(weights: tf.Tensor, key: tf.Tensor, count: int) -> tf.Tensor:
    """One-hot choices `[m, K, B]` of samples, in proportion to `weights` `[K, B]`."""
    uniform = random.uniform(random.fold_in(key, 1), (), count, dtype=weights.dtype)
    below = tf.cumsum(weights, axis=0)[tf.newaxis] < uniform[:, tf.newaxis]
    # Rounding may leave the last sum below 1, and a uniform number above it.
    index = tf.reduce_sum(tf.cast(below[:, :-1], tf.int32), axis=1)
    return tf.one_hot(index, tf.shape(weights)[0], axis=1, dtype=weights.dtype)


def _pick(values: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """`values` `[K, B, ...]` at the choices, `[m, B, ...]`."""
    return tf.einsum("mkb,kb...->mb...", chosen, values)


@_register
class Renyi(Bound):
    """The variational Renyi bound, log(mean_k w_k^(1 - alpha)) / (1 - alpha).

    It is logged as `renyi`. For alpha < 0 it is, in the limit of many samples, an
    **upper** bound on log p(x), and is logged as `renyi_upper`.

    Args:
        alpha: the order, a number other than 1.
        num_samples: K.

    Raises:
        TypeError: if `num_samples` is no integer.
        ValueError: if it is below 1, or if `alpha` is 1: that is the ELBO.

    Source: Li, Turner. Renyi divergence variational inference. arXiv 1602.02311.

    >>> Renyi(alpha=-1.0, num_samples=5).label
    'renyi_upper'
    """

    def __init__(self, alpha: float, num_samples: int = 5) -> None:
        super().__init__(num_samples)
        if isinstance(alpha, bool) or not isinstance(alpha, numbers.Real):
            raise TypeError(f"`alpha` must be a number; received {alpha!r}.")
        if not math.isfinite(alpha):
            raise ValueError(f"`alpha` must be finite; received {alpha!r}.")
        if alpha == 1:
            raise ValueError(
                "`alpha` must differ from 1; received 1. The limit at 1 is the ELBO: use "
                "`tfgen.losses.ELBO`."
            )
        self.alpha = float(alpha)
        self.label = "renyi_upper" if alpha < 0 else "renyi"

    def _reduce(self, log_weights: tf.Tensor) -> tf.Tensor:
        return renyi(log_weights, self.alpha)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"alpha": self.alpha, "num_samples": self.num_samples}


_ALIASES: dict[str, Callable[[], Bound]] = {"elbo": ELBO, "iwlb": IWLB}


def get_bound(identifier: Any) -> Bound:
    """The bound that `identifier` names.

    Args:
        identifier: `"elbo"`, `"iwlb"`, a `Bound`, or the config of one.

    Returns:
        A `Bound`.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if `identifier` is neither a name nor a `Bound`.

    >>> get_bound("iwlb").num_samples
    5
    """
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, Bound):
        return identifier
    known = sorted(_ALIASES)
    if isinstance(identifier, str):
        if identifier in _ALIASES:
            return _ALIASES[identifier]()
        raise ValueError(f"`loss` must be one of {known}; received {identifier!r}.")
    raise TypeError(
        f"`loss` must be one of {known} or a bound such as "
        f"`tfgen.losses.IWLB(num_samples=50)`; received {identifier!r}."
    )
