"""Sizes that a model's config may hold, checked before anything is allocated."""

from collections.abc import Mapping
from typing import Any

__all__ = ["check_sizes"]

# A layer of as many units has a gigabyte of parameters for each of its inputs.
_LARGEST = 2**28
# What may be large though it is no size.
_NO_SIZES = ("seed", "vocabulary", "salt", "_id")


def check_sizes(config: Any, name: str = "config") -> None:
    """Raises a ValueError where a config, which may come from a stranger, asks too much.

    Args:
        config: of a model: numbers, strings, and lists and dicts of such.
        name: of the entry that it is.
    """
    if isinstance(config, Mapping):
        for key, value in config.items():
            if not any(word in str(key) for word in _NO_SIZES):
                check_sizes(value, str(key))
    elif isinstance(config, list | tuple):
        for value in config:
            check_sizes(value, name)
    elif isinstance(config, int) and abs(config) >= _LARGEST:
        raise ValueError(
            f"`{name}` in the config of a model must be below 2^28, so that its weights "
            f"fit into memory; received {config}. Load only files that you trust, or "
            "make the model anew in Python."
        )
