"""Generative adversarial networks: the model, its checks, its updates, what it logs."""

from tfgen.models.gan.gan import GAN

__all__ = ["GAN"]
