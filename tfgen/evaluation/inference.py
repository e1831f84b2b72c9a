"""What inference costs: the gap below log p(x), and the units it leaves unused."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfgen.evaluation.likelihood import LogLikelihood
from tfgen.evaluation.table import format_table
from tfgen.models import VAE, checks
from tfgen.random import fresh_seed

__all__ = ["ActiveUnits", "Mean", "active_units", "inference_gap"]

_BATCH_SIZE = 1024
_MEAN_SAMPLES = 64


class Mean(NamedTuple):
    """A mean over examples, and its standard error, in nats an example."""

    value: float
    standard_error: float


def inference_gap(
    model: VAE,
    x: Any,
    steps: int = 300,
    num_samples: int = 1000,
    learning_rate: float = 0.05,
    seed: Any = None,
    y: Any = None,
    verbose: bool = True,
) -> dict[str, Mean]:
    """Where the ELBO loses: in the posterior's family, or in the encoder.

        log p(x) - ELBO[q] = (log p(x) - ELBO[q*]) + (ELBO[q*] - ELBO[q])
             inference gap = approximation gap      + amortization gap

    q is the encoder's answer and q* the best of its family for each example, found by
    `VAE.refine`. A large amortization gap asks for a larger encoder or for refinement, a
    large approximation gap for a richer family. log p(x) is estimated by importance
    sampling from q*.

    Args:
        model: a `VAE`, `IWAE` or `MeanFieldVAE`.
        x: `[B, ...]`, what the encoder sees, B at least 2.
        steps: of refinement; too few make the amortization gap look small.
        num_samples: posterior samples an example, of each figure, at least 2.
        learning_rate: of refinement, at the start.
        seed: an integer, or `None` for fresh numbers.
        y: `[B, *event]`, what the likelihood is of; x unless given.
        verbose: whether to print the table.

    Returns:
        `log_prob`, `refined_elbo`, `elbo`, `approximation_gap`, `amortization_gap` and
        `inference_gap`, each a `Mean` over the B examples. Gaps are of paired differences,
        with their standard errors.

    Raises:
        ValueError: if a number is below its least, or a shape is wrong.
        TypeError: if a number is no integer, or if the encoder does not end in a layer of
            `tfgen.layers`.

    Source: Cremer, Li, Duvenaud. Inference suboptimality in variational autoencoders.
    arXiv 1801.03558.
    """
    if checks.positive_integer(num_samples, "num_samples") == 1:
        raise ValueError("`num_samples` must be at least 2; received 1.")
    posterior = model.encode(x)
    count = int(posterior.batch_shape[0])
    if count == 1:
        raise ValueError("`x` must hold at least 2 examples, to tell an error; received 1.")
    refined = model.refine(x, steps, learning_rate, 8, seed, y=y)
    noise = fresh_seed() if seed is None else seed
    sums = {
        name: model.importance_sums(x, num_samples, noise, y, posterior=q)
        for name, q in (("encoder", posterior), ("refined", refined))
    }
    estimate = LogLikelihood.of(sums["refined"], num_samples)
    estimate.warn_if_untrustworthy(num_samples, "Raise `steps` or `num_samples`.")
    log_prob = estimate.log_prob.numpy()
    elbo, refined_elbo = (
        sums[name].sum_logs.numpy() / num_samples for name in ("encoder", "refined")
    )
    result = {
        "log_prob": _mean(log_prob),
        "refined_elbo": _mean(refined_elbo),
        "elbo": _mean(elbo),
        "approximation_gap": _mean(log_prob - refined_elbo),
        "amortization_gap": _mean(refined_elbo - elbo),
        "inference_gap": _mean(log_prob - elbo),
    }
    if verbose:
        names = {
            "log_prob": "log p(x)",
            "refined_elbo": "ELBO, best of the family",
            "elbo": "ELBO, encoder",
        }
        rows = [
            (
                names.get(name, name.replace("_", " ")),
                f"{mean.value:.3f}",
                f"± {mean.standard_error:.3f}",
            )
            for name, mean in result.items()
        ]
        print(format_table([f"{count} examples", "nats", ""], rows))
    return result


def _mean(values: np.ndarray) -> Mean:
    values = values.astype("float64")
    return Mean(values.mean().item(), (values.std(ddof=1) / np.sqrt(len(values))).item())


class ActiveUnits(NamedTuple):
    """Which latent dimensions carry information about x.

    Attributes:
        num_active: how many there are.
        is_active: `[D]`.
        variance: Var_x E_q[z_d], `[D]`.
    """

    num_active: int
    is_active: np.ndarray
    variance: np.ndarray


def active_units(model: VAE, x: Any, threshold: float = 0.01) -> ActiveUnits:
    """The latent dimensions whose posterior mean varies with x.

    Dimension d is active where Var_x E_{q(z|x)}[z_d] > threshold.

    Args:
        model: a `VAE` or `IWAE`, or a `MeanFieldVAE` with x its indices.
        x: `[B, ...]`, B at least 2.
        threshold: of the variance, in units of z squared.

    Returns:
        An `ActiveUnits`.

    Raises:
        ValueError: if x holds fewer than 2 examples, or `threshold` is not positive.

    Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519, section 5.2.
    """
    threshold = checks.positive_number(threshold, "threshold")
    count = int(keras.tree.flatten(x)[0].shape[0])
    if count < 2:
        raise ValueError(f"`x` must hold at least 2 examples; received {count}.")
    means = []
    for start in range(0, count, _BATCH_SIZE):
        part = keras.tree.map_structure(lambda t, a=start: t[a : a + _BATCH_SIZE], x)
        posterior = model.encode(part)
        try:
            mean = posterior.mean()
        except NotImplementedError:
            mean = tf.reduce_mean(posterior.sample(_MEAN_SAMPLES, seed=0), axis=0)
        means.append(mean.numpy().astype("float64"))
    variance = np.concatenate(means).var(axis=0, ddof=1)
    is_active = variance > threshold
    return ActiveUnits(int(is_active.sum()), is_active, variance)
