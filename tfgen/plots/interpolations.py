"""Decoded images along a path from one latent to another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tfgen.plots.decoding import check_latents, decode_images, latent_dim_of
from tfgen.plots.drawing import Filepath, save
from tfgen.plots.image_rows import draw_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["interpolation"]


def interpolation(
    model: Any,
    start: ArrayLike,
    end: ArrayLike,
    num_columns: int = 9,
    path: str = "linear",
    condition: Mapping[str, Any] | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    filepath: Filepath = None,
) -> "Figure":
    """The decoder's means along paths between pairs of latents, one row for each pair.

        linear      z(t) = (1 - t) z_0 + t z_1
        spherical   z(t) = (sin((1 - t) w) z_0 + sin(t w) z_1) / sin w,
                    w the angle between z_0 and z_1

    In many dimensions, the midpoint of a straight line between two draws from N(0, I) is
    closer to 0 than draws are. The great circle keeps their distance from 0.

    Args:
        model: a `VAE`, `IWAE`, `MeanFieldVAE` or `GAN` of images, with one latent vector.
        start: z at t = 0, `[N, D]` or `[D]`, such as `model.encode(x).mean()`.
        end: z at t = 1, of the same shape.
        num_columns: images in a row, both ends included, at least 2.
        path: `"linear"` or `"spherical"`.
        condition: a condition that all images share: arrays by name, `{"c": 7}`.
        value_range: the values of black and of white; values outside are drawn as these.
        filepath: where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the model makes no images or has not one latent vector, if shapes
            differ, or if another argument is out of range.

    >>> import keras, tfgen
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]), keras.layers.Dense(16),
    ...     tfgen.layers.IndependentBernoulli([4, 4]),
    ... ])
    >>> model = tfgen.models.MeanFieldVAE(8, decoder)
    >>> figure = interpolation(model, [-1.0, 0.0], [1.0, 0.0], num_columns=5)
    >>> len(figure.axes[0].images)
    5

    Source: of the great circle, White. Sampling generative networks. arXiv 1609.04468.
    """
    latent_dim = latent_dim_of(model)
    first = check_latents(start, latent_dim, "start")
    last = check_latents(end, latent_dim, "end")
    if first.shape != last.shape:
        raise ValueError(
            "`start` and `end` must have the same shape; received "
            f"{np.shape(start)} and {np.shape(end)}."
        )
    if num_columns < 2:
        raise ValueError(f"`num_columns` must be at least 2; received {num_columns}.")
    if path not in ("linear", "spherical"):
        raise ValueError(f"`path` must be 'linear' or 'spherical'; received {path!r}.")
    t = np.linspace(0, 1, num_columns)
    from_first, from_last = _shares(first, last, t, path)
    latents = from_first * first[:, None] + from_last * last[:, None]
    images = decode_images(model, latents.reshape(-1, latent_dim), condition, value_range)
    labels = [f"t = {value:.3g}" for value in t]
    figure = draw_images(images, num_columns, "interpolation", column_labels=labels)
    return save(figure, filepath)


def _shares(
    first: np.ndarray, last: np.ndarray, t: np.ndarray, path: str
) -> tuple[np.ndarray, np.ndarray]:
    """The factors of both ends, `[1 or N, T, 1]`."""
    t = t[None, :, None]
    if path == "linear":
        return 1 - t, t
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(last, axis=1)
    cosine = np.sum(first * last, axis=1) / np.where(norms > 0, norms, 1.0)
    angle = np.arccos(np.clip(cosine, -1, 1))[:, None, None]
    sine = np.sin(angle)
    # Ends on one line through 0 define no circle: they are joined by the straight line.
    flat = (sine < 1e-6) | (norms == 0)[:, None, None]
    sine = np.where(flat, 1.0, sine)
    return (
        np.where(flat, 1 - t, np.sin((1 - t) * angle) / sine),
        np.where(flat, t, np.sin(t * angle) / sine),
    )
