"""Corrections by name."""

from typing import Any

from tfgen.models.gan.corrections.base import Correction
from tfgen.models.gan.corrections.langevin import LatentLangevin
from tfgen.models.gan.corrections.metropolis_hastings import MetropolisHastings
from tfgen.models.gan.corrections.rejection import RejectionSampling

__all__ = ["get_correction"]

_ALIASES: dict[str, type[Correction]] = {
    "rejection": RejectionSampling,
    "metropolis_hastings": MetropolisHastings,
    "langevin": LatentLangevin,
}


def get_correction(identifier: Any) -> Correction:
    """The correction with this name, with its defaults, or the given correction itself.

    Args:
        identifier: "rejection", "metropolis_hastings", "langevin" or a `Correction`.

    Raises:
        TypeError: if it is neither.
        ValueError: if the name is unknown.

    >>> get_correction("langevin").num_steps
    100
    """
    if isinstance(identifier, Correction):
        return identifier
    known = ", ".join(repr(name) for name in _ALIASES)
    if isinstance(identifier, str):
        if identifier not in _ALIASES:
            raise ValueError(
                f"`correction` must name a correction; received {identifier!r}. Known: "
                f"{known}."
            )
        return _ALIASES[identifier]()
    raise TypeError(
        f"`correction` must be a name, {known}, or a correction such as "
        f"`tfgen.models.RejectionSampling()`; received {identifier!r}."
    )
