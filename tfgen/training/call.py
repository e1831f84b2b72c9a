"""The arguments of one call of `fit`, `evaluate` or `predict`, as attributes.

`FusedModel` binds a call once, gives it to the model's hook (`prepare_fit`,
`prepare_evaluate`, `prepare_predict`), plans it and runs it. Each of them may change the
attributes in place. Names, order and defaults are Keras's.
"""

import dataclasses
import inspect
import numbers
import types
from typing import Any

import keras
import tensorflow as tf

__all__ = ["EvaluateCall", "FitCall", "PredictCall", "check_batched"]

# What comes in batches; Keras ignores a batch size beside it.
_BATCHED = (tf.data.Dataset, keras.utils.PyDataset, types.GeneratorType)


@dataclasses.dataclass
class FitCall:
    """One call of `keras.Model.fit`; `callbacks` is always a flat list."""

    x: Any = None
    y: Any = None
    batch_size: int | None = None
    epochs: int = 1
    verbose: str | int = "auto"
    callbacks: Any = None
    validation_split: float = 0.0
    validation_data: Any = None
    shuffle: bool | str = True
    class_weight: Any = None
    sample_weight: Any = None
    initial_epoch: int = 0
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_batch_size: int | None = None
    validation_freq: Any = 1

    def __post_init__(self) -> None:
        # The members of a given `CallbackList` are put into the one that this call makes.
        if isinstance(self.callbacks, keras.callbacks.CallbackList):
            self.callbacks = self.callbacks.callbacks
        self.callbacks = list(keras.tree.flatten(self.callbacks or []))
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                raise TypeError(
                    "`callbacks` must be a list of `keras.callbacks.Callback`s; received "
                    f"{callback!r}."
                )
        _check_counts(self, "batch_size", "steps_per_epoch", "validation_batch_size")
        _check_counts(self, "validation_steps")
        _check_counts(self, "epochs", "initial_epoch", least=0)
        if isinstance(self.validation_freq, numbers.Number):
            _check_counts(self, "validation_freq")
        if self.shuffle not in (True, False, "batch"):
            raise ValueError(
                f"`shuffle` must be True, False or 'batch'; received {self.shuffle!r}."
            )
        _check_verbose(self.verbose)
        _check_data(self.x, "x")
        _check_data(self.validation_data, "validation_data")


@dataclasses.dataclass
class EvaluateCall:
    """One call of `keras.Model.evaluate`."""

    x: Any = None
    y: Any = None
    batch_size: int | None = None
    verbose: str | int = "auto"
    sample_weight: Any = None
    steps: int | None = None
    callbacks: Any = None
    return_dict: bool = False

    def __post_init__(self) -> None:
        _check_counts(self, "batch_size", "steps")
        _check_verbose(self.verbose)
        _check_data(self.x, "x")


@dataclasses.dataclass
class PredictCall:
    """One call of `keras.Model.predict`."""

    x: Any
    batch_size: int | None = None
    verbose: str | int = "auto"
    steps: int | None = None
    callbacks: Any = None

    def __post_init__(self) -> None:
        _check_counts(self, "batch_size", "steps")
        _check_verbose(self.verbose)
        _check_data(self.x, "x")


def check_batched(call: FitCall | EvaluateCall | PredictCall) -> None:
    """Raises a ValueError for what Keras ignores or refuses beside data in batches."""
    for size, data in (("batch_size", "x"), ("validation_batch_size", "validation_data")):
        value = getattr(call, size, None)
        if value is not None and isinstance(getattr(call, data), _BATCHED):
            raise ValueError(
                f"`{size}` must be left out where `{data}` comes in batches of its own; "
                f"received {value} and a {type(getattr(call, data)).__name__}. For other "
                f"batches, pass `dataset.unbatch().batch({value})`."
            )
    for name in ("y", "sample_weight"):
        if getattr(call, name, None) is not None and isinstance(call.x, _BATCHED):
            raise ValueError(
                f"`{name}` must be left out where `x` comes in batches; received both. Let "
                f"each batch be (x, y) or (x, y, sample_weight)."
            )


def _check_verbose(verbose: Any) -> None:
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"`verbose` must be 'auto', 0, 1 or 2; received {verbose!r}.")


def _check_data(data: Any, name: str) -> None:
    """Raises a TypeError for what can't be data, of which Keras says little."""
    no_data = numbers.Number | str | bytes | set | frozenset
    if isinstance(data, no_data) or inspect.isroutine(data):
        raise TypeError(
            f"`{name}` must be an array, a dict of arrays, or a dataset or generator of "
            f"batches; received {data!r}. Pass an array of one row per example."
        )


def _check_counts(call: Any, *names: str, least: int = 1) -> None:
    """Raises an error unless arguments are whole numbers of at least `least`, or `None`."""
    for name in names:
        value = getattr(call, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise TypeError(
                f"`{name}` must be a whole number; received {value!r} of type "
                f"{type(value).__name__}. Pass a number such as 100."
            )
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}; received {value}.")
