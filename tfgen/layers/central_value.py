"""One value that represents a distribution: where `predict` decodes."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers.discrete_law import is_discrete_law
from tfgen.layers.factored_distribution import FactoredDistribution
from tfgen.layers.sampling import sample, unwrap

tfd = tfp.distributions

__all__ = ["central_value", "is_discrete"]


def is_discrete(distribution: tfd.Distribution) -> bool:
    """Whether a distribution is over discrete values; of several latents, all of them.

    >>> is_discrete(tfd.Bernoulli(0.0)), is_discrete(tfd.Normal(0.0, 1.0))
    (True, False)
    """
    if isinstance(distribution, FactoredDistribution):
        return all(distribution.is_discrete.values())
    return is_discrete_law(distribution)


def central_value(distribution: tfd.Distribution) -> Any:
    """The mean; of a discrete distribution its mode; the same at every call.

    Several latents are taken factor by factor, each at the values of those before it.
    Where TFP knows no mean, a draw by a fixed key is used.

    Args:
        distribution: of batch shape `[B]`.

    Returns:
        `[B, *event]`, or a dict of such tensors.

    >>> central_value(tfd.Normal([1.0, 2.0], 1.0)).numpy().tolist()
    [1.0, 2.0]
    """
    if isinstance(distribution, FactoredDistribution):
        z: dict[str, tf.Tensor] = {}
        for name in distribution.layer.factors:
            z[name] = central_value(distribution.factor(name, z))
        return z
    distribution = unwrap(distribution)
    try:
        return distribution.mode() if is_discrete(distribution) else distribution.mean()
    except NotImplementedError:
        rows = tf.range(distribution.batch_shape_tensor()[0])
        return sample(distribution, random.row_keys(0, 0, rows))
