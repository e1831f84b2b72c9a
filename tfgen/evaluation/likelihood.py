"""log p(x) by importance sampling, with diagnostics of its reliability."""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from tfgen.evaluation.arguments import check_model
from tfgen.evaluation.pareto import pareto_shape, pooled_shape, tail_length
from tfgen.evaluation.progress import show_progress
from tfgen.layers.arguments import canonical_event_shape
from tfgen.models import VAE, checks
from tfgen.models.given import num_rows, of_x, read_dataset
from tfgen.models.importance import WeightSums

__all__ = ["LogLikelihood", "bits_per_dimension", "log_likelihood"]

# The effective sample size is too small if 1/ESS - 1/K exceeds this (ESS < 10, large K).
_LARGEST_RELATIVE_VARIANCE = 0.1

# Above this k-hat, standard errors are too small. Gaussian q and posterior, 1 to 20
# latents, K = 1000, 1,200 rows each: if the mean k-hat is .42 to .44, +-2 errors contain
# the true value .933 of the time or more; at .47 to .48, .901 to .912; at .65 to .69, .782
# to .811.
_LARGEST_SHAPE = 0.45


class LogLikelihood(NamedTuple):
    """An estimate of log p(x) for each example.

    Attributes:
        log_prob: log p̂(x), `[B]`, in nats.
        standard_error: standard error of log p̂(x), `[B]`, in nats, by the delta method.
        effective_sample_size: (sum w)^2 / sum w^2, `[B]`, between 1 and K.
        pareto_k: the shape k-hat of the weights' tail, `[B]`. For k >= 1/2 the weights have
            no variance, for k >= 1 no mean, and `standard_error` is meaningless. NaN for
            fewer than 21 weights, which are too few for an estimate.
    """

    log_prob: tf.Tensor
    standard_error: tf.Tensor
    effective_sample_size: tf.Tensor
    pareto_k: tf.Tensor

    @classmethod
    def of(cls, sums: WeightSums, num_samples: int) -> "LogLikelihood":
        """The estimate from the sums of K weights, and the largest of them."""
        count = tf.cast(num_samples, sums.log_sum.dtype)
        effective = tf.exp(2.0 * sums.log_sum - sums.log_sum_squares)
        effective = tf.minimum(effective, count)  # rounding may exceed it
        variance = tf.maximum(1.0 / effective - 1.0 / count, 0.0)
        if tail_length(num_samples):
            shape = pareto_shape(sums.largest.numpy())
        else:
            shape = np.full(effective.shape, np.nan)
        return cls(
            sums.log_sum - tf.math.log(count),
            tf.sqrt(variance * count / (count - 1.0)),
            effective,
            tf.constant(shape, effective.dtype),
        )

    def is_untrustworthy(self, num_samples: int) -> np.ndarray:
        """Which examples' standard errors are likely to miss log p(x).

        These are the examples whose effective sample size is too small, and those whose
        k-hat is above 0.45. A single k-hat has a large error; examples whose k-hats differ
        by no more than that error are judged by their mean.

        Args:
            num_samples: K.

        Returns:
            `[B]`, boolean.
        """
        effective = np.asarray(self.effective_sample_size, np.float64)
        enough = 1.0 / effective - 1.0 / num_samples <= _LARGEST_RELATIVE_VARIANCE
        shape = np.asarray(self.pareto_k, np.float64)
        return ~enough | (pooled_shape(shape, tail_length(num_samples)) > _LARGEST_SHAPE)

    def warn_if_untrustworthy(self, num_samples: int, way_out: str) -> None:
        """Warns if too few samples carry most of the weight."""
        flagged = self.is_untrustworthy(num_samples)
        if not flagged.any():
            return
        effective = np.asarray(self.effective_sample_size)[flagged].min()
        text = f"effective sample size down to {effective:.1f} of {num_samples}"
        if tail_length(num_samples):
            text += f", Pareto k-hat up to {np.asarray(self.pareto_k)[flagged].max():.2f}"
        warnings.warn(
            f"{flagged.sum()} of {len(flagged)} examples have an estimate of log p(x) "
            f"whose standard error is unreliable ({text}): a few samples carry most of "
            "the weight, so the true error is probably larger, and the estimate too low. "
            f"{way_out}",
            UserWarning,
            stacklevel=3,
        )


