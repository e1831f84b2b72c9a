"""The arguments of one call of `fit`, `evaluate` or `predict`, as attributes.

`FusedModel` binds a call once, gives it to the model's hook (`prepare_fit`,
`prepare_evaluate`, `prepare_predict`), plans it and runs it. Each of them may change the
attributes in place. Names, order and defaults are Keras's.
"""

import dataclasses
from typing import Any

import keras

__all__ = ["EvaluateCall", "FitCall", "PredictCall"]


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


@dataclasses.dataclass
class PredictCall:
    """One call of `keras.Model.predict`."""

    x: Any
    batch_size: int | None = None
    verbose: str | int = "auto"
    steps: int | None = None
    callbacks: Any = None
