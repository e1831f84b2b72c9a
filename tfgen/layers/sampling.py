"""Draws from TFP's distributions by `tfgen.random`: one key a row, the same everywhere.

`sample` and `sample_and_log_prob` take any `tfd.Distribution` and the rows' keys.
`register_draw` defines how noise becomes a draw of a family; one that is not registered is
drawn by TFP's own stateless sampling, one call for each row (see `is_keyed_by_row`).
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers.arguments import check_distribution
from tfgen.layers.discretized_logistic import DiscretizedLogistic
from tfgen.layers.poisson import poisson_quantile
from tfgen.layers.undocumented import class_of_any_parts

tfd = tfp.distributions

__all__ = [
    "Noise",
    "draw_and_log_prob",
    "is_keyed_by_row",
    "parts_of",
    "register_draw",
    "sample",
    "sample_and_log_prob",
    "unwrap",
]


class Noise(NamedTuple):
    """The random numbers of one call of `sample`, for a function of `register_draw`.

    Attributes:
        key: the rows' keys, `uint32 [*batch, 2]`.
        num_samples: the number of draws a row; `None` for one, without the dimension.
        first_sample: the number of the first draw.
    """

    key: tf.Tensor
    num_samples: Any
    first_sample: Any

    def normal(self, shape: list[int], dtype: Any) -> tf.Tensor:
        """Standard normal numbers, `[num_samples, *batch, *shape]`."""
        return random.normal(self.key, shape, self.num_samples, self.first_sample, dtype)

    def uniform(self, shape: list[int], dtype: Any) -> tf.Tensor:
        """Uniform numbers in the open interval (0, 1), `[num_samples, *batch, *shape]`."""
        return random.uniform(self.key, shape, self.num_samples, self.first_sample, dtype)

    def gumbel(self, shape: list[int], dtype: Any) -> tf.Tensor:
        """Standard Gumbel numbers, `[num_samples, *batch, *shape]`."""
        return -tf.math.log(-tf.math.log(self.uniform(shape, dtype)))

    def fold_in(self, data: int) -> "Noise":
        """Other numbers, where a draw needs several: one `data` for each."""
        return self._replace(key=random.fold_in(self.key, data))


def unwrap(distribution: tfd.Distribution) -> tfd.Distribution:
    """TFP's distribution of a `TensorDistribution`; any other distribution itself.

    >>> import tfgen
    >>> unwrap(tfgen.layers.IndependentNormal(2)(tf.zeros([3, 4]))).__class__.__name__
    'Independent'
    """
    check_distribution(distribution)
    return getattr(distribution, "tensor_distribution", distribution)


def _static(shape: tf.TensorShape, distribution: tfd.Distribution) -> list[int]:
    if not shape.is_fully_defined():
        raise ValueError(
            "a distribution must have a static event shape to be sampled by key; "
            f"received {distribution} with {shape}. Build it from tensors whose last "
            "dimensions are known."
        )
    return shape.as_list()


# `own` is the part of `batch_shape` that belongs to one row's draw: the dimensions that
# an `Independent` or a mixture around the distribution took from the batch.
@functools.singledispatch
def _draw(distribution: tfd.Distribution, noise: Noise, own: list[int]) -> tf.Tensor:
    raise NotImplementedError(type(distribution).__name__)


def register_draw(family: type[tfd.Distribution]) -> Callable:
    """A decorator that defines how noise becomes a draw of a family.

    The family, and what `tfd.Independent`, mixtures and the like make of it, is then
    drawn by the rows' keys (`is_keyed_by_row`), without one call of TFP a row. A subclass
    is drawn as its parent unless it is registered itself.

    The decorated function is called with

    - `distribution`, an instance of the family, of batch shape `[*batch, *own]`,
    - `noise`, a `Noise` whose `uniform` and `normal` give numbers
      `[num_samples, *batch, *shape]` for the `shape` it asks for,
    - `own`, a list: the batch dimensions that belong to the draw of one row, because an
      `Independent` or a mixture took them from the batch; often empty,

    and returns draws `[num_samples, *batch, *own, *event]`. It must use no other source of
    random numbers.

    Args:
        family: a subclass of `tfd.Distribution`.

    Returns:
        A decorator, which returns the function unchanged.

    Raises:
        TypeError: if `family` is no subclass of `tfd.Distribution`.

    >>> @register_draw(tfd.HalfNormal)
    ... def draw_half_normal(distribution, noise, own):
    ...     eps = noise.normal(own, distribution.dtype)
    ...     return distribution.scale * tf.abs(eps)
    >>> is_keyed_by_row(tfd.Independent(tfd.HalfNormal([1.0, 2.0]), 1))
    True
    """
    if not (isinstance(family, type) and issubclass(family, tfd.Distribution)):
        raise TypeError(
            "`family` must be a subclass of `tfd.Distribution`; received "
            f"{family!r}. Write `@register_draw(tfd.HalfNormal)` above the function."
        )
    return _draw.register(family)


@register_draw(tfd.Normal)
def _(distribution: tfd.Normal, noise: Noise, own: list[int]) -> tf.Tensor:
    eps = noise.normal(own, distribution.dtype)
    return distribution.loc + distribution.scale * eps


@register_draw(tfd.Logistic)
@register_draw(tfd.Laplace)
@register_draw(tfd.Gumbel)
@register_draw(tfd.Uniform)
@register_draw(tfd.Exponential)
@register_draw(tfd.Cauchy)
@register_draw(DiscretizedLogistic)
def _(distribution: tfd.Distribution, noise: Noise, own: list[int]) -> tf.Tensor:
    return distribution.quantile(noise.uniform(own, distribution.dtype))


@register_draw(tfd.Bernoulli)
def _(distribution: tfd.Bernoulli, noise: Noise, own: list[int]) -> tf.Tensor:
    probs = distribution.probs_parameter()
    return tf.cast(noise.uniform(own, probs.dtype) < probs, distribution.dtype)


@register_draw(tfd.Poisson)
def _(distribution: tfd.Poisson, noise: Noise, own: list[int]) -> tf.Tensor:
    rate = distribution.rate_parameter()
    return poisson_quantile(noise.uniform(own, rate.dtype), rate)


def _gumbel_max(logits: tf.Tensor, noise: Noise, own: list[int]) -> tf.Tensor:
    gumbel = noise.gumbel([*own, int(logits.shape[-1])], logits.dtype)
    return tf.argmax(logits + gumbel, axis=-1)


@register_draw(tfd.Categorical)
def _(distribution: tfd.Categorical, noise: Noise, own: list[int]) -> tf.Tensor:
    index = _gumbel_max(distribution.logits_parameter(), noise, own)
    return tf.cast(index, distribution.dtype)


@register_draw(tfd.OneHotCategorical)
def _(distribution: tfd.OneHotCategorical, noise: Noise, own: list[int]) -> tf.Tensor:
    logits = distribution.logits_parameter()
    index = _gumbel_max(logits, noise, own)
    return tf.one_hot(index, int(logits.shape[-1]), dtype=distribution.dtype)


@register_draw(tfd.MultivariateNormalLinearOperator)
def _(
    distribution: tfd.MultivariateNormalLinearOperator, noise: Noise, own: list[int]
) -> tf.Tensor:
    return _location_scale(distribution, noise, own)[0]


def _location_scale(
    distribution: tfd.MultivariateNormalLinearOperator, noise: Noise, own: list[int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The draw mu + S eps, and eps."""
    event = _static(distribution.event_shape, distribution)
    eps = noise.normal(own + event, distribution.dtype)
    draw = distribution.scale.matvec(eps)
    return (draw if distribution.loc is None else draw + distribution.loc), eps