def log_likelihood(
    model: VAE,
    x: Any,
    num_samples: int = 5000,
    seed: Any = None,
    y: Any = None,
    posterior: Any = None,
    verbose: Any = "auto",
) -> LogLikelihood:
    """log p(x), estimated by importance sampling from the posterior.

        log p̂(x) = log (1/K) sum_k w_k,   w_k = p(x, z_k) / q(z_k|x),   z_k ~ q(z|x)

    exp(log p̂) is unbiased, so log p̂ is too low in expectation: by half of p̂'s relative
    variance for large K, if the weights have a variance; by more if q is narrower than the
    posterior. The standard error is estimated from the samples, so it can't include a part
    of p(z|x) that q misses. `pareto_k` detects this from the tail of the weights [2]; a
    warning says if it is too large. Memory is bounded: examples and samples are processed
    in blocks.

    Args:
        model: a `VAE`, `IWAE` or `MeanFieldVAE`.
        x: `[B, ...]`, what the encoder sees, or a dict of inputs by name; or a
            `tf.data.Dataset` of batches of x or (x, y), read as one.
        num_samples: K, at least 2; at least 21 for a k-hat.
        seed: an integer, or `None` for fresh numbers.
        y: `[B, *event]`, the targets of the likelihood; x unless given.
        posterior: the distribution to draw z from, of batch shape `[B]`, such as
            `model.refine(x, 200)`; the encoder's output unless given.
        verbose: whether to show progress and the time left; `"auto"`: if the output is a
            terminal.

    Returns:
        A `LogLikelihood`, four tensors `[B]`.

    Raises:
        ValueError: if `num_samples` is below 2, x is of the wrong shape, or `posterior` has
            another batch size.
        TypeError: if `num_samples` is not an integer, or `posterior` is not made by a layer
            of `tfgen.layers`.

    Warns:
        UserWarning: if too few samples carry most of the weight, so that the estimate can't
            be trusted.

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
    >>> result = log_likelihood(vae, np.zeros([3, 8]), num_samples=100)
    >>> result.log_prob.shape.as_list()
    [3]

    References:
        [1] Burda, Grosse, Salakhutdinov. Importance weighted autoencoders.
            arXiv 1509.00519.
        [2] Vehtari, Simpson, Gelman, Yao, Gabry. Pareto smoothed importance sampling.
            arXiv 1507.02646.
    """
    check_model(model, x)
    if checks.positive_integer(num_samples, "num_samples") == 1:
        raise ValueError(
            "`num_samples` must be at least 2, to estimate an error; received 1."
        )
    x, y = read_dataset(x, y)
    progress = show_progress(num_rows(of_x(x)), verbose)
    keep = tail_length(num_samples) + 1
    sums = model.importance_sums(x, num_samples, seed, y, posterior, keep, progress)
    result = LogLikelihood.of(sums, num_samples)
    refine = ""
    if posterior is None:
        refine = (
            "Draw from a refined posterior, `log_likelihood(..., "
            "posterior=model.refine(x, 200))`. "
        )
    result.warn_if_untrustworthy(
        num_samples,
        f"{refine}Raise `num_samples`, or use `annealed_importance_sampling`.",
    )
    return result


def bits_per_dimension(log_prob: Any, event_shape: Any) -> np.ndarray:
    """A log-probability in bits per dimension, -log p(x) / (D log 2).

    It compares models of discrete x, such as pixels in 0..255, for which a uniform guess
    has 8 bits. For a density it is not a number of bits, as it changes with the unit of x.

    Args:
        log_prob: log p(x), in nats, of any shape.
        event_shape: the shape of x, an integer or integers; D is their product.

    Returns:
        Bits per dimension, of the shape of `log_prob`.

    Raises:
        TypeError: if `event_shape` is not made of integers, or `log_prob` of numbers.
        ValueError: if one of them is below 1.

    >>> float(bits_per_dimension(-784 * np.log(256.0), [28, 28]))
    8.0
    """
    size = math.prod(canonical_event_shape(event_shape))
    values = np.asarray(log_prob)
    if not np.issubdtype(values.dtype, np.number):
        raise TypeError(f"`log_prob` must be numbers, in nats; received {log_prob!r}.")
    return -values / (size * math.log(2.0))
