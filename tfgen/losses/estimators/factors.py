"""Values of several latents, drawn or enumerated one latent after the other."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import FactoredDistribution, Noise, all_values, unwrap
from tfgen.layers.factored_distribution import factor_key
from tfgen.layers.sampling import draw_and_log_prob
from tfgen.losses.estimators.score_function import held_draw
from tfgen.losses.weights import Draws

tfd = tfp.distributions

__all__ = ["draw_factors", "enumerate_values", "example_factors"]


def enumerate_values(
    distribution: tfd.Distribution, num_samples: int, batch_size: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """Every value of one latent, for each sample of those before it.

    Args:
        distribution: of batch shape `[S, B]`, or `[B]` or `[]` where it takes no latent.
        num_samples: S.
        batch_size: B.

    Returns:
        z `[N S, B, *latent]`, the values outermost, and log q(z) `[N S, B]`.
    """
    values = all_values(distribution)
    count, event = int(values.shape[0]), values.shape[1:].as_list()
    samples = num_samples if distribution.batch_shape.rank == 2 else 1
    batch = [count, samples, batch_size]
    z = tf.broadcast_to(tf.reshape(values, [count, 1, 1, *event]), [*batch, *event])
    point = z if distribution.batch_shape.rank == 2 else z[:, 0]
    log_prob = tf.reshape(distribution.log_prob(point), batch)
    z = tf.tile(z, [1, num_samples // samples, 1, *(1 for _ in event)])
    log_prob = tf.tile(log_prob, [1, num_samples // samples, 1])
    rows = [count * num_samples, batch_size]
    return tf.reshape(z, [*rows, *event]), tf.reshape(log_prob, rows)


def draw_factors(
    posterior: FactoredDistribution,
    key: tf.Tensor,
    num_samples: int,
    enumerated: set[str],
    held: set[str],
) -> Draws:
    """All latents in the posterior's order: K draws each, or every value.

    Args:
        posterior: q(z|x), of batch shape `[B]`.
        key: the rows' keys, `uint32 [B, 2]`.
        num_samples: K, of the latents that are drawn.
        enumerated: the latents of which every value is taken.
        held: the latents whose draws are constants.

    Returns:
        `Draws` with `log_factors`, of K draws for each combination of the enumerated
        values; its `log_mass` is the log-probability of those, minus log K.
    """
    names = list(posterior.layer.factors)
    batch_size = key.shape[0] or tf.shape(key)[0]
    size = 1 if enumerated.issuperset(names) else num_samples
    z: dict[str, tf.Tensor] = {}
    log_factors: dict[str, tf.Tensor] = {}
    for number, name in enumerate(names):
        factor = posterior.factor(name, z)
        if name in enumerated:
            value, log_prob = enumerate_values(factor, size, batch_size)
            copies = int(log_prob.shape[0]) // size
            z = {n: _repeat(v, copies) for n, v in z.items()}
            log_factors = {n: _repeat(v, copies) for n, v in log_factors.items()}
            size *= copies
        else:
            noise = Noise(factor_key(key, number), size, 0)
            value, log_prob = draw_and_log_prob(unwrap(factor), noise)
            if name in held:
                value, log_prob = held_draw(factor, value, log_prob)
        z[name], log_factors[name] = value, log_prob
    log_mass = None
    if enumerated:
        drawn = 1 if enumerated.issuperset(names) else num_samples
        log_mass = tf.add_n([log_factors[name] for name in enumerated])
        log_mass -= tf.math.log(tf.cast(drawn, log_mass.dtype))
    return Draws(z, tf.add_n(list(log_factors.values())), log_mass, log_factors)


def _repeat(value: tf.Tensor, copies: int) -> tf.Tensor:
    """`[S, ...]` as `[copies * S, ...]`, the copies outermost."""
    return tf.tile(value, [copies, *(1 for _ in value.shape[1:])])


def example_factors(posterior: FactoredDistribution) -> Mapping[str, tfd.Distribution]:
    """Each factor at latents of zero, to look at its family."""
    count = posterior.batch_shape_tensor()
    z: dict[str, tf.Tensor] = {}
    factors = {}
    for name, shape in posterior.event_shape.items():
        factors[name] = posterior.factor(name, z)
        z[name] = tf.zeros(tf.concat([count, shape], axis=0), posterior.dtype[name])
    return factors
