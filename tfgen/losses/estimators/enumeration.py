"""Enumeration: every value of z, multiplied by its probability under q."""

import math
from collections.abc import Iterable

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import FactoredDistribution, num_values, unwrap
from tfgen.losses.estimators.base import Estimator
from tfgen.losses.estimators.factors import (
    draw_factors,
    enumerate_values,
    example_factors,
)
from tfgen.losses.weights import Draws

tfd = tfp.distributions

__all__ = ["Enumerate", "check_enumerable"]

# The most values of z that are summed over.
_MAX_VALUES = 4096


@keras.saving.register_keras_serializable("tfgen")
class Enumerate(Estimator):
    """The exact gradient of the ELBO: a sum over every value of z, weighted by q(z|x).

    For discrete posteriors of at most 4096 values: twelve Bernoullis, or one-hot
    categoricals, also several latents, where one may depend on another. The decoder runs
    once for each value; no sample is drawn, and K plays no part.

    Source: Kingma et al. Semi-supervised learning with deep generative models.
    arXiv 1406.5298.
    """

    name = "enumerate"
    keeps_kl = True
    enumerates = True

    def check(self, posterior: tfd.Distribution, num_samples: int) -> None:
        """Raises a ValueError unless z has few enough values, all of them known."""
        if isinstance(posterior, FactoredDistribution):
            check_enumerable(example_factors(posterior).values())
        else:
            check_enumerable([posterior])

    def draw(self, posterior: tfd.Distribution, key: tf.Tensor, num_samples: int) -> Draws:
        """Every value of z, with log q(z|x) for its share; see `Estimator.draw`."""
        if isinstance(posterior, FactoredDistribution):
            return draw_factors(posterior, key, 1, set(posterior.layer.factors), set())
        batch_size = key.shape[0] or tf.shape(key)[0]
        z, log_posterior = enumerate_values(posterior, 1, batch_size)
        return Draws(z, log_posterior, log_posterior)

    def describe(self, num_samples: int) -> str:
        """How a bound is estimated, in a few words."""
        return "every value of z, exact gradients"


def check_enumerable(distributions: Iterable[tfd.Distribution]) -> None:
    """Raises a ValueError unless the product of some distributions can be enumerated."""
    sizes = []
    for distribution in distributions:
        size = num_values(distribution)
        if size is None:
            raise ValueError(
                "`estimator` 'enumerate' needs a posterior over finitely many values, of "
                "Bernoullis or categoricals; received "
                f"{type(unwrap(distribution)).__name__} {distribution.name!r}."
            )
        sizes.append(size)
    total = math.prod(sizes)
    if total > _MAX_VALUES:
        raise ValueError(
            f"`estimator` 'enumerate' sums over every value of z, at most {_MAX_VALUES}; "
            f"received a posterior over {_readable(total)} values. Draw samples instead, "
            "by 'vimco' or 'reinforce', or use fewer latent dimensions."
        )


def _readable(count: int) -> str:
    return f"{count:,}" if count < 10**15 else f"10^{math.log10(count):.0f}"
