"""From log-weights to bounds on log p(x)."""

from typing import NamedTuple

import tensorflow as tf

__all__ = ["LogWeights", "elbo", "iwlb", "renyi"]


class LogWeights(NamedTuple):
    """The three terms of the log-weights, each `[K, B]`, in nats.

    Attributes:
        log_likelihood: log p(x_b | z_kb).
        log_prior: log p(z_kb).
        log_posterior: log q(z_kb | x_b).
    """

    log_likelihood: tf.Tensor
    log_prior: tf.Tensor
    log_posterior: tf.Tensor

    @property
    def total(self) -> tf.Tensor:
        """log w = log p(x|z) + log p(z) - log q(z|x), `[K, B]`."""
        return self.log_likelihood + self.log_prior - self.log_posterior


def elbo(log_weights: tf.Tensor) -> tf.Tensor:
    """The evidence lower bound, L_1 = E log w <= log p(x).

    Args:
        log_weights: `[K, B]`, in nats.

    Returns:
        The mean over the K samples, `[B]`, in nats an example.

    Source: Kingma, Welling. Auto-encoding variational Bayes. arXiv 1312.6114.

    >>> elbo(tf.constant([[0.0], [2.0]])).numpy()
    array([1.], dtype=float32)
    """
    return tf.reduce_mean(log_weights, axis=0)


def iwlb(log_weights: tf.Tensor) -> tf.Tensor:
    """The importance-weighted lower bound, L_K = E log (1/K) sum_k w_k <= log p(x).

    L_1 is the ELBO; L_K <= L_{K+1}.

    Args:
        log_weights: `[K, B]`, in nats.

    Returns:
        log mean_k w_k, `[B]`, in nats an example.

    Source: Burda, Grosse, Salakhutdinov. Importance weighted autoencoders.
    arXiv 1509.00519.

    >>> iwlb(tf.math.log([[1.0], [3.0]])).numpy().round(4)  # log 2
    array([0.6931], dtype=float32)
    """
    count = tf.cast(tf.shape(log_weights)[0], log_weights.dtype)
    return tf.reduce_logsumexp(log_weights, axis=0) - tf.math.log(count)


def renyi(log_weights: tf.Tensor, alpha: float) -> tf.Tensor:
    """The variational Renyi bound, log(mean_k w_k^(1 - alpha)) / (1 - alpha).

    alpha = 0 is the IWLB, alpha -> 1 the ELBO. In the limit of many samples it is a lower
    bound for alpha > 0 and an **upper** bound for alpha < 0.

    Args:
        log_weights: `[K, B]`, in nats.
        alpha: the order, a number other than 1.

    Returns:
        The bound, `[B]`, in nats an example.

    Raises:
        ValueError: if `alpha` is 1; use `elbo`.

    Source: Li, Turner. Renyi divergence variational inference. arXiv 1602.02311.

    >>> renyi(tf.math.log([[1.0], [3.0]]), alpha=0.0).numpy().round(4)
    array([0.6931], dtype=float32)
    """
    if alpha == 1:
        raise ValueError(
            "`alpha` must differ from 1; received 1. The limit at 1 is the ELBO: use "
            "`tfgen.losses.elbo`, or the loss `tfgen.losses.ELBO`."
        )
    order = 1.0 - alpha
    extreme = tf.reduce_max if order > 0 else tf.reduce_min
    largest = tf.stop_gradient(extreme(log_weights, axis=0))
    largest = tf.where(tf.math.is_finite(largest), largest, 0.0)
    power = order * (log_weights - largest)  # at most 0
    # Near alpha = 1 the mean of exp(power) is near 1, where expm1 and log1p keep digits.
    excess = tf.reduce_mean(tf.math.expm1(power), axis=0)
    near, far = tf.math.log1p(excess), iwlb(power)
    return largest + tf.where(excess > -0.5, near, far) / order
