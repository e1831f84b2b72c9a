"""What pictures of decoded latents share: checks of z, and decoding to images."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from tfgen.models import GAN
from tfgen.plots.tiles import scale_images

__all__ = ["check_dimension", "check_latents", "decode_images", "latent_dim_of"]


def check_latents(z: ArrayLike, latent_dim: int | None, name: str = "z") -> np.ndarray:
    """Latents as float64 `[N, D]`; one, `[D]`, is made `[1, D]`."""
    if np.asarray(z).dtype.kind not in "fiub":
        raise TypeError(
            f"`{name}` must be an array of numbers, [N, {latent_dim or 'D'}]; received "
            f"{z!r}."
        )
    values = np.atleast_2d(np.asarray(z, dtype=np.float64))
    if values.ndim != 2 or latent_dim not in (None, values.shape[1]) or not values.size:
        raise ValueError(
            f"`{name}` must have shape [N, {latent_dim or 'D'}]; received shape "
            f"{np.shape(z)}."
        )
    return values


def check_dimension(dimension: int, latent_dim: int, name: str) -> int:
    """A dimension of z, counted from 0."""
    if not 0 <= dimension < latent_dim:
        raise ValueError(
            f"`{name}` must lie in [0, {latent_dim}), the dimensions of z; received "
            f"{dimension}."
        )
    return int(dimension)


def latent_dim_of(model: Any) -> int:
    """The size of the one latent vector of a model."""
    if isinstance(model, GAN):
        return model.latent_dim
    latents = getattr(model, "latents", None)
    if latents is None:
        raise TypeError(f"`model` must be a `VAE` or a `GAN`; received {model!r}.")
    if len(latents) != 1 or len(latents["z"]) != 1:
        raise ValueError(
            "`model` must have one latent, a vector; received one of "
            f"{latents}. Decode by `model.decode(...).mean()` and draw by `image_grid`."
        )
    return latents["z"][0]


def decode_images(
    model: Any, z: np.ndarray, condition: Any, value_range: tuple[float, float]
) -> np.ndarray:
    """The images that a model makes of latents, in [0, 1], `[N, H, W, C]`.

    Args:
        model: a `VAE`, whose likelihood's mean is drawn, or a `GAN`.
        z: `[N, D]`.
        condition: one for all rows: arrays by name, without the dimension of rows.
        value_range: the values of black and of white; values outside are drawn as these.
    """
    z = tf.constant(z, model.variable_dtype)
    rows = None
    if condition is not None:
        rows = {name: np.stack([value] * len(z)) for name, value in condition.items()}
    if isinstance(model, GAN):
        images = model(z if rows is None else {"z": z, **rows})
    else:
        images = model.decode(z, rows).mean()
    event = tuple(images.shape[1:])
    if not (len(event) == 2 or (len(event) == 3 and event[2] in (1, 3))):
        raise ValueError(
            "`model` must make images [H, W], [H, W, 1] or [H, W, 3]; received one that "
            f"makes {list(event)}. Decode by `model.decode(...).mean()`, reshape, and draw "
            "by `image_grid`."
        )
    return scale_images(images, value_range, clip=True)
