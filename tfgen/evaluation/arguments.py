"""What an evaluation accepts."""

from typing import Any

from tfgen.models import VAE

__all__ = ["check_model"]


def check_model(model: Any) -> None:
    """Raises a TypeError unless `model` is one whose likelihood can be estimated."""
    if not isinstance(model, VAE):
        raise TypeError(
            "`model` must be a `VAE`, an `IWAE` or a `MeanFieldVAE`; received "
            f"{model if model is None else type(model).__name__}. A GAN has no likelihood: "
            "use `tfgen.evaluation.kernel_distance` on its samples."
        )
