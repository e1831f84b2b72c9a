"""Generative adversarial networks: the model, its corrections, what it checks and logs."""

from tfgen.models.gan.corrections import (
    Calibration,
    Correction,
    CorrectionReport,
    LatentLangevin,
    MetropolisHastings,
    RejectionSampling,
)
from tfgen.models.gan.gan import GAN

__all__ = [
    "GAN",
    "Calibration",
    "Correction",
    "CorrectionReport",
    "LatentLangevin",
    "MetropolisHastings",
    "RejectionSampling",
]
