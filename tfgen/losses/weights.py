"""The log-weights: the one place where the three terms are made and added."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import sample_and_log_prob

tfd = tfp.distributions

__all__ = ["Draws", "LogLikelihood", "LogWeights", "log_weights"]

LogLikelihood = Callable[[Any], tf.Tensor]


class Draws(NamedTuple):
    """Values of the latent variables, and what is needed to average over them.

    Attributes:
        z: `[K, B, *latent]`, or a dict of such tensors by the latents' names.
        log_posterior: log q(z_kb | x_b), `[K, B]`, in nats.
        log_mass: the logarithm of the share that each value has in an average over q,
            `[K, B]`; `None` where each has 1 / K, as draws from q have.
        log_factors: log q of each latent given those before it, `[K, B]` by name, where an
            estimator needs them apart.
    """

    z: Any
    log_posterior: tf.Tensor
    log_mass: tf.Tensor | None = None
    log_factors: dict[str, tf.Tensor] | None = None

    @property
    def held(self) -> "Draws":
        """The same draws as constants, without gradient."""
        return Draws(
            *(
                None if part is None else tf.nest.map_structure(tf.stop_gradient, part)
                for part in self
            )
        )


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
    def held(self) -> "LogWeights":
        """The same terms as constants, without gradient."""
        return LogWeights(*map(tf.stop_gradient, self))

    @property
    def log_joint(self) -> tf.Tensor:
        """log p(x, z) = log p(x|z) + log p(z), `[K, B]`."""
        return self.log_likelihood + self.log_prior

    @property
    def log_ratio(self) -> tf.Tensor:
        """log q(z|x) - log p(z), `[K, B]`, whose mean over q is the KL divergence."""
        return self.log_posterior - self.log_prior

    @property
    def total(self) -> tf.Tensor:
        """log w = log p(x|z) + log p(z) - log q(z|x), `[K, B]`."""
        return self.log_joint - self.log_posterior


def log_weights(
    posterior: tfd.Distribution,
    prior: tfd.Distribution,
    log_likelihood: LogLikelihood,
    num_samples: int = 1,
    key: tf.Tensor | None = None,
    z: Any = None,
    first_sample: Any = 0,
) -> LogWeights:
    """The terms of log w = log p(x|z) + log p(z) - log q(z|x), in nats.

    z is drawn from q(z|x) by the rows' keys, unless it is given. Bounds, estimates of
    log p(x), refinement, annealing and served models all get their weights here.

    Args:
        posterior: q(z|x), of batch shape `[B]`.
        prior: p(z), of batch shape `[]`, or `[B]` where it depends on what is given.
        log_likelihood: from z `[K, B, *latent]`, or a dict of such tensors, to
            log p(x|z) `[K, B]`.
        num_samples: K, where z is drawn.
        key: the rows' keys, `uint32 [B, 2]`, where z is drawn.
        z: `[K, B, *latent]`, a dict of such tensors, or `Draws`; `None` to draw it.
        first_sample: the number of the first draw, to draw in blocks.

    Returns:
        A `LogWeights`, three tensors `[K, B]`.

    Raises:
        ValueError: if neither `z` nor `key` is given.

    >>> q, prior = tfd.Normal([0.0, 1.0], 1.0), tfd.Normal(0.0, 1.0)
    >>> x = tf.constant([1.0, 2.0])
    >>> z = tf.zeros([5, 2])
    >>> terms = log_weights(q, prior, lambda z: tfd.Normal(z, 1.0).log_prob(x), z=z)
    >>> terms.total.shape.as_list()
    [5, 2]
    """
    for name, value in (("posterior", posterior), ("prior", prior)):
        if not hasattr(value, "log_prob"):
            received = value if value is None else type(value).__name__
            raise TypeError(f"`{name}` must be a distribution; received {received}.")
    if not callable(log_likelihood):
        raise TypeError(
            "`log_likelihood` must be a function from z to log p(x|z), `[K, B]`; received "
            f"{log_likelihood!r}."
        )
    if z is None:
        if key is None:
            raise ValueError(
                "`key` must be given where `z` is to be drawn; received None for both. "
                "Pass the rows' keys, such as `tfgen.random.row_keys(0, 0, tf.range(B))`."
            )
        z = Draws(*sample_and_log_prob(posterior, key, num_samples, first_sample))
    elif not isinstance(z, Draws):
        z = Draws(z, posterior.log_prob(z))
    return LogWeights(log_likelihood(z.z), prior.log_prob(z.z), z.log_posterior)
