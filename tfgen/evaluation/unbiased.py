"""An unbiased estimator of log p(x), which is not a bound."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.evaluation.arguments import check_model
from tfgen.models import VAE, checks
from tfgen.models.given import of_x, read_dataset

__all__ = ["unbiased_log_likelihood"]

# P(T >= n) = 2^(-1.5 (n - 1)): both the variance and the mean cost are finite, as each
# doubling divides the variance by 4 and multiplies the cost by 2.
_DECAY = 1.5


def unbiased_log_likelihood(
    model: VAE, x: Any, min_samples: int = 4, seed: Any = None
) -> tf.Tensor:
    """log p(x), estimated without bias, by a Russian roulette over doublings of K.

        L_m + sum_{n=1}^T D_n / P(T >= n),   D_n = L_{2^n m} - (L' + L'') / 2

    L_K is log mean w over the first K samples, L' and L'' those over the first and the
    second half of them, so E D_n = E L_{2^n m} - E L_{2^(n-1) m} and the whole series gives
    log p(x). It is cut at a random T, and the remaining terms are scaled up to compensate.

    **It is not a bound**: an estimate may lie above log p(x), and its mean over draws is
    log p(x) for each example. Use it if a mean must be unbiased, as for a difference
    between two models. SUMO [1] is such a series with single samples in place of doublings,
    whose variance is infinite; that of doublings is finite where log w has a few moments
    [2].

    Args:
        model: a `VAE` or `IWAE`.
        x: `[B, ...]`, what the encoder sees, or a dict of inputs by name; or a
            `tf.data.Dataset` of batches of them, read as one.
        min_samples: m; an example takes 4.4 m samples on average.
        seed: an integer, or `None` for fresh numbers. The same x and seed give the same
            numbers; an example's noise depends on which others are given with it.

    Returns:
        `[B]`, in nats.

    Raises:
        TypeError: if `min_samples` is not an integer.
        ValueError: if it is below 1, or x has the wrong shape.

    References:
        [1] Luo et al. SUMO: unbiased estimation of log marginal probability for latent
            variable models. arXiv 2004.00353.
        [2] Shi, Cornish. On multilevel Monte Carlo unbiased gradient estimation for deep
            latent variable models. AISTATS 2021.
    """
    check_model(model, x)
    min_samples = checks.positive_integer(min_samples, "min_samples")
    seed = random.fresh_seed() if seed is None else int(seed)
    given = of_x(read_dataset(x)[0])
    rows = len(keras.tree.flatten(given)[0])
    key = random.stream(random.row_keys(seed, 0, tf.range(rows)), random.Stream.ROULETTE)
    doublings = _num_doublings(random.uniform(key).numpy().astype("float64"))
    result = np.zeros(rows)
    for count in np.unique(doublings):  # so that no example takes more than it needs
        chosen = np.flatnonzero(doublings == count)
        part = keras.tree.map_structure(lambda v, c=chosen: tf.gather(v, c), given)
        group_seed = int(random.fold_in(random.key(seed), int(count)).numpy()[0])
        log_w = model.log_weights(part, min_samples * 2 ** int(count), group_seed)
        result[chosen] = _roulette(log_w.numpy().astype("float64"), int(count))
    return tf.constant(result, keras.backend.floatx())


def _num_doublings(uniform: np.ndarray) -> np.ndarray:
    """T, the largest n with P(T >= n) at least a uniform number, `[B]`."""
    return 1 + np.floor(-np.log2(uniform) / _DECAY).astype(int)


def _roulette(log_w: np.ndarray, doublings: int) -> np.ndarray:
    """The estimate, `[B]`, of log-weights `[2^T m, B]`."""

    def bound(part: np.ndarray) -> np.ndarray:
        return np.logaddexp.reduce(part, axis=0) - np.log(len(part))

    half = len(log_w) // 2**doublings
    result = bound(log_w[:half])
    for n in range(1, doublings + 1):
        halves = bound(log_w[:half]), bound(log_w[half : 2 * half])
        difference = bound(log_w[: 2 * half]) - np.mean(halves, axis=0)
        result += difference * 2.0 ** (_DECAY * (n - 1))
        half *= 2
    return result
