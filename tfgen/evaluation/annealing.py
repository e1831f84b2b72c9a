"""log p(x) by annealed importance sampling, from below and from above."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgen import random
from tfgen.evaluation.arguments import check_model
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

# How many numbers a block's largest intermediate may hold: 16 MB of float32.
_BLOCK_NUMBERS = 2**22

# The number of chains for each example while step sizes are tuned.
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
    """log p(x) by chains that move from the posterior q(z|x) to p(x, z).

    Between the two, distributions proportional to q^(1 - t) p^t, t from 0 to 1, are
    visited by Hamiltonian Monte Carlo; the product of the ratios along the way is a weight
    w with E w = p(x). So log (1/C) sum_c w_c over C chains is, in expectation, a **lower**
    bound on log p(x), a far tighter one than importance sampling gives where q is poor.

    For data simulated by the model, the z from which x was drawn is known, and is an exact
    draw from p(z|x). Chains that start there and move back to q give a weight v with E v =
    1/p(x), and -log (1/C) sum_c v_c is, in expectation, an **upper** bound. log p(x) lies
    between the two.

    Step sizes are tuned for each example with separate chains, which are then discarded:
    weights are biased if their step sizes depend on their own chains. The tuning costs as
    much as 100 steps of 16 chains.

    Args:
        model: a `VAE`, `IWAE` or `MeanFieldVAE`, whose latents are continuous.
        x: `[B, ...]`, what the encoder sees, or a dict of inputs by name; or a
            `tf.data.Dataset` of batches of x or (x, y), read as one.
        num_chains: C, at least 2.
        num_steps: number of distributions visited; the bound gets tighter as it grows.
        num_leapfrog_steps: leapfrog steps in each Hamiltonian Monte Carlo proposal.
        seed: an integer, or `None` for fresh numbers. Row b is keyed by (seed, b).
        y: `[B, *event]`, the targets of the likelihood; x unless given.
        posterior: the initial distribution q, of batch shape `[B]`; the encoder's output
            unless given.
        z: the latent variables that x was drawn from, `[B, *latent]` or a dict of them by
            name, for the upper bound.
        verbose: whether to show progress and the time left; `"auto"`: if the output is a
            terminal.

    Returns:
        A `LogLikelihood`, four tensors `[B]`, over the chains. The standard error is
        estimated from the weights, and is too small if they vary a lot: 16 of them are too
        few to show how heavy their tail is, so below 21 chains `pareto_k` is NaN and a
        warning depends on the effective sample size alone. Chains that move back all start
        at one z, and their standard error does not include the randomness of z. For a
        reliable error, average over examples, whose errors are independent.

    Raises:
        ValueError: if a number is below its minimum, a shape is wrong, or a latent is
            discrete, which Hamiltonian Monte Carlo can't move.
        TypeError: if a number is not an integer.

    Warns:
        UserWarning: if one or a few chains carry most of the weight.

    Source: Neal. Annealed importance sampling. Statistics and Computing 11, 2001. For
    decoders, and the sandwich: Wu, Burda, Salakhutdinov, Grosse. arXiv 1611.04273.
    """
    check_model(model, x)
    for name, value in (
        ("num_chains", num_chains),
        ("num_steps", num_steps),
        ("num_leapfrog_steps", num_leapfrog_steps),
    ):
        checks.positive_integer(value, name)
    if num_chains == 1:
        raise ValueError(
            "`num_chains` must be at least 2, to estimate an error; received 1."
        )
    x, y = read_dataset(x, y)
    q = model.encode(x) if posterior is None else posterior
    observed = as_observed(x, y)
    # Raises errors for unsuitable arguments before any work.
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
    """What a model needs beside a posterior: y in the place of x, and conditions."""
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
    """Returns a function from a block's (x, q's tensors, keys, z) to log-weights."""

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
            f"`z` must hold one latent variable for each example; received {rows} for "
            f"{count} examples."
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
        # How TFP marks a discrete distribution.
        if factor.experimental_default_event_space_bijector() is None:
            raise ValueError(
                "`model` must have continuous latents, as annealing moves them along the "
                f"gradient of log p(x, z); received {name!r} drawn from {factor.name!r}. "
                "Use `log_likelihood`."
            )