@register_draw(class_of_any_parts(tfd.Independent))
def _(distribution: tfd.Independent, noise: Noise, own: list[int]) -> tf.Tensor:
    inner = distribution.distribution
    taken = inner.batch_shape.rank - distribution.batch_shape.rank
    shape = _static(inner.batch_shape[inner.batch_shape.rank - taken :], inner)
    return _draw(inner, noise, own + shape)


@register_draw(class_of_any_parts(tfd.Sample))
def _(distribution: tfd.Sample, noise: Noise, own: list[int]) -> tf.Tensor:
    inner = distribution.distribution  # of no batch, or it is not keyed by row
    event = _static(distribution.event_shape, distribution)
    shape = event[: len(event) - inner.event_shape.rank]
    return _draw(inner, noise, own + shape)


@register_draw(class_of_any_parts(tfd.TransformedDistribution))
def _(distribution: tfd.TransformedDistribution, noise: Noise, own: list[int]) -> tf.Tensor:
    return distribution.bijector.forward(_draw(distribution.distribution, noise, own))


@register_draw(class_of_any_parts(tfd.MixtureSameFamily))
def _(distribution: tfd.MixtureSameFamily, noise: Noise, own: list[int]) -> tf.Tensor:
    components = distribution.components_distribution
    logits = distribution.mixture_distribution.logits_parameter()
    count = int(logits.shape[-1])
    index = _gumbel_max(logits, noise.fold_in(1), own)
    draws = _draw(components, noise.fold_in(2), [*own, count])
    # `draws` is [..., component, *event]; pick each row's component.
    event_rank = components.event_shape.rank
    chosen = tf.one_hot(index, count, dtype=tf.bool, on_value=True, off_value=False)
    chosen = tf.reshape(chosen, tf.concat([tf.shape(chosen), [1] * event_rank], 0))
    axis = -1 - event_rank
    return tf.reduce_sum(tf.where(chosen, draws, tf.zeros_like(draws)), axis=axis)


