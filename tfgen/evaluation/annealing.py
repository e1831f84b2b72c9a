"""log p(x) by annealed importance sampling, from below and from above."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.evaluation.likelihood import LogLikelihood
from tfgen.layers import TensorDistribution, sample
from tfgen.models import VAE, checks
from tfgen.models.importance import WeightSums

tfd = tfp.distributions

__all__ = ["annealed_importance_sampling"]

# Numbers in the largest intermediate of a block of rows: 16 MB of float32.
_BLOCK_NUMBERS = 2**22

# Step sizes to choose from, in standard deviations of q, smallest first; the largest whose
# acceptance reaches the target is taken, example by example.
_STEP_SIZES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
_ACCEPTANCE = 0.7
_PILOT_STEPS = 10

LogProb = Callable[[tf.Tensor], tf.Tensor]


def annealed_importance_sampling(
    model: VAE,
    x: Any,
    num_chains: int = 16,
    num_steps: int = 500,
    num_leapfrog_steps: int = 5,
    seed: Any = None,
    y: Any = None,
    posterior: TensorDistribution | None = None,
    z: Any = None,
) -> LogLikelihood:
    """log p(x) by chains that walk from the posterior q(z|x) to p(x, z).

    Between the two, distributions proportional to q^(1 - t) p^t, t from 0 to 1, are
    visited by Hamiltonian Monte Carlo; the product of the ratios along the way is a weight
    w with E w = p(x). So log (1/C) sum_c w_c over C chains is, in expectation, a **lower**
    bound on log p(x), a far tighter one than importance sampling gives where q is poor.

    On data simulated by the model the z that made x is known, and is an exact draw from
    p(z|x). Chains that start there and walk back to q give a weight v with E v = 1/p(x),
    and -log (1/C) sum_c v_c is, in expectation, an **upper** bound. The two sandwich
    log p(x).

    Args:
        model: a `VAE`, `IWAE` or `MeanFieldVAE`.
        x: `[B, ...]`, what the encoder sees.
        num_chains: C, at least 2.
        num_steps: distributions visited; the bound tightens as they grow.
        num_leapfrog_steps: of a Hamiltonian Monte Carlo proposal.
        seed: an integer, or `None` for fresh numbers.
        y: `[B, *event]`, what the likelihood is of; x unless given.
        posterior: where to start, of batch shape `[B]`; the encoder's answer unless given.
        z: the latent variables that x was drawn from, `[B, *latent]`, for the upper bound.

    Returns:
        A `LogLikelihood`, three tensors `[B]`, over the chains. Chains that walk back start
        at one z: their standard error does not count how z happened to fall.

    Raises:
        ValueError: if a number is below its least, or a shape is wrong.
        TypeError: if a number is no integer.

    Warns:
        UserWarning: where one or few chains bear the weight.

    Source: Neal. Annealed importance sampling. Statistics and Computing 11, 2001. For
    decoders, and the sandwich: Wu, Burda, Salakhutdinov, Grosse. arXiv 1611.04273.
    """
    for name, value in (
        ("num_chains", num_chains),
        ("num_steps", num_steps),
        ("num_leapfrog_steps", num_leapfrog_steps),
    ):
        checks.positive_integer(value, name)
    if num_chains == 1:
        raise ValueError("`num_chains` must be at least 2, to tell an error; received 1.")
    x, y = model._prepare(x, y, posterior)
    count = int(y.shape[0])
    if z is not None:
        z = tf.convert_to_tensor(z, model.variable_dtype)
        checks.check_event(tuple(z.shape), "z", model.structure.latent_shape)
        if z.shape[0] != count:
            raise ValueError(
                f"`z` must hold one latent variable an example; received {z.shape[0]} for "
                f"{count} examples."
            )
    keys = model._keys(seed, count)
    walk = _walk(model, num_chains, num_steps, num_leapfrog_steps, z is not None)
    width = num_chains * int(np.prod(model.structure.event_shape))
    rows = max(1, _BLOCK_NUMBERS // width)
    sums = []
    for first in range(0, count, rows):
        part = slice(first, min(first + rows, count))
        state = tf.zeros([0]) if z is None else z[part]
        inputs = keras.tree.map_structure(lambda t, p=part: t[p], x)
        log_weights = walk(inputs, y[part], keys[part], state)
        sums.append(WeightSums.of(log_weights))
    total = WeightSums(*(tf.concat(rows, axis=0) for rows in zip(*sums, strict=True)))
    result = LogLikelihood.of(total, num_chains)
    if z is not None:
        result = result._replace(log_prob=-result.log_prob)
    result.warn_if_untrustworthy(num_chains, "Raise `num_steps` or `num_chains`.")
    return result


def _walk(
    model: VAE, num_chains: int, num_steps: int, num_leapfrog_steps: int, backwards: bool
) -> Callable[..., tf.Tensor]:
    """From (x, y, keys, z) of a block of rows to log-weights `[C, b]`."""

    def kernel(target: LogProb, step_size: tf.Tensor) -> tfp.mcmc.TransitionKernel:
        return tfp.mcmc.HamiltonianMonteCarlo(target, step_size, num_leapfrog_steps)

    def acceptance(
        target: LogProb, state: tf.Tensor, step_size: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """How often HMC at the target accepts, `[b]`, over chains and a few steps."""
        log_ratio = tfp.mcmc.sample_chain(
            _PILOT_STEPS,
            state,
            kernel=kernel(target, step_size),
            trace_fn=lambda _, results: results.log_accept_ratio,
            seed=seed,
        ).trace
        log_ratio = tf.where(tf.math.is_nan(log_ratio), -np.inf, log_ratio)
        return tf.reduce_mean(tf.exp(tf.minimum(log_ratio, 0.0)), axis=[0, 1])

    def walk(x: Any, y: tf.Tensor, keys: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        q = model._posterior(x)
        q = getattr(q, "tensor_distribution", q)

        def joint(z: tf.Tensor) -> tf.Tensor:
            return model._log_likelihood(y, z, x) + model.prior.log_prob(z)

        state = sample(q, random.fold_in(keys, 0), num_chains)
        # One stateless seed a block, as TFP's kernels take no seed a row.
        seeds = tf.bitcast(random.fold_in(keys[0], tf.range(1, 3)), tf.int32)
        scale = _scale(q, state)

        def try_larger(i: tf.Tensor, best: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            size = scale * tf.gather(tf.constant(_STEP_SIZES, scale.dtype), i)
            here = tf.identity(state)  # TFP caches by tensor, also from loops
            accepted = acceptance(joint, here, size, seeds[0]) > _ACCEPTANCE
            accepted = tf.reshape(accepted, [-1] + [1] * (scale.shape.rank - 1))
            return i + 1, tf.where(accepted, size, best)

        _, step_size = tf.while_loop(
            lambda i, _: i < len(_STEP_SIZES),
            try_larger,
            (tf.constant(1), scale * _STEP_SIZES[0]),
        )
        ends = (joint, q.log_prob) if backwards else (q.log_prob, joint)
        if backwards:
            state = tf.broadcast_to(z, tf.shape(state))
        _, log_weights, _ = tfp.mcmc.sample_annealed_importance_chain(
            num_steps,
            *ends,
            current_state=state,
            make_kernel_fn=lambda target: kernel(target, step_size),
            seed=seeds[1],
        )
        return log_weights

    return tf.function(walk, autograph=False)


def _scale(q: tfd.Distribution, state: tf.Tensor) -> tf.Tensor:
    """q's standard deviation in every dimension, `[b, *latent]`."""
    try:
        return q.stddev()
    except NotImplementedError:
        return tf.math.reduce_std(state, axis=0)
