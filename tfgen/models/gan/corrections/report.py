"""A correction's report, and its warning if it did not work."""

import warnings
from typing import NamedTuple

import numpy as np

from tfgen.models.gan.corrections.base import Corrected

__all__ = ["CorrectionReport", "make_report"]

# A request of which more rows than this accepted nothing is not what was asked for.
_MANY = 0.01

_ADVICE = (
    "The discriminator gives almost all samples a far smaller ratio than a few: it may be "
    "overconfident, or the generator far from the data. Calibrate the logit by "
    "`GAN.calibrate` unless it is, "
)


class CorrectionReport(NamedTuple):
    """How many proposals a correction needed.

    Attributes:
        acceptance_rate: proposals that were accepted, among all, in [0, 1].
        num_accepted: how many were accepted for each row, `[B]`; a row with 0 is
            practically not corrected.
        num_proposals: how many each row had, `[B]`.
        log_bound: the upper bound M of the log-ratio, in nats, if one was used. Passed as
            `log_bound`, it need not be found again.
    """

    acceptance_rate: float
    num_accepted: np.ndarray
    num_proposals: np.ndarray
    log_bound: float | None


def make_report(corrected: Corrected, log_bound: float | None) -> CorrectionReport:
    """The report on a request.

    Args:
        corrected: the samples' latents and counts.
        log_bound: the bound that was used.

    Raises:
        RuntimeError: if no proposal of any row was accepted.

    Warns:
        RuntimeWarning: if some rows accepted none.
    """
    accepted, tried = corrected.num_accepted.numpy(), corrected.num_proposals.numpy()
    total = int(tried.sum())
    rate = float(accepted.sum()) / total
    more = "give it more proposals or steps" + (
        "."
        if log_bound is None
        else f", or a lower `log_bound` than {log_bound:.3g}, such as that of "
        "`GAN.calibrate(..., bound_quantile=0.95)`."
    )
    if not accepted.any():
        raise RuntimeError(
            f"`correction` accepted none of {total} proposals, a rate below "
            f"{1.0 / total:.2g}, so no sample is corrected. {_ADVICE}train it for longer, "
            f"or {more}"
        )
    without = float(np.mean(accepted == 0))
    if without > _MANY:
        warnings.warn(
            f"{without:.1%} of the samples are not corrected: none of their proposals was "
            f"accepted, at a rate of {rate:.2g}. {_ADVICE}or {more}",
            RuntimeWarning,
            stacklevel=4,
        )
    return CorrectionReport(rate, accepted, tried, log_bound)
