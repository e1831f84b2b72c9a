"""Whether XLA pays, and how many steps make one program."""

import numbers
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["check_steps_per_execution", "check_switch", "steps_for", "xla_pays"]

_MAX_STEPS = 100
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


def check_steps_per_execution(value: Any) -> int | str:
    """`steps_per_execution` as it was given, or an error that says what it may be."""
    if value == "auto":
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            "`steps_per_execution` must be a positive integer or 'auto'; received "
            f"{value!r} of type {type(value).__name__}."
        )
    if value < 1:
        raise ValueError(
            f"`steps_per_execution` must be at least 1; received {value}. Use 'auto', or 1 "
            "for a program a step."
        )
    return int(value)


def check_switch(value: Any, name: str, *others: str) -> None:
    """Raises a TypeError unless `value` is True, False, `None` or one of `others`."""
    if value is None or isinstance(value, bool | np.bool_):
        return
    if not (isinstance(value, str) and value in others):
        choices = ["True", "False", *map(repr, others)]
        raise TypeError(
            f"`{name}` must be one of {', '.join(choices)}; received {value!r}."
        )


def _leaves(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    parts = getattr(layer, "layers", None)
    if not parts:
        return [layer]
    return [leaf for part in parts for leaf in _leaves(part)]


def xla_pays(model: keras.Model) -> bool:
    """Whether `jit_compile="auto"` means yes for `model`, where it stands.

    On a GPU, always. On a CPU, unless the model has convolutions: there XLA's loops are
    slower than oneDNN's (`benchmarks/RESULTS.md` has the measurement). Under a
    `tf.distribute` strategy, never: its replicas can't meet inside a program.
    """
    if type(model.distribute_strategy) is not type(tf.distribute.get_strategy()) or (
        model.distribute_strategy.num_replicas_in_sync > 1
    ):
        return False
    leaves = _leaves(model)
    if not all(getattr(leaf, "supports_jit", True) for leaf in leaves):
        return False
    if tf.config.list_physical_devices("GPU"):
        return True
    return not any(isinstance(leaf, _CONVOLUTIONS) for leaf in leaves)


def steps_for(given: int | str, num_batches: int | None, fused: bool) -> int:
    """The number of steps a program, for an epoch of `num_batches` (`None`: unknown)."""
    if given != "auto":
        return int(given)
    if not fused:
        return 1
    return max(1, min(num_batches or _MAX_STEPS, _MAX_STEPS))
