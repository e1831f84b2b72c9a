"""Decoded images as the dimensions of one latent change, one at a time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tfgen.plots.decoding import (
    check_dimension,
    check_latents,
    decode_images,
    latent_dim_of,
)
from tfgen.plots.drawing import Filepath, save
from tfgen.plots.image_rows import draw_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["traversal"]


def traversal(
    model: Any,
    z: ArrayLike | None = None,
    dimensions: Sequence[int] | None = None,
    values: ArrayLike = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
    condition: Mapping[str, Any] | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    filepath: Filepath = None,
) -> "Figure":
    """The decoder's means as one dimension of z changes and the others stay, a row each.

    Args:
        model: a `VAE`, `IWAE`, `MeanFieldVAE` or `GAN` of images, with one latent vector.
        z: the values of the other dimensions, `[D]`, such as
            `model.encode(x[:1]).mean()[0]`; zeros by default.
        dimensions: which dimensions to change, counted from 0; all of them by default.
        values: the values that a dimension takes, in units of z: under the prior N(0, I),
            standard deviations.
        condition: a condition that all images share: arrays by name, `{"c": 7}`.
        value_range: the values of black and of white; values outside are drawn as these.
        filepath: where to save the picture, if anywhere; its ending is the format.

    Returns:
        A `matplotlib.figure.Figure`, which a notebook shows.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if the model makes no images or has not one latent vector, or if
            another argument is of the wrong shape or out of range.

    >>> import keras, tfgen
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]), keras.layers.Dense(16),
    ...     tfgen.layers.IndependentBernoulli([4, 4]),
    ... ])
    >>> model = tfgen.models.MeanFieldVAE(8, decoder)
    >>> figure = traversal(model, values=[-2.0, 0.0, 2.0])
    >>> len(figure.axes[0].images)  # 2 dimensions, 3 values
    6

    Source: Higgins et al. beta-VAE: learning basic visual concepts with a constrained
    variational framework. ICLR 2017.
    """
    latent_dim = latent_dim_of(model)
    base = np.zeros(latent_dim) if z is None else check_latents(z, latent_dim)[0]
    chosen = range(latent_dim) if dimensions is None else dimensions
    rows = [check_dimension(d, latent_dim, "dimensions") for d in chosen]
    steps = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if steps.ndim != 1 or not steps.size or not rows:
        raise ValueError(
            "`values` and `dimensions` must hold at least one number each; received "
            f"values of shape {np.shape(values)} and {len(rows)} dimensions."
        )
    latents = np.tile(base, (len(rows), len(steps), 1))
    for row, dimension in enumerate(rows):
        latents[row, :, dimension] = steps
    images = decode_images(model, latents.reshape(-1, latent_dim), condition, value_range)
    figure = draw_images(
        images,
        len(steps),
        "traversal",
        row_labels=[f"z[{dimension}]" for dimension in rows],
        column_labels=[f"{step:g}" for step in steps],
    )
    return save(figure, filepath)
