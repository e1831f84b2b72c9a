"""Sizes that a model may ask for, checked before anything is allocated."""

import math
import os
from collections.abc import Mapping
from typing import Any

__all__ = ["check_memory", "check_sizes"]

# A layer of as many units has a gigabyte of parameters for each of its inputs.
_LARGEST = 2**28
# What the sizes of one layer may make together: 256 GB of float32.
_LARGEST_PRODUCT = 2**36
# Parts of the names of a layer's sizes.
_SIZES = ("units", "size", "dim", "shape", "filters", "num_", "rank")
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
        _check_product(config)
    elif isinstance(config, list | tuple):
        for value in config:
            check_sizes(value, name)
    elif isinstance(config, int) and abs(config) >= _LARGEST:
        raise ValueError(
            f"`{name}` in the config of a model must be below 2^28, so that its weights "
            f"fit into memory; received {config}. Load only files that you trust, or "
            "create the model again in Python."
        )


def _check_product(config: Mapping) -> None:
    """Raises a ValueError where sizes that are each allowed make too much together."""
    sizes = {
        key: value for key, value in config.items() if any(n in str(key) for n in _SIZES)
    }
    numbers = [
        number
        for value in sizes.values()
        for number in (value if isinstance(value, list | tuple) else [value])
        if isinstance(number, int) and abs(number) > 1
    ]
    if math.prod(map(abs, numbers)) >= _LARGEST_PRODUCT:
        found = {key: value for key, value in sizes.items() if value is not None}
        raise ValueError(
            f"`{next(iter(found))}` in the config of a model must make fewer than 2^36 "
            f"numbers, together with the other sizes there; received {found}. Load only "
            "files that you trust, or create the model again in Python."
        )


def check_memory(num_numbers: int, name: str, value: int) -> None:
    """Raises a ValueError where float32 numbers don't fit into the machine's memory.

    Args:
        num_numbers: how many will be allocated.
        name: of the argument that they are due to.
        value: of that argument.
    """
    needed = 4 * num_numbers
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise ValueError(
            f"`{name}` must leave the model small enough for this machine's memory, "
            f"{memory / 1e9:,.0f} GB; received {value}, which needs {needed / 1e9:,.0f} "
            "GB. Use fewer, or train a `VAE`, whose size does not grow with the data."
        )
