"""log p(x) by annealed importance sampling, from below and from above."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgen import random
from tfgen.evaluation.chains import annealed_log_weights
from tfgen.evaluation.likelihood import LogLikelihood
from tfgen.evaluation.pareto import tail_length
from tfgen.evaluation.progress import show_progress
from tfgen.layers import FactoredDistribution
from tfgen.losses.leapfrog import flattening
from tfgen.models import VAE, checks
from tfgen.models.blocks import in_row_blocks
from tfgen.models.given import read_dataset
from tfgen.models.importance import WeightSums

__all__ = ["annealed_importance_sampling", "as_observed"]

# Numbers in the largest intermediate of a block of rows: 16 MB of float32.
_BLOCK_NUMBERS = 2**22

# How many chains an example has while its step sizes are tuned.
_PILOT_CHAINS = 16


def annealed_importance_sampling(
    model: VAE,
    x: Any,
    num_chains: int = 16,
    num_steps: int = 500,
    num_leapfrog_steps: int = 5,
    seed: Any = None,
    y: Any = None,
    posterior: Any = None,
    z: Any = None,
    verbose: Any = "auto",
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

    Step sizes are found for each example by other chains, which are thrown away: weights
    whose step sizes depend on their own chains are biased. They cost as much as 100 steps
    of 16 chains.

    Args:
        model: a `VAE`, `IWAE` or `MeanFieldVAE`, whose latents are continuous.
        x: `[B, ...]`, what the encoder sees, or a dict of what is given by name; or a
            `tf.data.Dataset` of batches of x or (x, y), read as one.
        num_chains: C, at least 2.
        num_steps: distributions visited; the bound tightens as they grow.
        num_leapfrog_steps: of a Hamiltonian Monte Carlo proposal.
        seed: an integer, or `None` for fresh numbers. Row b is keyed by (seed, b).
        y: `[B, *event]`, what the likelihood is of; x unless given.
        posterior: where to start, of batch shape `[B]`; the encoder's answer unless given.
        z: the latent variables that x was drawn from, `[B, *latent]` or a dict of such by
            name, for the upper bound.
        verbose: whether to show progress and the time left; `"auto"` where the output is
            a terminal.

    Returns:
        A `LogLikelihood`, four tensors `[B]`, over the chains. The standard error is the
        weights' own, and too small where the weights vary by much: 16 of them can't tell
        how heavy their tail is, so `pareto_k` is NaN below 21 chains and only the effective
        sample size warns. Chains that walk back start at one z: their standard error does
        not count how z happened to fall. Average over examples, whose errors are
        independent, for an error that covers.

    Raises:
        ValueError: if a number is below its least, a shape is wrong, or a latent is
            discrete, which Hamiltonian Monte Carlo can't move.
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
    x, y = read_dataset(x, y)
    q = model.encode(x) if posterior is None else posterior
    observed = as_observed(x, y)
    # Refuses what doesn't fit, before any work.
    model.log_weight_terms(observed, posterior=q, seed=0)
    _refuse_discrete(q)
    count = int(q.batch_shape[0])
    if z is not None:
        z = _checked_latents(z, model, count)
    seed = random.fresh_seed() if seed is None else seed
    settings = (q.factory, z is not None, num_chains, num_leapfrog_steps)
    walk = model.program(("annealing", *settings), lambda: _walk(model, *settings))
    rows = (
        keras.tree.map_structure(tf.convert_to_tensor, observed),
        q.tensors,
        random.row_keys(seed, 0, tf.range(count)),
        () if z is None else z,
    )
    steps = tf.constant(num_steps)
    width = max(num_chains, _PILOT_CHAINS) * math.prod(model.structure.event_shape)
    block = max(1, _BLOCK_NUMBERS // width)
    progress = show_progress(count, verbose)
    log_weights = in_row_blocks(
        lambda part: walk(*part, steps), rows, count, block, progress
    )
    keep = tail_length(num_chains) + 1
    sums = WeightSums.of(tf.transpose(log_weights), keep)
    result = LogLikelihood.of(sums, num_chains)
    if z is not None:
        result = result._replace(log_prob=-result.log_prob)
    result.warn_if_untrustworthy(num_chains, "Raise `num_steps` or `num_chains`.")
    return result


def as_observed(x: Any, y: Any) -> Any:
    """What a model is given beside a posterior: y in the place of x, and the conditions."""
    if y is None:
        return x
    return {**x, "x": y} if isinstance(x, Mapping) else y


def _walk(
    model: VAE,
    factory: Callable,
    backwards: bool,
    num_chains: int,
    num_leapfrog_steps: int,
) -> Callable[..., tf.Tensor]:
    """From (x, q's tensors, keys, z) of a block of rows to log-weights `[b, C]`."""

    def walk(x: Any, tensors: Any, keys: Any, z: Any, num_steps: Any) -> tf.Tensor:
        q = factory(tensors)
        tuning = random.stream(keys, random.Stream.TUNE)
        pilot, state = q.sample(_PILOT_CHAINS, seed=tuning), q.sample(num_chains, seed=keys)
        if backwards:
            state = keras.tree.map_structure(
                lambda v, s: tf.broadcast_to(tf.cast(v, s.dtype), tf.shape(s)), z, state
            )
        to_vector, to_latents = flattening(state)

        def densities(vector: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            terms = model.log_weight_terms(x, posterior=q, z=to_latents(vector))
            return terms.log_posterior, terms.log_joint

        log_weights = annealed_log_weights(
            densities,
            to_vector(state),
            to_vector(pilot),
            keys,
            num_steps,
            num_leapfrog_steps,
            backwards,
        )
        return tf.cast(tf.transpose(log_weights), model.variable_dtype)

    return walk


def _checked_latents(z: Any, model: VAE, count: int) -> Any:
    z = keras.tree.map_structure(tf.convert_to_tensor, z)
    checks.check_latents(z, model.structure)
    rows = int(keras.tree.flatten(z)[0].shape[0])
    if rows != count:
        raise ValueError(
            f"`z` must hold one latent variable an example; received {rows} for {count} "
            "examples."
        )
    return z


def _refuse_discrete(posterior: Any) -> None:
    """Raises a ValueError where a latent has no density that a chain can follow."""
    if isinstance(posterior, FactoredDistribution):
        z = posterior.sample(seed=0)
        factors = {name: posterior.factor(name, z) for name in posterior.event_shape}
    else:
        factors = {"z": posterior}
    for name, factor in factors.items():
        # TFP's mark of a discrete distribution.
        if factor.experimental_default_event_space_bijector() is None:
            raise ValueError(
                "`model` must have continuous latents, as annealing moves them along the "
                f"gradient of log p(x, z); received {name!r} drawn from {factor.name!r}. "
                "Use `log_likelihood`."
            )
