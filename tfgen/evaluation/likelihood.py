"""log p(x) by importance sampling, with what it takes to trust it."""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfgen.layers import TensorDistribution
from tfgen.layers.arguments import canonical_event_shape
from tfgen.models import VAE
from tfgen.models.importance import WeightSums

__all__ = ["LogLikelihood", "bits_per_dimension", "log_likelihood"]

# 1/ESS - 1/K above this, ESS below 10 for large K, is too little to trust.
_LARGEST_RELATIVE_VARIANCE = 0.1


class LogLikelihood(NamedTuple):
    """An estimate of log p(x) for each example.

    Attributes:
        log_prob: log p̂(x), `[B]`, in nats.
        standard_error: of log p̂(x), `[B]`, in nats, by the delta method.
        effective_sample_size: (sum w)^2 / sum w^2, `[B]`, between 1 and K.
    """

    log_prob: tf.Tensor
    standard_error: tf.Tensor
    effective_sample_size: tf.Tensor

    @classmethod
    def of(cls, sums: WeightSums, num_samples: int) -> "LogLikelihood":
        """The estimate from the sums of K weights."""
        count = tf.cast(num_samples, sums.log_sum.dtype)
        effective = tf.exp(2.0 * sums.log_sum - sums.log_sum_squares)
        effective = tf.minimum(effective, count)  # which rounding may exceed
        variance = tf.maximum(1.0 / effective - 1.0 / count, 0.0)
        return cls(
            sums.log_sum - tf.math.log(count),
            tf.sqrt(variance * count / (count - 1.0)),
            effective,
        )

    def warn_if_untrustworthy(self, num_samples: int, way_out: str) -> None:
        """Warns where so few samples bear the weight that the estimate can't be trusted."""
        effective = np.asarray(self.effective_sample_size)
        few = 1.0 / effective - 1.0 / num_samples > _LARGEST_RELATIVE_VARIANCE
        if not few.any():
            return
        warnings.warn(
            f"{few.sum()} of {len(few)} examples have too small an effective sample size "
            f"for log p(x) to be trusted (down to {effective[few].min():.1f} of "
            f"{num_samples} samples): the estimate is likely off by more than its standard "
            f"error. {way_out}",
            UserWarning,
            stacklevel=3,
        )


def log_likelihood(
    model: VAE,
    x: Any,
    num_samples: int = 5000,
    seed: Any = None,
    y: Any = None,
    posterior: TensorDistribution | None = None,
) -> LogLikelihood:
    """log p(x), estimated by importance sampling from the posterior.

        log p̂(x) = log (1/K) sum_k w_k,   w_k = p(x, z_k) / q(z_k|x),   z_k ~ q(z|x)

    exp(log p̂) is unbiased, so log p̂ is too low in expectation, by half its variance. The
    standard error counts what the samples show: where q misses a part of p(z|x) they show
    nothing of it. Memory is bounded: examples and samples are taken in blocks.

    Args:
        model: a `VAE`, `IWAE` or `MeanFieldVAE`.
        x: `[B, ...]`, what the encoder sees.
        num_samples: K, at least 2.
        seed: an integer, or `None` for fresh numbers.
        y: `[B, *event]`, what the likelihood is of; x unless given.
        posterior: what to draw z from, of batch shape `[B]`, such as
            `model.refine(x, 200)`; the encoder's answer unless given.

    Returns:
        A `LogLikelihood`, three tensors `[B]`.

    Raises:
        ValueError: if `num_samples` is below 2, or x is of the wrong shape.
        TypeError: if `num_samples` is no integer.

    Warns:
        UserWarning: where so few samples bear the weight that the estimate can't be
            trusted.

    >>> import keras, tfgen
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([1]), keras.layers.Dense(8),
    ...     tfgen.layers.IndependentBernoulli([8]),
    ... ])
    >>> encoder = keras.Sequential([
    ...     keras.layers.Input([8]), keras.layers.Dense(2),
    ...     tfgen.layers.MultivariateNormalDiag(1),
    ... ])
    >>> vae = tfgen.models.VAE(encoder, decoder)
    >>> log_p, error, ess = log_likelihood(vae, np.zeros([3, 8]), num_samples=100)
    >>> log_p.shape.as_list()
    [3]

    Source: Burda, Grosse, Salakhutdinov. Importance weighted autoencoders.
    arXiv 1509.00519.
    """
    if num_samples == 1:
        raise ValueError("`num_samples` must be at least 2, to tell an error; received 1.")
    sums = model.importance_sums(x, num_samples, seed, y, posterior)
    result = LogLikelihood.of(sums, num_samples)
    result.warn_if_untrustworthy(
        num_samples,
        "Draw from a refined posterior, `log_likelihood(..., posterior=model.refine(x, "
        "200))`; raise `num_samples`; or use `annealed_importance_sampling`.",
    )
    return result


def bits_per_dimension(log_prob: Any, event_shape: Any) -> np.ndarray:
    """A log-probability in bits per dimension, -log p(x) / (D log 2).

    It compares models of discrete x, such as pixels in 0..255: there 8 bits are a uniform
    guess. Of a density it is no number of bits, as it changes with the unit of x.

    Args:
        log_prob: log p(x), in nats, of any shape.
        event_shape: the shape of x, an integer or integers; D is their product.

    Returns:
        Bits per dimension, of the shape of `log_prob`.

    Raises:
        TypeError: if `event_shape` is not made of integers.
        ValueError: if one of them is below 1.

    >>> float(bits_per_dimension(-784 * np.log(256.0), [28, 28]))
    8.0
    """
    size = math.prod(canonical_event_shape(event_shape))
    return -np.asarray(log_prob) / (size * math.log(2.0))
