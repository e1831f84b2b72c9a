"""Corrections: they turn a generator's samples into samples of the data's law.

| correction | how | source |
|---|---|---|
| `RejectionSampling` | accepts a sample with probability exp(a - M) | arXiv 1810.06758 |
| `MetropolisHastings` | a chain of samples, accepted or not | arXiv 1811.11357 |
| `LatentLangevin` | a chain of steps of z | arXiv 2003.06060 |

`Calibration` corrects a logit that is not yet a log-ratio, with data not trained on.
"""

from tfgen.models.gan.corrections.base import Corrected, Correction
from tfgen.models.gan.corrections.calibration import Calibration, fit_calibration
from tfgen.models.gan.corrections.langevin import LatentLangevin
from tfgen.models.gan.corrections.metropolis_hastings import MetropolisHastings
from tfgen.models.gan.corrections.registry import get_correction
from tfgen.models.gan.corrections.rejection import RejectionSampling
from tfgen.models.gan.corrections.report import CorrectionReport, make_report

__all__ = [
    "Calibration",
    "Corrected",
    "Correction",
    "CorrectionReport",
    "LatentLangevin",
    "MetropolisHastings",
    "RejectionSampling",
    "fit_calibration",
    "get_correction",
    "make_report",
]
