"""The importance-weighted lower bound."""

import warnings
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import sample_and_log_prob
from tfgen.layers.arguments import positive_integer
from tfgen.losses.bounds.base import Bound, Evaluation
from tfgen.losses.estimators import Pathwise, ScoreFunction
from tfgen.losses.reductions import elbo, iwlb
from tfgen.losses.weights import Draws, LogLikelihood, log_weights

tfd = tfp.distributions

__all__ = ["IWLB"]


@keras.saving.register_keras_serializable("tfgen")
class IWLB(Bound):
    """The importance-weighted lower bound, L_K = E log (1/K) sum_k w_k.

    Args:
        num_samples: K.
        estimator: `"reparameterized"`, `"dreg"`, or `"stl"`, whose gradient of L_K is
            biased for K > 1 (arXiv 1810.04152, section 3), which `compile` warns of:
            prefer `"dreg"`; for discrete latents `"vimco"`, `"ovis"`, `"rws"` or
            `"reinforce"`, and for K = 1 `"enumerate"`; an `Estimator`; or a dict with one
            for each of several latents, by name.
        backward_samples: m: all K samples run forward and only m of them backward, drawn
            with replacement in proportion to their weights and averaged; the gradient is
            the same in expectation, as sum_k w_k/sum_j w_j grad log w_k is its mean. `None`
            runs all K backward. With a score-function estimator log q(z|x) is of all K.

    Raises:
        TypeError: if `num_samples` or `backward_samples` is no integer.
        ValueError: if one is below 1, if `backward_samples` exceeds `num_samples`, if
            `estimator` is unknown, if it enumerates z while K > 1 (exact L_K has |Z|^K
            terms), or if `backward_samples` goes with an estimator by latent.

    Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519, also for sampling the backward
    pass (section 3).

    >>> IWLB(num_samples=50, estimator="dreg")
    IWLB(num_samples=50, estimator='dreg', backward_samples=None)
    """

    label = "iwlb"
    estimators = (
        "reparameterized",
        "stl",
        "dreg",
        "reinforce",
        "vimco",
        "ovis",
        "rws",
        "enumerate",
    )

    def __init__(
        self,
        num_samples: int = 5,
        estimator: Any = "reparameterized",
        backward_samples: int | None = None,
    ) -> None:
        super().__init__(num_samples, estimator)
        if self._estimator.enumerates and num_samples > 1:
            raise ValueError(
                "`num_samples` must be 1 if `estimator` enumerates z, since the exact L_K "
                f"would be a sum over all sets of K values of z; received {num_samples}. "
                "Use `tfgen.losses.ELBO(estimator='enumerate')`, or draw samples by "
                "'vimco'."
            )
        if backward_samples is not None:
            backward_samples = positive_integer(backward_samples, "backward_samples")
            if backward_samples > num_samples:
                raise ValueError(
                    "`backward_samples` must be at most `num_samples`, "
                    f"{num_samples}; received {backward_samples}."
                )
            if not isinstance(self._estimator, Pathwise | ScoreFunction):
                raise ValueError(
                    "`backward_samples` chooses among draws of the whole of z; received "
                    f"{backward_samples} with estimator={estimator!r}, which has no such "
                    "draws. Leave it out."
                )
        self.backward_samples = backward_samples

    def reduce(
        self, log_weights: tf.Tensor, log_mass: tf.Tensor | None = None
    ) -> tf.Tensor:
        """log mean w, `[B]`."""
        if log_mass is not None and self.num_samples == 1:
            return elbo(log_weights, log_mass)  # of one sample each: L_1, by its mass
        return iwlb(log_weights, log_mass)

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if the bound can't be estimated; warns if it's biased."""
        super().check(posterior, prior)
        if self._estimator.name == "stl" and self.num_samples > 1:
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
        if isinstance(self._estimator, ScoreFunction):
            draws = self._estimator.draw(posterior, key, self.num_samples)
        else:
            draws = Draws(*sample_and_log_prob(posterior, key, self.num_samples))
        terms = log_weights(posterior, prior, log_likelihood, z=draws.held).held
        weights = tf.nn.softmax(terms.total, axis=0)
        chosen = _choose(weights, key, self.backward_samples)
        few = Draws(
            tf.nest.map_structure(lambda z: _pick(z, chosen), draws.z),
            _pick(draws.log_posterior, chosen),
        )
        if isinstance(self._estimator, Pathwise):
            few = self._estimator.hold(posterior, few, _pick(weights, chosen))
            few_terms = log_weights(posterior, prior, log_likelihood, z=few)
            return self._evaluation(elbo(few_terms.total), terms, draws)
        assert isinstance(self._estimator, ScoreFunction)
        few_terms = log_weights(posterior, prior, log_likelihood, z=few)
        scores = self._estimator.scores(self.objective, terms, draws.log_posterior)
        # log q is of all K samples, exactly: only p runs backward on some.
        scores -= tf.reduce_sum(weights * draws.log_posterior, axis=0)
        return self._evaluation(elbo(few_terms.log_joint) + scores, terms, draws)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "backward_samples": self.backward_samples}


def _choose(weights: tf.Tensor, key: tf.Tensor, count: int) -> tf.Tensor:
    """One-hot choices `[m, K, B]` of samples, in proportion to `weights` `[K, B]`."""
    key = random.stream(key, random.Stream.BACKWARD)
    uniform = random.uniform(key, (), count, dtype=weights.dtype)
    below = tf.cumsum(weights, axis=0)[tf.newaxis] < uniform[:, tf.newaxis]
    # Rounding may leave the last sum below 1, and a uniform number above it.
    index = tf.reduce_sum(tf.cast(below[:, :-1], tf.int32), axis=1)
    return tf.one_hot(index, tf.shape(weights)[0], axis=1, dtype=weights.dtype)


def _pick(values: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """`values` `[K, B, ...]` at the choices, `[m, B, ...]`."""
    return tf.einsum("mkb,kb...->mb...", tf.cast(chosen, values.dtype), values)
