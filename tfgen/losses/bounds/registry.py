"""Bounds by name."""

from collections.abc import Callable
from typing import Any

import keras

from tfgen.losses.bounds.base import Bound
from tfgen.losses.bounds.elbo import ELBO
from tfgen.losses.bounds.iwlb import IWLB

__all__ = ["get_bound"]

_ALIASES: dict[str, Callable[[], Bound]] = {"elbo": ELBO, "iwlb": IWLB}


def get_bound(identifier: Any) -> Bound:
    """The bound that `identifier` names.

    Args:
        identifier: `"elbo"`, `"iwlb"`, a `Bound`, or the config of one.

    Returns:
        A `Bound`.

    Raises:
        ValueError: if the name is unknown.
        TypeError: if `identifier` is neither a name nor a `Bound`.

    >>> get_bound("iwlb").num_samples
    5
    """
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, Bound):
        return identifier
    known = sorted(_ALIASES)
    if isinstance(identifier, str):
        if identifier in _ALIASES:
            return _ALIASES[identifier]()
        raise ValueError(f"`loss` must be one of {known}; received {identifier!r}.")
    raise TypeError(
        f"`loss` must be one of {known} or a bound such as "
        f"`tfgen.losses.IWLB(num_samples=50)`; received {identifier!r}."
    )