def _draw_by_row(distribution: tfd.Distribution, noise: Noise) -> tf.Tensor:
    """One stateless TFP draw a row, for families that have no rule above."""
    batch_rank = noise.key.shape.rank - 1
    if batch_rank > 1 or distribution.batch_shape.rank not in (0, batch_rank):
        raise NotImplementedError(
            f"{type(distribution).__name__} is drawn one row at a time, which needs a "
            f"batch of rank 0 or 1; received batch shape {distribution.batch_shape} "
            f"and keys of shape {noise.key.shape}."
        )
    count = 1 if noise.num_samples is None else noise.num_samples

    def draw(member: tfd.Distribution, key: tf.Tensor) -> tf.Tensor:
        key = random.fold_in(key, noise.first_sample)
        return member.sample(count, seed=tf.bitcast(key, tf.int32))

    if batch_rank == 0:
        draws = draw(distribution, noise.key)
    else:
        rows = tf.range(tf.shape(noise.key)[0])
        batched = bool(distribution.batch_shape.rank)
        draws = tf.map_fn(
            lambda row: draw(
                distribution[..., row] if batched else distribution, noise.key[row]
            ),
            rows,
            fn_output_signature=distribution.dtype,
        )
        order = [1, 0, *range(2, 2 + distribution.event_shape.rank)]
        draws = tf.transpose(draws, order)
    return draws[0] if noise.num_samples is None else draws


def _keyed_draw(distribution: tfd.Distribution, noise: Noise) -> tf.Tensor:
    if is_keyed_by_row(distribution):
        return _draw(distribution, noise, [])
    return _draw_by_row(distribution, noise)


def parts_of(distribution: tfd.Distribution) -> list[tfd.Distribution]:
    """The distributions that one is made of, as a mixture is of its components."""
    if isinstance(distribution, tfd.MultivariateNormalLinearOperator):
        return []
    names = ("distribution", "components_distribution")
    parts = [getattr(distribution, name, None) for name in names]
    return [part for part in parts if isinstance(part, tfd.Distribution)]


def is_keyed_by_row(distribution: tfd.Distribution) -> bool:
    """Whether a draw from `distribution` is made of `tfgen.random`'s noise by row.

    Otherwise `sample` makes one stateless TFP draw for each row: still a function of the
    row's key alone, but slower, and equal eagerly and compiled only as far as TFP's is.
    """
    distribution = unwrap(distribution)
    is_sample = isinstance(distribution, class_of_any_parts(tfd.Sample))
    if is_sample and distribution.distribution.batch_shape.rank != 0:
        return False
    rule: Callable = _draw.dispatch(type(distribution))
    if rule is _draw.dispatch(object):
        return False
    return all(is_keyed_by_row(part) for part in parts_of(distribution))


