"""Refined inference: gradient steps on each example's own posterior parameters."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.layers import DistributionLayer, TensorDistribution
from tfgen.losses import ELBO
from tfgen.models import checks
from tfgen.models.row_adam import RowMoments, climb
from tfgen.training.policy import xla_pays

__all__ = ["check_steps", "refine"]

# Numbers in the largest intermediate of a block of rows: 16 MB of float32.
_BLOCK_NUMBERS = 2**22

# Numbers in all from which XLA's saving makes up for the seconds it takes to compile.
_XLA_NUMBERS = 2**28

# Rounds of `num_samples` samples by which the last answer is compared with the first.
_COMPARISONS = 32


def check_steps(steps: Any) -> int:
    """`steps` as a Python integer of at least 0, or an error that names the argument."""
    if isinstance(steps, bool) or not isinstance(steps, numbers.Integral):
        raise TypeError(
            f"`steps` must be an integer; received {steps!r} of type "
            f"{type(steps).__name__}. Pass a number such as 100."
        )
    if steps < 0:
        raise ValueError(
            f"`steps` must be at least 0; received {steps}. With 0, q stays as it is."
        )
    return int(steps)


def refine(
    model: Any,
    y: tf.Tensor,
    posterior: TensorDistribution,
    steps: int,
    learning_rate: float,
    num_samples: int,
    keys: tf.Tensor,
) -> TensorDistribution:
    """q(z|x) after gradient steps on the ELBO in its raw parameters, one row an example.

    Rows move by Adam, each by itself, with the path gradient of log q held (STL) and a
    rate that falls to 0 by half a cosine. A row that ends below its start, by two standard
    errors on fresh noise, keeps its start.

    Args:
        model: a built `VAE`, whose prior and decoder stay as they are.
        y: what the likelihood is of, `[B, *event]`.
        posterior: where to start, of batch shape `[B]`.
        steps: how many steps, at least 0.
        learning_rate: Adam's, at the start.
        num_samples: posterior samples an example and step.
        keys: the rows' keys, `uint32 [B, 2]`.

    Returns:
        A distribution of the same family, of batch shape `[B]`.

    Raises:
        TypeError: if `steps` or `num_samples` is no integer, or if `posterior` is not made
            by a layer of `tfgen.layers`.
        ValueError: if one of them, or `learning_rate`, is out of range.
    """
    steps = check_steps(steps)
    num_samples = checks.positive_integer(num_samples, "num_samples")
    learning_rate = checks.positive_number(learning_rate, "learning_rate")
    if not isinstance(posterior, TensorDistribution):
        raise TypeError(
            "`refine` needs an encoder that ends in a layer of `tfgen.layers`, whose "
            f"distribution knows its raw parameters; received a {type(posterior).__name__}."
        )
    raw = posterior.raw_parameters
    count = int(raw.shape[0])
    width = num_samples * int(np.prod(model.structure.event_shape))
    rows = min(count, max(1, _BLOCK_NUMBERS // width))
    xla = xla_pays(model) and steps * count * width > _XLA_NUMBERS
    name = f"refine, {posterior.layer.name}, {num_samples}" + (", XLA" if xla else "")
    if name not in model._functions:
        model._functions[name] = _program(model, posterior.layer, num_samples, xla)
    program = model._functions[name]
    refined = []
    for start in range(0, count, rows):
        # The last block is filled up with copies of the last row.
        index = tf.minimum(tf.range(start, start + rows), count - 1)
        part = (tf.gather(value, index) for value in (y, raw, keys))
        refined.append(program(*part, tf.constant(steps), tf.constant(learning_rate)))
    return posterior.rebuild(tf.concat(refined, axis=0)[:count])


def _program(
    model: Any, layer: DistributionLayer, num_samples: int, xla: bool
) -> Callable[..., tf.Tensor]:
    """From (y, raw parameters, keys, steps, learning rate) to raw parameters."""
    objective = ELBO(num_samples, kl="monte_carlo", estimator="stl")

    def evaluate(y: tf.Tensor, raw: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        return objective.evaluate(
            layer.distribution(raw),
            model.prior,
            lambda z: model._log_likelihood(y, z),
            keys,
        ).objective

    def falls(y: tf.Tensor, start: tf.Tensor, end: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """Whether `end` is below `start` by two standard errors, on fresh noise, `[b]`."""

        def compare(i: tf.Tensor, total: tf.Tensor, squares: tf.Tensor) -> tuple:
            fresh = random.fold_in(keys, -i - 1)
            rise = evaluate(y, end, fresh) - evaluate(y, start, fresh)
            return i + 1, total + rise, squares + tf.square(rise)

        zeros = tf.zeros_like(start[:, 0])
        _, total, squares = tf.while_loop(
            lambda i, *_: i < _COMPARISONS, compare, (tf.constant(0), zeros, zeros)
        )
        mean, variance = total / _COMPARISONS, squares / _COMPARISONS
        error = tf.sqrt(tf.maximum(variance - tf.square(mean), 0.0) / _COMPARISONS)
        return ~(mean >= -2.0 * error)  # NaN falls

    def program(
        y: tf.Tensor,
        start: tf.Tensor,
        keys: tf.Tensor,
        steps: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> tf.Tensor:
        def step(i: tf.Tensor, raw: tf.Tensor, moments: RowMoments) -> tuple:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(raw)
                value = tf.reduce_sum(evaluate(y, raw, random.fold_in(keys, i)))
            part = tf.cast(i, raw.dtype) / tf.cast(steps, raw.dtype)
            rate = learning_rate * 0.5 * (1.0 + tf.cos(math.pi * part))
            return i + 1, *climb(raw, tape.gradient(value, raw), moments, rate)

        zeros = tf.zeros_like(start)
        state = (tf.constant(0), start, RowMoments(zeros, zeros, zeros[:, 0]))
        _, end, _ = tf.while_loop(lambda i, *_: i < steps, step, state)
        return tf.where(falls(y, start, end, keys)[:, tf.newaxis], start, end)

    return tf.function(program, autograph=False, jit_compile=xla or None)
