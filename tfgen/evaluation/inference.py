"""The inference gap, between the ELBO and log p(x), and its two parts."""

from typing import Any, NamedTuple

import numpy as np

from tfgen.evaluation.annealing import as_observed
from tfgen.evaluation.arguments import check_model
from tfgen.evaluation.likelihood import LogLikelihood
from tfgen.evaluation.pareto import tail_length
from tfgen.evaluation.progress import show_progress
from tfgen.evaluation.table import format_table
from tfgen.models import VAE, checks
from tfgen.models.given import read_dataset
from tfgen.random import fresh_seed

__all__ = ["Mean", "inference_gap"]


class Mean(NamedTuple):
    """A mean over examples, and its standard error, in nats per example."""

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
    """Splits the gap log p(x) - ELBO into the posterior family's part and the encoder's.

        log p(x) - ELBO[q] = (log p(x) - ELBO[q*]) + (ELBO[q*] - ELBO[q])
             inference gap = approximation gap      + amortization gap

    q is the encoder's output and q* the best posterior of its family for each example,
    found by `VAE.refine`. A large amortization gap calls for a larger encoder or for
    refinement, a large approximation gap for a richer family. log p(x) is estimated by
    importance sampling from q*, whose estimate from K samples is biased downwards. The
    standard errors do not include this bias, which makes the approximation gap and the
    inference gap too small. If no warning is given, it is about half of the relative
    variance of p̂(x).

    Args:
        model: a `VAE`, `IWAE` or `MeanFieldVAE`.
        x: `[B, ...]`, what the encoder sees, or a dict of inputs by name, B at least 2; or
            a `tf.data.Dataset` of batches of x or (x, y), read as one.
        steps: refinement steps; with too few, the amortization gap looks too small.
        num_samples: posterior samples for each example and figure, at least 2.
        learning_rate: initial learning rate of the refinement.
        seed: an integer, or `None` for fresh numbers.
        y: `[B, *event]`, the targets of the likelihood; x unless given.
        verbose: whether to print the table and, if the output is a terminal, progress and
            the time left.

    Returns:
        `log_prob`, `refined_elbo`, `elbo`, `approximation_gap`, `amortization_gap` and
        `inference_gap`, each a `Mean` over the B examples. Gaps are means of paired
        differences. The standard errors are those of a mean over examples: they include the
        choice of the examples and the sampling noise, but no bias.

    Raises:
        ValueError: if a number is below its minimum, or a shape is wrong.
        TypeError: if a number is not an integer, or if the encoder does not end in a layer
            of `tfgen.layers`.

    Source: Cremer, Li, Duvenaud. Inference suboptimality in variational autoencoders.
    arXiv 1801.03558.
    """
    check_model(model, x)
    if checks.positive_integer(num_samples, "num_samples") == 1:
        raise ValueError("`num_samples` must be at least 2; received 1.")
    x, y = read_dataset(x, y)
    posterior = model.encode(x)
    count = int(posterior.batch_shape[0])
    if count == 1:
        raise ValueError(
            "`x` must hold at least 2 examples, to estimate an error; received 1."
        )
    # Both use the same noise, which refinement has not used.
    seed = fresh_seed() if seed is None else seed
    observed = as_observed(x, y)

    def progress(name: str) -> Any:
        return show_progress(count, "auto" if verbose else False, name)

    refined = model.refine(
        observed,
        steps,
        learning_rate,
        seed=seed,
        posterior=posterior,
        progress=progress("refinement"),
    )
    keep = tail_length(num_samples) + 1
    sums = {
        name: model.importance_sums(
            observed,
            num_samples,
            seed,
            posterior=q,
            keep=keep,
            progress=progress(f"log-weights, {name} posterior"),
        )
        for name, q in (("encoder's", posterior), ("refined", refined))
    }
    estimate = LogLikelihood.of(sums["refined"], num_samples)
    estimate.warn_if_untrustworthy(num_samples, "Raise `steps` or `num_samples`.")
    log_prob = estimate.log_prob.numpy()
    elbo, refined_elbo = (
        sums[name].sum_logs.numpy() / num_samples for name in ("encoder's", "refined")
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
            "elbo": "ELBO",
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
