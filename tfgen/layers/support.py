"""Every value of a discrete distribution, where there are finitely many."""

import functools
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.sampling import unwrap
from tfgen.layers.undocumented import class_of_any_parts

tfd = tfp.distributions

__all__ = ["all_values", "num_values"]


class _Support(NamedTuple):
    """The values of one entry, `[n, *entry]`, and the number of entries of an event."""

    entry: np.ndarray
    num_entries: int


@functools.singledispatch
def _support(distribution: tfd.Distribution) -> _Support | None:
    return None


@_support.register
def _(distribution: tfd.Bernoulli) -> _Support:
    return _Support(np.arange(2), 1)


@_support.register
def _(distribution: tfd.Categorical) -> _Support:
    return _Support(np.arange(int(distribution.logits_parameter().shape[-1])), 1)


@_support.register
def _(distribution: tfd.OneHotCategorical) -> _Support:
    return _Support(np.eye(int(distribution.event_shape[-1])), 1)


@_support.register(class_of_any_parts(tfd.Independent))
@_support.register(class_of_any_parts(tfd.Sample))
def _(distribution: tfd.Distribution) -> _Support | None:
    inner = distribution.distribution
    found = _support(inner)
    if found is None:
        return None
    rank = distribution.event_shape.rank - inner.event_shape.rank
    return _Support(
        found.entry, found.num_entries * math.prod(distribution.event_shape[:rank])
    )


def num_values(distribution: tfd.Distribution) -> int | None:
    """The number of values that a distribution is over; `None` where it is not known.

    >>> num_values(tfd.Independent(tfd.Bernoulli(logits=[0.0, 0.0, 0.0]), 1))
    8
    """
    found = _support(unwrap(distribution))
    return None if found is None else len(found.entry) ** found.num_entries


def all_values(distribution: tfd.Distribution) -> tf.Tensor:
    """Every value that a distribution is over, once each.

    Args:
        distribution: Bernoulli, categorical, one-hot categorical, or independent
            dimensions of such, of any batch shape.

    Returns:
        `[N, *event]`, of the distribution's dtype.

    Raises:
        ValueError: if the distribution is not over finitely many values, or of a family
            whose values are not known.

    >>> all_values(tfd.OneHotCategorical(logits=[0.0, 0.0], dtype=tf.float32)).numpy()
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    distribution = unwrap(distribution)
    found = _support(distribution)
    if found is None:
        raise ValueError(
            "`distribution` must be made of Bernoullis or categoricals, whose values are "
            f"known; received {type(distribution).__name__} {distribution.name!r}."
        )
    size = len(found.entry)
    numbers = np.arange(size**found.num_entries)[:, np.newaxis]
    digits = numbers // size ** np.arange(found.num_entries)[::-1] % size
    values = found.entry[digits].reshape(len(numbers), *distribution.event_shape)
    return tf.constant(values, distribution.dtype)
