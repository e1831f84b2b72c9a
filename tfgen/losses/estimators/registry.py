"""Estimators by name."""

from typing import Any

import keras

from tfgen.losses.estimators.base import Estimator
from tfgen.losses.estimators.by_factor import ByFactor
from tfgen.losses.estimators.dreg import DReG
from tfgen.losses.estimators.enumeration import Enumerate
from tfgen.losses.estimators.ovis import OVIS
from tfgen.losses.estimators.reinforce import Reinforce
from tfgen.losses.estimators.reparameterized import Reparameterized
from tfgen.losses.estimators.rws import RWS
from tfgen.losses.estimators.stl import STL
from tfgen.losses.estimators.vimco import VIMCO

__all__ = ["get_estimator", "known_estimators"]

_ESTIMATORS: dict[str, type[Estimator]] = {
    estimator.name: estimator
    for estimator in (
        Reparameterized,
        STL,
        DReG,
        Reinforce,
        VIMCO,
        OVIS,
        RWS,
        Enumerate,
    )
}


def known_estimators() -> list[str]:
    """The names that `get_estimator` takes.

    >>> known_estimators()[0]
    'reparameterized'
    """
    return list(_ESTIMATORS)


def get_estimator(identifier: Any) -> Estimator:
    """The estimator that `identifier` names.

    Args:
        identifier: a name, an `Estimator`, or the config of one; or a dict from the names
            of latents to such, an estimator for each.

    Raises:
        ValueError: if the name is unknown, or if two estimators can't go together.
        TypeError: if `identifier` is neither a name nor an `Estimator`.

    >>> get_estimator("dreg")
    DReG()
    """
    if isinstance(identifier, dict):
        if "class_name" not in identifier:
            return ByFactor({name: get_estimator(e) for name, e in identifier.items()})
        identifier = keras.saving.deserialize_keras_object(identifier)
    if isinstance(identifier, Estimator):
        return identifier
    if isinstance(identifier, str):
        if identifier in _ESTIMATORS:
            return _ESTIMATORS[identifier]()
        raise ValueError(
            f"`estimator` must be one of {known_estimators()}; received {identifier!r}."
        )
    raise TypeError(
        f"`estimator` must be one of {known_estimators()} or a "
        f"`tfgen.losses.estimators.Estimator`; received {identifier!r}."
    )
