"""Whether a GAN's logit is a log-ratio: checked by its loss, and on samples."""

import warnings

import numpy as np

from tfgen.losses import GANLoss

__all__ = ["check_log_ratio", "warn_of_ratio"]

# Samples that E_gen exp(a) must rest on, and how far from 1 it may be.
_FEWEST, _FARTHEST, _STANDARD_ERRORS = 10.0, 2.0, 4.0


def check_log_ratio(
    loss: GANLoss, label_smoothing: float, what: str, up_to_constant: bool
) -> None:
    """Raises a ValueError unless the logit estimates the log-ratio.

    Args:
        loss: what the GAN was compiled with.
        label_smoothing: as in `GAN.compile`.
        what: what needs the ratio, named in the error.
        up_to_constant: whether a constant added to the ratio does no harm.
    """
    suits = loss.logits_are_log_ratio or (
        up_to_constant and loss.logits_are_log_ratio_up_to_constant
    )
    if not suits:
        name = type(loss).__name__
        fix = "Compile with a loss such as 'maximum_likelihood'."
        if loss.logits_are_log_ratio_up_to_constant:
            fix = (
                "Its logit lacks a constant, which `GAN.calibrate` finds: pass "
                "`calibration`."
            )
        raise ValueError(
            f"`{what}` needs a discriminator whose logit is a log-ratio; received one "
            f"trained by {name}, which makes it a critic: its optimum is not "
            f"log p_data - log p_gen. {fix}"
        )
    if label_smoothing:
        raise ValueError(
            f"`{what}` needs `label_smoothing=0`, since smoothing moves the optimal "
            f"logit; received {label_smoothing}."
        )


def warn_of_ratio(fake_logits: np.ndarray) -> None:
    """Warns if E_gen exp(a), which is 1 for a true log-ratio, is not near 1.

    Args:
        fake_logits: a(G(z)) of samples, `[N]`.
    """
    a = np.asarray(fake_logits, np.float64)
    weights = np.exp(a - a.max())
    mean = weights.mean()
    effective = weights.sum() ** 2 / np.sum(weights**2)
    ratio = mean * np.exp(a.max())
    error = ratio * weights.std() / mean / np.sqrt(len(a))
    if not effective >= _FEWEST:
        finding = (
            f"the mean of exp(a) rests on {effective:.1f} of {len(a)} samples "
            "(the effective sample size), so that it can't be checked"
        )
    elif abs(ratio - 1.0) > _STANDARD_ERRORS * error and not (
        1.0 / _FARTHEST <= ratio <= _FARTHEST
    ):
        finding = (
            f"the mean of exp(a) over samples is {ratio:.3g} ± {error:.2g}, and should be 1"
        )
    else:
        return
    warnings.warn(
        f"The log-ratio a(x) is unreliable: {finding}. Calibrate it by `GAN.calibrate`, "
        "or train the discriminator for longer. If data and samples hardly overlap, use "
        "`tfgen.evaluation.telescoping_ratio`.",
        RuntimeWarning,
        stacklevel=3,
    )
