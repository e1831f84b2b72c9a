"""Which latent dimensions carry information about x."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.evaluation.arguments import check_model
from tfgen.models import VAE, checks
from tfgen.models.given import read_dataset

__all__ = ["ActiveUnits", "active_units"]

_BATCH_SIZE = 1024
_MEAN_SAMPLES = 64


class ActiveUnits(NamedTuple):
    """Which dimensions of a latent carry information about x.

    Attributes:
        num_active: the number of active dimensions.
        is_active: boolean, of the latent's shape, `[D]`.
        variance: Var_x E_q[z_d], of the latent's shape, `[D]`.
    """

    num_active: int
    is_active: np.ndarray
    variance: np.ndarray


def active_units(
    model: VAE, x: Any, threshold: float = 0.01
) -> ActiveUnits | dict[str, ActiveUnits]:
    """The latent dimensions whose posterior mean varies with x.

    Dimension d is active where Var_x E_{q(z|x)}[z_d] > threshold.

    If q has no mean in closed form, as for a flow or a latent that depends on another,
    means are estimated from 64 draws for each example. Their variance over examples is then
    too large by the variance of such a mean, var / 64, whose unbiased estimate is
    subtracted. So the variance is unbiased, and may be negative.

    Args:
        model: a `VAE` or `IWAE`, or a `MeanFieldVAE` with x its indices.
        x: `[B, ...]`, or a dict of inputs by name, B at least 2; or a `tf.data.Dataset` of
            batches of them, read as one.
        threshold: threshold of the variance, in units of z squared.

    Returns:
        An `ActiveUnits`; a dict of them by name if there are several latents.

    Raises:
        ValueError: if x holds fewer than 2 examples, or `threshold` is not positive.

    Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519, section 5.2.
    """
    check_model(model, x)
    threshold = checks.positive_number(threshold, "threshold")
    x = keras.tree.map_structure(tf.convert_to_tensor, read_dataset(x)[0])
    count = int(keras.tree.flatten(x)[0].shape[0])
    if count < 2:
        raise ValueError(f"`x` must hold at least 2 examples; received {count}.")
    blocks: dict[str, list[_Means]] = {}
    for start in range(0, count, _BATCH_SIZE):
        rows = range(start, min(start + _BATCH_SIZE, count))
        part = keras.tree.map_structure(lambda t, r=rows: t[r.start : r.stop], x)
        keys = random.row_keys(0, 0, tf.constant(rows))
        for name, means in _posterior_means(model.encode(part), keys).items():
            blocks.setdefault(name, []).append(means)
    units = {name: _active(parts, threshold) for name, parts in blocks.items()}
    return units if model.structure.is_joint else units["z"]


class _Means(NamedTuple):
    """Means of q for some examples, and the variances of their errors, each `[b, D]`."""

    mean: np.ndarray
    error: np.ndarray


def _posterior_means(posterior: Any, keys: tf.Tensor) -> dict[str, _Means]:
    """E_q[z] by latent name: in closed form, or over draws with the rows' keys."""
    try:
        mean = _by_name(posterior.mean())
        return {name: _Means(v, np.zeros_like(v)) for name, v in mean.items()}
    except NotImplementedError:
        draws = _by_name(posterior.sample(_MEAN_SAMPLES, seed=keys))
        return {
            name: _Means(v.mean(axis=0), v.var(axis=0, ddof=1) / _MEAN_SAMPLES)
            for name, v in draws.items()
        }


def _by_name(latents: Any) -> dict[str, np.ndarray]:
    latents = latents if isinstance(latents, dict) else {"z": latents}
    return {name: np.asarray(value, np.float64) for name, value in latents.items()}


def _active(blocks: list[_Means], threshold: float) -> ActiveUnits:
    mean, error = (np.concatenate(values) for values in zip(*blocks, strict=True))
    variance = mean.var(axis=0, ddof=1) - error.mean(axis=0)
    is_active = variance > threshold
    return ActiveUnits(int(is_active.sum()), is_active, variance)
