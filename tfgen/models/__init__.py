"""Keras models of data: latent-variable models and generative adversarial networks."""

from tfgen.models.gan import GAN
from tfgen.models.mean_field import MeanFieldVAE
from tfgen.models.prior_fit import FittedPrior, fit_prior
from tfgen.models.vae import IWAE, VAE

__all__ = ["GAN", "IWAE", "VAE", "FittedPrior", "MeanFieldVAE", "fit_prior"]
