"""Calibrates a logit to a log-ratio, on data that the discriminator was not trained on."""

import dataclasses
import math
import numbers
from typing import Any

import numpy as np

__all__ = ["Calibration", "fit_calibration"]

_BINS = 20
_NEWTON_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A logistic regression on the logit: the calibrated one is slope a + intercept.

    It is fitted by `GAN.calibrate` on equal numbers of held-out data and fresh samples;
    errors are computed on rows that were not used in the fit. The expected calibration
    error is the mean over 20 equally filled bins of |share of data - mean of D|, which by
    chance alone is about 0.8 sqrt(p (1 - p) / rows of a bin). z is Turner's statistic,

        z = sum(y - D) / sqrt(sum D (1 - D)),  y = 1 of data, 0 of samples,

    a standard normal number if D is calibrated.

    Attributes:
        slope: 1 if the logit was calibrated; below 1 if it was overconfident.
        intercept: 0 if it was calibrated, in nats.
        log_bound: the largest calibrated logit of data and samples, or the requested
            quantile of them; `RejectionSampling` uses it as M.
        slope_error: the standard error of the slope.
        intercept_error: that of the intercept.
        error_before: expected calibration error of the logit as it is, in [0, 1].
        error_after: that of the calibrated logit.
        z_before: z of the logit as it is.
        z_after: z of the calibrated logit.

    Source: Platt. Probabilistic outputs for support vector machines. 1999. Turner et al.
    Metropolis-Hastings generative adversarial networks. arXiv 1811.11357.
    """

    slope: float
    intercept: float = 0.0
    log_bound: float | None = None
    slope_error: float = math.nan
    intercept_error: float = math.nan
    error_before: float = math.nan
    error_after: float = math.nan
    z_before: float = math.nan
    z_after: float = math.nan

    def __post_init__(self) -> None:
        for name in ("slope", "intercept"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real):
                raise TypeError(f"`{name}` must be a number; received {value!r}.")
            if not math.isfinite(value):
                raise ValueError(f"`{name}` must be finite; received {value!r}.")

    def __call__(self, logits: Any) -> Any:
        """The calibrated logits."""
        return self.slope * logits + self.intercept


def fit_calibration(
    real_logits: np.ndarray, fake_logits: np.ndarray, quantile: float = 1.0
) -> Calibration:
    """Fits a calibration by maximum likelihood on every second row.

    Args:
        real_logits: a(x) of data, `[N]`.
        fake_logits: a(x) of samples, `[M]`.
        quantile: the quantile of the calibrated logits that is used as `log_bound`.

    Raises:
        ValueError: if there are fewer than 4 of one kind, if a logit is not finite, if data
            and samples don't overlap, or if the logit is not greater on data.
    """
    for name, value in (("real_logits", real_logits), ("fake_logits", fake_logits)):
        if value is None or np.asarray(value).dtype.kind not in "fiub":
            raise TypeError(
                f"`{name}` must be an array of numbers; received {value!r}. Pass logits, "
                "such as `gan.log_density_ratio(x)`."
            )
    if not 0.0 < quantile <= 1.0:
        raise ValueError(f"`quantile` must lie in (0, 1]; received {quantile!r}.")
    real, fake = (np.asarray(x, np.float64).ravel() for x in (real_logits, fake_logits))
    if min(len(real), len(fake)) < 4:
        raise ValueError(
            f"`x` must hold at least 4 examples for a calibration; received {len(real)}. "
            "Hold out a few thousand."
        )
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise ValueError("`x` must have finite logits; received NaN or infinity.")
    if real[::2].min() > fake[::2].max():
        raise ValueError(
            "`x` must not be separated from the samples without an error, as the "
            "discriminator does here: the density ratio is then unknown, and the logit "
            "can't be calibrated. Train the generator for longer, or use "
            "`gradient_penalty='r1'`."
        )
    coefficients, errors = _fit(real[::2], fake[::2])
    slope, intercept = (float(value) for value in coefficients)
    if slope <= 0.0:
        raise ValueError(
            "`x` must have larger logits than the samples, on average; the fitted slope "
            f"is {slope:.3g} ± {errors[0]:.2g}. The discriminator has not learned to tell "
            "data from samples: train it for longer, or give more held-out data."
        )
    before = np.concatenate([real[1::2], fake[1::2]])
    label = np.concatenate([np.ones(len(real[1::2])), np.zeros(len(fake[1::2]))])
    after = slope * before + intercept
    calibrated = slope * np.concatenate([real, fake]) + intercept
    return Calibration(
        slope=slope,
        intercept=intercept,
        log_bound=float(np.quantile(calibrated, quantile)),
        slope_error=float(errors[0]),
        intercept_error=float(errors[1]),
        error_before=_calibration_error(before, label),
        error_after=_calibration_error(after, label),
        z_before=_z(before, label),
        z_after=_z(after, label),
    )


def _fit(real: np.ndarray, fake: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept, and their standard errors; both classes have equal weight."""
    logits = np.concatenate([real, fake])
    # In units of their spread, so that Newton's first step is not too long.
    centre, scale = logits.mean(), max(logits.std(), 1e-12)
    features = np.stack([(logits - centre) / scale, np.ones_like(logits)], axis=1)
    label = np.concatenate([np.ones(len(real)), np.zeros(len(fake))])
    weight = np.where(label == 1, 0.5 / len(real), 0.5 / len(fake))

    def loss(beta: np.ndarray) -> float:
        value = features @ beta
        return float(np.sum(weight * (np.logaddexp(0.0, value) - label * value)))

    beta = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        gradient, hessian, _ = _derivatives(features, label, weight, beta)
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        size = 1.0
        while loss(beta - size * step) > loss(beta) and size > 1e-6:
            size *= 0.5
        beta = beta - size * step
        if np.abs(size * step).max() < 1e-10:
            break
    _, hessian, square = _derivatives(features, label, weight, beta)
    inverse = np.linalg.pinv(hessian)
    to_logit = np.array([[1.0 / scale, 0.0], [-centre / scale, 1.0]])
    covariance = to_logit @ inverse @ square @ inverse @ to_logit.T
    return to_logit @ beta, np.sqrt(np.diag(covariance))


def _derivatives(
    features: np.ndarray, label: np.ndarray, weight: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient and Hessian of the loss, and the sum of its rows' squared gradients."""
    probability = _sigmoid(features @ beta)
    rows = (weight * (probability - label))[:, np.newaxis] * features
    curvature = weight * probability * (1.0 - probability)
    return rows.sum(axis=0), (features.T * curvature) @ features, rows.T @ rows


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -logits))


def _calibration_error(logits: np.ndarray, label: np.ndarray) -> float:
    bins = np.array_split(np.argsort(logits, kind="stable"), min(_BINS, len(logits)))
    probability = _sigmoid(logits)
    gaps = [abs(label[i].mean() - probability[i].mean()) * len(i) for i in bins]
    return float(sum(gaps) / len(logits))


def _z(logits: np.ndarray, label: np.ndarray) -> float:
    probability = _sigmoid(logits)
    spread = np.sqrt(np.sum(probability * (1.0 - probability)))
    return float(np.sum(label - probability) / max(spread, 1e-12))