def sample(
    distribution: tfd.Distribution,
    key: tf.Tensor,
    num_samples: Any = None,
    first_sample: Any = 0,
) -> tf.Tensor:
    """Draws from `distribution`, by the rows' keys.

    Args:
        distribution: a `tfd.Distribution` whose batch shape broadcasts with the keys'.
        key: `uint32` keys `[*batch, 2]`, as `tfgen.random.row_keys` gives.
        num_samples: the number of draws a row; `None` for one, without the dimension.
        first_sample: the number of the first draw, to draw in chunks.

    Returns:
        `[num_samples, *batch, *event]`, or `[*batch, *event]`.

    >>> keys = random.row_keys(seed=0, step=0, rows=tf.range(3))
    >>> prior = tfd.MultivariateNormalDiag(tf.zeros([2]))
    >>> sample(prior, keys, num_samples=5).shape.as_list()
    [5, 3, 2]
    """
    check_distribution(distribution)
    distribution = unwrap(distribution)
    noise = Noise(key, num_samples, first_sample)
    if isinstance(distribution.dtype, dict):  # several latents
        return draw_and_log_prob(distribution, noise)[0]
    return _keyed_draw(distribution, noise)


def sample_and_log_prob(
    distribution: tfd.Distribution,
    key: tf.Tensor,
    num_samples: Any = None,
    first_sample: Any = 0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws z and log q(z) in nats, from the same noise where the family allows it.

    For z = mu + S eps, log q(z) = log N(eps; 0, I) - log|det S| needs no solve; for a
    flow, log q(z) = log q(z_0) - log|det dz/dz_0| needs no inverse.

    Args:
        distribution: as in `sample`.
        key: as in `sample`.
        num_samples: as in `sample`.
        first_sample: as in `sample`.

    Returns:
        z `[num_samples, *batch, *event]` and log q(z) `[num_samples, *batch]`.
    """
    check_distribution(distribution)
    if isinstance(num_samples, int) and num_samples == 1:
        # Without the dimension: products with one column more are slower.
        draw, log_prob = sample_and_log_prob(distribution, key, None, first_sample)
        draw = tf.nest.map_structure(lambda value: value[tf.newaxis], draw)
        return draw, log_prob[tf.newaxis]
    noise = Noise(key, num_samples, first_sample)
    return draw_and_log_prob(unwrap(distribution), noise)


@functools.singledispatch
def draw_and_log_prob(
    distribution: tfd.Distribution, noise: Noise
) -> tuple[tf.Tensor, tf.Tensor]:
    """A draw `[num_samples, *batch, *event]` and its log-probability, of one noise."""
    draw = _keyed_draw(distribution, noise)
    return draw, distribution.log_prob(draw)


@draw_and_log_prob.register
def _(
    distribution: tfd.MultivariateNormalLinearOperator, noise: Noise
) -> tuple[tf.Tensor, tf.Tensor]:
    draw, eps = _location_scale(distribution, noise, [])
    size = int(distribution.event_shape[-1])
    log_normal = -0.5 * tf.reduce_sum(tf.square(eps), axis=-1)
    constant = tf.cast(0.5 * size * np.log(2 * np.pi), eps.dtype)
    return draw, log_normal - constant - distribution.scale.log_abs_determinant()


@draw_and_log_prob.register(class_of_any_parts(tfd.TransformedDistribution))
def _(
    distribution: tfd.TransformedDistribution, noise: Noise
) -> tuple[tf.Tensor, tf.Tensor]:
    base, log_prob = draw_and_log_prob(distribution.distribution, noise)
    draw = distribution.bijector.forward(base)  # kept by TFP for what follows
    event_ndims = distribution.bijector.inverse_event_ndims(distribution.event_shape.rank)
    log_det = distribution.bijector.forward_log_det_jacobian(base, event_ndims)
    return draw, log_prob - log_det


@draw_and_log_prob.register
def _(distribution: tfd.BatchReshape, noise: Noise) -> tuple[tf.Tensor, tf.Tensor]:
    """One draw for each sample that its batch, `[samples, B]`, already has."""
    inner, key = distribution.distribution, noise.key
    if noise.num_samples is not None:
        sample = tf.cast(noise.first_sample, tf.int32) + tf.range(noise.num_samples)
        key = random.fold_in(key, sample[:, tf.newaxis])
    flat = noise._replace(key=tf.reshape(key, [-1, 2]), num_samples=None)
    draw, log_prob = draw_and_log_prob(inner, flat)
    shape = distribution.batch_shape_tensor()
    draw = tf.reshape(draw, tf.concat([shape, tf.shape(draw)[1:]], axis=0))
    return draw, tf.reshape(log_prob, shape)
