"""The discrete law that a relaxed one approximates."""

import functools

import tensorflow_probability as tfp

from tfgen.layers.arguments import check_distribution
from tfgen.layers.bernoulli import Bernoulli
from tfgen.layers.sampling import parts_of, unwrap
from tfgen.layers.tensor_distribution import TensorDistribution
from tfgen.layers.undocumented import class_of_any_parts

tfd = tfp.distributions

__all__ = ["discrete_law", "is_discrete_law", "is_relaxed"]

_RELAXED = (tfd.RelaxedBernoulli, tfd.RelaxedOneHotCategorical)


def is_relaxed(distribution: tfd.Distribution) -> bool:
    """Whether a distribution is a relaxed Bernoulli or categorical, or made of such.

    >>> is_relaxed(tfd.RelaxedBernoulli(0.5, logits=0.0)), is_relaxed(tfd.Bernoulli(0.0))
    (True, False)
    """
    distribution = unwrap(distribution)
    if isinstance(distribution, _RELAXED):
        return True
    return any(map(is_relaxed, parts_of(distribution)))


def is_discrete_law(distribution: tfd.Distribution) -> bool:
    """Whether a distribution over one latent is over discrete values."""
    distribution = unwrap(distribution)
    if isinstance(distribution, tfd.Bernoulli | tfd.OneHotCategorical):
        return True  # also with draws that have a gradient, straight through
    parts = parts_of(distribution)
    if parts:  # a mixture's bijector is unknown, whatever its components are
        return all(map(is_discrete_law, parts))
    if distribution.reparameterization_type == tfd.FULLY_REPARAMETERIZED:
        return False
    return distribution.experimental_default_event_space_bijector() is None


@functools.singledispatch
def discrete_law(distribution: tfd.Distribution) -> tfd.Distribution:
    """The Bernoulli or categorical law whose relaxation a distribution is.

    Args:
        distribution: any; one that is not relaxed is returned as it is, and of several
            latents each is taken by itself.

    >>> discrete_law(tfd.RelaxedBernoulli(0.1, logits=[0.0])).mean().numpy()
    array([0.5], dtype=float32)
    """
    check_distribution(distribution)
    return distribution


@discrete_law.register
def _(distribution: TensorDistribution) -> tfd.Distribution:
    layer = getattr(distribution.layer, "discrete_layer", None)
    if layer is not None and is_relaxed(distribution):
        return layer.distribution(distribution.raw_parameters)
    if is_relaxed(distribution):
        return discrete_law(unwrap(distribution))
    return distribution


@discrete_law.register
def _(distribution: tfd.RelaxedBernoulli) -> tfd.Distribution:
    return Bernoulli(logits=distribution.logits_parameter(), dtype=distribution.dtype)


@discrete_law.register
def _(distribution: tfd.RelaxedOneHotCategorical) -> tfd.Distribution:
    logits = distribution.distribution.logits_parameter()
    return tfd.OneHotCategorical(logits=logits, dtype=distribution.dtype)


@discrete_law.register(class_of_any_parts(tfd.Independent))
def _(distribution: tfd.Independent) -> tfd.Distribution:
    if not is_relaxed(distribution):
        return distribution
    inner = distribution.distribution
    rank = distribution.event_shape.rank - inner.event_shape.rank
    return tfd.Independent(discrete_law(inner), rank)


@discrete_law.register
def _(distribution: tfd.BatchReshape) -> tfd.Distribution:
    if not is_relaxed(distribution):
        return distribution
    inner = discrete_law(distribution.distribution)
    return tfd.BatchReshape(inner, distribution.batch_shape_tensor())
