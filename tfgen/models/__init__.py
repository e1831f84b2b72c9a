"""Keras models of data: latent-variable models trained by bounds on log p(x)."""

from tfgen.models.vae import IWAE, VAE

__all__ = ["IWAE", "VAE"]
