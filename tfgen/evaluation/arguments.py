"""What an evaluation accepts."""

from typing import Any

import numpy as np

from tfgen.models import VAE

__all__ = ["check_model"]


def check_model(model: Any, x: Any) -> None:
    """Raises an error unless `model` has a likelihood, and `x` may be its data."""
    if not isinstance(model, VAE):
        raise TypeError(
            "`model` must be a `VAE`, an `IWAE` or a `MeanFieldVAE`; received "
            f"{model if model is None else type(model).__name__}. A GAN has no likelihood: "
            "use `tfgen.evaluation.kernel_distance` on its samples."
        )
    if x is None:
        raise TypeError(
            "`x` must be an array of examples, a dict of arrays or a dataset; received "
            "None."
        )
    if hasattr(x, "dtype") and np.ndim(x) == 0:
        raise ValueError("`x` must have one row for each example; received shape ().")
