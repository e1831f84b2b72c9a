"""The units of a latent vector: q(z|x) = prod_d q(z_d|x)."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import check_distribution
from tfgen.layers.sampling import unwrap

tfd = tfp.distributions

__all__ = ["units"]

_DIAGONAL = (
    tf.linalg.LinearOperatorDiag,
    tf.linalg.LinearOperatorIdentity,
    tf.linalg.LinearOperatorScaledIdentity,
)


def units(distribution: tfd.Distribution, name: str) -> tfd.Distribution:
    """A distribution over vectors `[D]` as one of batch shape `[..., D]`, unit by unit.

    Args:
        distribution: whose units are independent.
        name: for errors, `"posterior"` or `"prior"`.

    Raises:
        ValueError: if the units are not independent, as far as can be seen.

    >>> units(tfd.MultivariateNormalDiag(tf.zeros([5, 2]), tf.ones([2])), "posterior")
    <tfp.distributions.Normal 'Normal' batch_shape=[5, 2] event_shape=[] dtype=float32>
    """
    check_distribution(distribution, name)
    inner = unwrap(distribution)
    if isinstance(inner, tfd.MultivariateNormalLinearOperator) and isinstance(
        inner.scale, _DIAGONAL
    ):
        return tfd.Normal(inner.mean(), inner.stddev())
    if isinstance(inner, tfd.Independent):
        base = inner.distribution
        if inner.event_shape.rank == 1 and base.event_shape.rank == 0:
            return base
    raise ValueError(
        f"`penalties` that look at single units need a {name} whose units are "
        f"independent; received {type(inner).__name__} {inner.name!r}. Use "
        "`tfgen.layers.MultivariateNormalDiag`, or a prior such as "
        "`tfd.MultivariateNormalDiag`."
    )
