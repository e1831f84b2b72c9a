"""Keras models of data: latent-variable models and generative adversarial networks."""

from tfgen.models.gan import (
    GAN,
    Calibration,
    Correction,
    CorrectionReport,
    LatentLangevin,
    MetropolisHastings,
    RejectionSampling,
)
from tfgen.models.mean_field import MeanFieldVAE
from tfgen.models.prior_fit import FittedPrior, fit_prior
from tfgen.models.vae import IWAE, VAE

__all__ = [
    "GAN",
    "IWAE",
    "VAE",
    "Calibration",
    "Correction",
    "CorrectionReport",
    "FittedPrior",
    "LatentLangevin",
    "MeanFieldVAE",
    "MetropolisHastings",
    "RejectionSampling",
    "fit_prior",
]
