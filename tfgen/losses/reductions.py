"""From log-weights to bounds on log p(x)."""

import numbers
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["elbo", "iwlb", "renyi"]


def _checked(log_weights: Any) -> tf.Tensor:
    """`log_weights` as a tensor, or an error."""
    if isinstance(log_weights, list | tuple):
        log_weights = np.asarray(log_weights)
    dtype = getattr(log_weights, "dtype", None)
    if dtype is None or not tf.as_dtype(dtype).is_floating:
        raise TypeError(
            "`log_weights` must be a tensor `[K, B]` of numbers, in nats; received "
            f"{log_weights!r}. `model.log_weights(x, K)` makes one."
        )
    shape = tf.TensorShape(getattr(log_weights, "shape", None))
    if shape.rank is not None and (not shape.rank or shape[0] == 0):
        raise ValueError(
            "`log_weights` must have shape [K, B], K at least 1; received shape "
            f"{tuple(shape)}."
        )
    return tf.convert_to_tensor(log_weights)


def elbo(log_weights: tf.Tensor, log_mass: tf.Tensor | None = None) -> tf.Tensor:
    """The evidence lower bound, L_1 = E log w <= log p(x).

    Args:
        log_weights: `[K, B]`, in nats.
        log_mass: the logarithm of each one's share in the average, `[K, B]`; 1 / K each
            unless given.

    Returns:
        The mean over the K samples, `[B]`, in nats an example.

    Source: Kingma, Welling. Auto-encoding variational Bayes. arXiv 1312.6114.

    >>> elbo(tf.constant([[0.0], [2.0]])).numpy()
    array([1.], dtype=float32)
    """
    log_weights = _checked(log_weights)
    if log_mass is None:
        return tf.reduce_mean(log_weights, axis=0)
    return tf.reduce_sum(tf.math.multiply_no_nan(log_weights, tf.exp(log_mass)), axis=0)


def iwlb(log_weights: tf.Tensor, log_mass: tf.Tensor | None = None) -> tf.Tensor:
    """The importance-weighted lower bound, L_K = E log (1/K) sum_k w_k <= log p(x).

    L_1 is the ELBO; L_K <= L_{K+1}.

    Args:
        log_weights: `[K, B]`, in nats.
        log_mass: the logarithm of each one's share in the mean, `[K, B]`; 1 / K each
            unless given.

    Returns:
        log mean_k w_k, `[B]`, in nats an example.

    Source: Burda, Grosse, Salakhutdinov. Importance weighted autoencoders.
    arXiv 1509.00519.

    >>> iwlb(tf.math.log([[1.0], [3.0]])).numpy().round(4)  # log 2
    array([0.6931], dtype=float32)
    """
    log_weights = _checked(log_weights)
    if log_mass is not None:
        return tf.reduce_logsumexp(log_weights + log_mass, axis=0)
    count = tf.cast(tf.shape(log_weights)[0], log_weights.dtype)
    return tf.reduce_logsumexp(log_weights, axis=0) - tf.math.log(count)


def renyi(
    log_weights: tf.Tensor, alpha: float, log_mass: tf.Tensor | None = None
) -> tf.Tensor:
    """The variational Renyi bound, log(mean_k w_k^(1 - alpha)) / (1 - alpha).

    alpha = 0 is the IWLB, alpha -> 1 the ELBO. In the limit of many samples it is a lower
    bound for alpha > 0 and an **upper** bound for alpha < 0.

    Args:
        log_weights: `[K, B]`, in nats.
        alpha: the order, a number other than 1.
        log_mass: the logarithm of each one's share in the mean, `[K, B]`; 1 / K each
            unless given.

    Returns:
        The bound, `[B]`, in nats an example.

    Raises:
        ValueError: if `alpha` is 1; use `elbo`.

    Source: Li, Turner. Renyi divergence variational inference. arXiv 1602.02311.

    >>> renyi(tf.math.log([[1.0], [3.0]]), alpha=0.0).numpy().round(4)
    array([0.6931], dtype=float32)
    """
    log_weights = _checked(log_weights)
    if isinstance(alpha, str) or not (
        tf.is_tensor(alpha) or isinstance(alpha, numbers.Real)
    ):
        raise TypeError(f"`alpha` must be a number; received {alpha!r}.")
    if alpha == 1:
        raise ValueError(
            "`alpha` must differ from 1; received 1. The limit at 1 is the ELBO: use "
            "`tfgen.losses.elbo`, or the loss `tfgen.losses.ELBO`."
        )
    order = 1.0 - alpha
    extreme = tf.reduce_max if order > 0 else tf.reduce_min
    largest = tf.stop_gradient(extreme(log_weights, axis=0))
    largest = tf.where(tf.math.is_finite(largest), largest, tf.zeros_like(largest))
    power = order * (log_weights - largest)  # at most 0
    # Near alpha = 1 the mean of exp(power) is near 1, where expm1 and log1p keep digits.
    excess = elbo(tf.math.expm1(power), log_mass)
    near, far = tf.math.log1p(excess), iwlb(power, log_mass)
    return largest + tf.where(excess > -0.5, near, far) / order
