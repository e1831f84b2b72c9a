"""Penalties as `VAE.compile` takes them."""

from typing import Any

import keras

from tfgen.losses.penalties.base import Penalty

__all__ = ["get_penalties"]


def get_penalties(penalties: Any) -> list[Penalty]:
    """A list of penalties, each of its own name.

    Args:
        penalties: a list of `Penalty`, or of configs of them; `None` for none.

    Raises:
        TypeError: if it is no list, or holds something else.
        ValueError: if two have one name.

    >>> get_penalties(None)
    []
    """
    if penalties is None:
        return []
    if not isinstance(penalties, list | tuple):
        raise TypeError(
            "`penalties` must be a list such as [tfgen.losses.FreeBits(0.25)]; received "
            f"{penalties!r}."
        )
    result = [
        keras.saving.deserialize_keras_object(penalty)
        if isinstance(penalty, dict)
        else penalty
        for penalty in penalties
    ]
    for penalty in result:
        if not isinstance(penalty, Penalty):
            raise TypeError(
                "`penalties` must hold objects of `tfgen.losses.Penalty`; received "
                f"{penalty!r}."
            )
    labels = [penalty.label for penalty in result]
    if len(set(labels)) < len(labels):
        raise ValueError(
            f"`penalties` must have different names, to be logged by; received {labels}."
        )
    return result
