"""Decoded images over a plane of latents."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow_probability as tfp
from numpy.typing import ArrayLike

from tfgen.plots.decoding import (
    check_dimension,
    check_latents,
    decode_images,
    latent_dim_of,
)
from tfgen.plots.drawing import Filepath, new_figure, save
from tfgen.plots.tiles import tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure

tfd = tfp.distributions

__all__ = ["latent_manifold"]


def latent_manifold(
    model: Any,
    num_columns: int = 15,
    dimensions: tuple[int, int] = (0, 1),
    z: ArrayLike | None = None,
    condition: Mapping[str, Any] | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    filepath: Filepath = None,
) -> "Figure":
    """The decoder's means over a plane of latents, as one picture.

    The coordinates are the quantiles of N(0, 1) at n equally spaced probabilities,

        z_i = Phi^-1((i - 1/2) / n),   i = 1, ..., n,

    so that each image stands for an equal share of a standard normal prior.

    Args:
        model: a `VAE`, `IWAE`, `MeanFieldVAE` or `GAN` of images, with one latent vector.
        num_columns: n, images in a row and rows of images, at least 2.
        dimensions: which two of z are along x and along y, counted from 0.
        z: the other dimensions of z, `[D]`; zeros by default.
        condition: a condition that all images share: arrays by name, `{"c": 7}`.
        value_range: the values of black and of white; values outside are drawn as these.
        filepath: where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the model makes no images, has not one latent vector of at least
            two dimensions, or if another argument is out of range.

    >>> import keras, tfgen
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]), keras.layers.Dense(16),
    ...     tfgen.layers.IndependentBernoulli([4, 4]),
    ... ])
    >>> model = tfgen.models.MeanFieldVAE(8, decoder)
    >>> figure = latent_manifold(model, num_columns=3)
    >>> figure.axes[0].images[0].get_array().shape
    (12, 12)

    Source: Kingma, Welling. Auto-encoding variational Bayes. arXiv 1312.6114, figure 4.
    """
    latent_dim = latent_dim_of(model)
    if num_columns < 2:
        raise ValueError(f"`num_columns` must be at least 2; received {num_columns}.")
    across, up = (check_dimension(d, latent_dim, "dimensions") for d in dimensions)
    if across == up:
        raise ValueError(f"`dimensions` must differ; received {dimensions}.")
    base = np.zeros(latent_dim) if z is None else check_latents(z, latent_dim)[0]
    shares = (np.arange(num_columns) + 0.5) / num_columns
    values = tfd.Normal(np.float64(0), np.float64(1)).quantile(shares).numpy()
    latents = np.tile(base, (num_columns, num_columns, 1))
    latents[..., across] = values  # along a row
    latents[..., up] = values[::-1, None]  # the first row is the highest
    images = decode_images(model, latents.reshape(-1, latent_dim), condition, value_range)
    picture = tile(images, num_columns, gap=0)
    height, width = picture.shape[:2]
    side = 6.0
    size = (side, side * min(2.0, height / width))
    figure = new_figure(size, "latent_manifold", layout="constrained")
    axes = figure.add_subplot(xlabel=f"$z_{{{across}}}$", ylabel=f"$z_{{{up}}}$")
    axes.imshow(
        picture[..., 0] if picture.shape[-1] == 1 else picture,
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(0, num_columns, 0, num_columns),
        aspect=height / width,
    )
    shown = np.arange(0, num_columns, -(-num_columns // 8))
    labels = [f"{values[i]:.2f}".replace("-", "\N{MINUS SIGN}") for i in shown]
    axes.set_xticks(shown + 0.5, labels)
    axes.set_yticks(shown + 0.5, labels)
    return save(figure, filepath)
