"""`tfgen.models`."""

from tfgen.models.gan import GAN

__all__ = [
    "GAN",
]
