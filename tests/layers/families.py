"""Every distribution layer, and the same distribution built by hand from TFP in float64."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfb = tfp.bijectors
tfd = tfp.distributions
tfl = tfgen.layers

D = 3  # the size of every event


class Family(NamedTuple):
    """A layer under test.

    `make(**kwargs)` gives the layer, `by_hand(params, layer)` TFP's distribution for
    a tensor `[*batch, params_size]`. `params_size` is written out here.
    """

    name: str
    make: Callable
    params_size: int
    by_hand: Callable
    has_moments: bool = True


@keras.saving.register_keras_serializable("tests")
def laplace(params):
    loc, raw = tf.split(params, 2, axis=-1)
    return tfd.Independent(tfd.Laplace(loc, tf.exp(raw)), 1)


def halves(params):
    return params[..., :D], tf.math.softplus(params[..., D : 2 * D])


def tril(params, layer):
    scale = tfb.FillScaleTriL(diag_shift=np.float64(1e-5))(params[..., D:])
    return tfd.MultivariateNormalTriL(params[..., :D], scale)


def any_scale(params, layer):
    scale = np.eye(D) + tf.reshape(params[..., D:], [*params.shape[:-1], D, D])
    return of_covariance(params[..., :D], tf.matmul(scale, scale, transpose_b=True))


def of_covariance(loc, covariance):
    return tfd.MultivariateNormalTriL(loc, tf.linalg.cholesky(covariance))


def low_rank(params, layer):
    factor = tf.reshape(params[..., 2 * D :], [*params.shape[:-1], D, 2])
    loc, sigma = halves(params)
    scale = tf.linalg.diag(sigma) + tf.matmul(factor, factor, transpose_b=True)
    return of_covariance(loc, tf.matmul(scale, scale, transpose_b=True))


def mixture(components):
    def by_hand(params, layer):
        rest = tf.reshape(params[..., 2:], [*params.shape[:-1], 2, -1])
        weights = tfd.Categorical(logits=params[..., :2])
        return tfd.MixtureSameFamily(weights, components(rest, layer))

    return by_hand


def independent(make):
    return lambda params, layer: tfd.Independent(make(*halves(params)), 1)


def discretized(params, layer):
    raw_loc, scale = halves(params)
    logistic = tfd.Logistic(7.5 + 7.5 * raw_loc, 7.5 * scale)
    shifted = tfd.TransformedDistribution(logistic, tfb.Shift(np.float64(-0.5)))
    return tfd.Independent(tfd.QuantizedDistribution(shifted, low=0.0, high=15.0), 1)


def flow(invert):
    def by_hand(params, layer):
        loc, sigma = halves(params)
        chain = []
        for network in layer.networks:
            bound = network.bind(params[..., 2 * D :])

            def shift_and_log_scale(y, bound=bound):
                shift, raw = tf.unstack(bound(y), axis=-1)
                return shift, raw / (1.0 + tf.abs(raw) / 5.0)

            maf = tfb.MaskedAutoregressiveFlow(shift_and_log_scale)
            chain.append(tfb.Invert(maf) if invert else maf)
        base = tfd.MultivariateNormalDiag(loc, sigma)
        return tfd.TransformedDistribution(base, tfb.Chain(chain[::-1]))

    return by_hand


def couplings(params, layer):
    """The first half moves the second, the second the first; weights read one by one."""
    loc, sigma = halves(params)
    context, chain = params[..., 2 * D :], []
    for number, network in enumerate(layer.networks):
        kernel, bias, out, out_bias, of_context = map(tf.constant, network.get_weights())
        order = np.roll(np.arange(D), -(number % 2))  # the 1 dimension seen, or the last 2
        seen, moved = (order[:1], order[1:]) if number % 2 == 0 else (order[:2], order[2:])
        assert sorted([*seen, *moved]) == list(range(D))
        back = np.argsort([*seen, *moved])

        def affine(z, seen=seen, w=(kernel, bias, out, out_bias, of_context), c=context):
            hidden = tf.gather(z, seen, axis=-1) @ w[0] + w[1] + c @ w[4]
            shift, raw = tf.split(tf.nn.elu(hidden) @ w[2] + w[3], 2, axis=-1)
            return shift, raw / (1.0 + tf.abs(raw) / 5.0)

        def join(z, new, seen=seen, back=back):
            both = tf.concat([tf.gather(z, seen, axis=-1), new], -1)
            return tf.gather(both, back, axis=-1)

        def forward(z, affine=affine, join=join, moved=moved):
            shift, log_scale = affine(z)
            return join(z, tf.gather(z, moved, axis=-1) * tf.exp(log_scale) + shift)

        def inverse(y, affine=affine, join=join, moved=moved):
            shift, log_scale = affine(y)
            return join(y, (tf.gather(y, moved, axis=-1) - shift) * tf.exp(-log_scale))

        def log_det(z, affine=affine):
            return tf.reduce_sum(affine(z)[1], axis=-1)

        chain.append(
            tfb.Inline(
                forward,
                inverse,
                forward_log_det_jacobian_fn=log_det,
                forward_min_event_ndims=1,
            )
        )
    base = tfd.MultivariateNormalDiag(loc, sigma)
    return tfd.TransformedDistribution(base, tfb.Chain(chain[::-1]))


def planar(params, layer):
    """Each flow by its definition, inverted by bisection along w."""
    loc, sigma = halves(params)
    eps = tf.cast(tfgen.random.normal(tfgen.random.key(0), [2, D + 1]), tf.float64)
    chain = []
    for number in range(2):
        raw = params[..., 2 * D + number * (2 * D + 1) :][..., : 2 * D + 1]
        u, w = raw[..., :D], raw[..., D : 2 * D] + eps[number, :D] / np.sqrt(D)
        b = raw[..., -1:] + eps[number, D:]
        wu = tf.reduce_sum(w * u, -1, keepdims=True)
        m = tf.math.softplus(wu + np.log(np.e - 1)) - 1.0
        v = u + (m - wu) * w / tf.reduce_sum(w * w, -1, keepdims=True)

        def forward(z, w=w, b=b, v=v):
            return z + v * tf.tanh(tf.reduce_sum(w * z, -1, keepdims=True) + b)

        def inverse(y, w=w, b=b, v=v, m=m):
            goal = tf.reduce_sum(w * y, -1, keepdims=True) + b
            low, high = goal - tf.abs(m), goal + tf.abs(m)
            for _ in range(80):
                t = (low + high) / 2
                below = t + m * tf.tanh(t) < goal
                low, high = tf.where(below, t, low), tf.where(below, high, t)
            return y - v * tf.tanh(low)

        def log_det(z, w=w, b=b, m=m):
            t = tf.tanh(tf.reduce_sum(w * z, -1) + b[..., 0])
            return tf.math.log1p(m[..., 0] * (1 - t**2))

        chain.append(
            tfb.Inline(
                forward,
                inverse,
                forward_log_det_jacobian_fn=log_det,
                forward_min_event_ndims=1,
            )
        )
    base = tfd.MultivariateNormalDiag(loc, sigma)
    return tfd.TransformedDistribution(base, tfb.Chain(chain[::-1]))


def normal(loc, sigma):
    return tfd.Normal(loc, sigma)


FAMILIES = [
    Family(
        "MultivariateNormalDiag",
        lambda **k: tfl.MultivariateNormalDiag(D, **k),
        2 * D,
        lambda params, layer: tfd.MultivariateNormalDiag(*halves(params)),
    ),
    Family(
        "MultivariateNormalTriL",
        lambda **k: tfl.MultivariateNormalTriL(D, **k),
        D + D * (D + 1) // 2,
        tril,
    ),
    Family(
        "MultivariateNormalScale",
        lambda **k: tfl.MultivariateNormalScale(D, **k),
        D + D * D,
        any_scale,
    ),
    Family(
        "MultivariateNormalDiagPlusLowRank",
        lambda **k: tfl.MultivariateNormalDiagPlusLowRank(D, rank=2, **k),
        4 * D,
        low_rank,
    ),
    Family(
        "InverseAutoregressiveFlow",
        lambda **k: tfl.InverseAutoregressiveFlow(D, hidden_units=[8], context_size=2, **k),
        2 * D + 2,
        flow(invert=True),
        has_moments=False,
    ),
    Family(
        "MaskedAutoregressiveFlow",
        lambda **k: tfl.MaskedAutoregressiveFlow(D, hidden_units=[8], context_size=2, **k),
        2 * D + 2,
        flow(invert=False),
        has_moments=False,
    ),
    Family(
        "RealNVP",
        lambda **k: tfl.RealNVP(D, num_flows=3, hidden_units=[8], context_size=2, **k),
        2 * D + 2,
        couplings,
        has_moments=False,
    ),
    Family(
        "PlanarFlow",
        lambda **k: tfl.PlanarFlow(D, num_flows=2, **k),
        2 * D + 2 * (2 * D + 1),
        planar,
        has_moments=False,
    ),
    Family(
        "IndependentBernoulli",
        lambda **k: tfl.IndependentBernoulli(D, **k),
        D,
        lambda params, layer: tfd.Independent(
            tfd.Bernoulli(logits=params, dtype=tf.float64), 1
        ),
    ),
    Family(
        "IndependentDiscretizedLogistic",
        lambda **k: tfl.IndependentDiscretizedLogistic(D, low=0, high=15, **k),
        2 * D,
        discretized,
        has_moments=False,  # TFP's quantized distribution has none
    ),
    Family(
        "IndependentLogistic",
        lambda **k: tfl.IndependentLogistic(D, **k),
        2 * D,
        independent(tfd.Logistic),
    ),
    Family(
        "IndependentNormal",
        lambda **k: tfl.IndependentNormal(D, **k),
        2 * D,
        independent(normal),
    ),
    Family(
        "IndependentPoisson",
        lambda **k: tfl.IndependentPoisson(D, **k),
        D,
        lambda params, layer: tfd.Independent(tfd.Poisson(tf.exp(params)), 1),
    ),
    Family(
        "OneHotCategorical",
        lambda **k: tfl.OneHotCategorical(D, **k),
        D,
        lambda params, layer: tfd.OneHotCategorical(logits=params, dtype=tf.float64),
    ),
    Family(
        "RelaxedBernoulli",
        lambda **k: tfl.RelaxedBernoulli(D, temperature=0.75, **k),
        D,
        lambda params, layer: tfd.Independent(
            tfd.RelaxedBernoulli(np.float64(0.75), logits=params), 1
        ),
        has_moments=False,
    ),
    Family(
        "RelaxedOneHotCategorical",
        lambda **k: tfl.RelaxedOneHotCategorical(D, temperature=0.75, **k),
        D,
        lambda params, layer: tfd.RelaxedOneHotCategorical(np.float64(0.75), logits=params),
        has_moments=False,
    ),
    Family(
        "CategoricalMixtureOfOneHotCategorical",
        lambda **k: tfl.CategoricalMixtureOfOneHotCategorical(D, 2, **k),
        2 * (1 + D),
        mixture(lambda rest, _: tfd.OneHotCategorical(logits=rest, dtype=tf.float64)),
    ),
    Family(
        "MixtureSameFamily",
        lambda **k: tfl.MixtureSameFamily(
            2, tfl.MultivariateNormalTriL(D, dtype=k.get("dtype")), **k
        ),
        2 * (1 + D + D * (D + 1) // 2),
        mixture(tril),
    ),
    Family(
        "MixtureNormal",
        lambda **k: tfl.MixtureNormal(2, D, **k),
        2 * (1 + 2 * D),
        mixture(independent(normal)),
    ),
    Family(
        "MixtureLogistic",
        lambda **k: tfl.MixtureLogistic(2, D, **k),
        2 * (1 + 2 * D),
        mixture(independent(tfd.Logistic)),
    ),
    Family(
        "DistributionLambda",
        lambda **k: tfl.DistributionLambda(laplace, **k),
        2 * D,
        lambda params, layer: tfd.Independent(
            tfd.Laplace(params[..., :D], tf.exp(params[..., D:])), 1
        ),
    ),
]

BY_NAME = {family.name: family for family in FAMILIES}


def random_params(family, batch_shape, dtype="float32", seed=1):
    generator = np.random.default_rng(seed)
    return generator.normal(size=[*batch_shape, family.params_size]).astype(dtype)


def reference(family, params):
    """The distribution by hand, in float64."""
    layer = make(family, dtype="float64")
    return family.by_hand(tf.constant(params, tf.float64), layer)


def make(family, **kwargs):
    """The family's layer, built, whose weights, where it has some, are random."""
    layer = family.make(**kwargs)
    layer.build((None, family.params_size))
    generator = np.random.default_rng(2)
    for weight in layer.trainable_weights:
        weight.assign(0.3 * generator.normal(size=weight.shape))
    return layer
