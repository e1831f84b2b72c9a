"""Warns of lasting problems in `fit`."""

import warnings
from typing import Any

import keras

from tfgen.training import TrainingWarning

__all__ = ["LastingTrouble"]

# The number of consecutive epochs with a problem before the warning.
_EPOCHS = 3


class LastingTrouble(keras.callbacks.Callback):
    """Base of callbacks that warn, once in each `fit`, after three bad epochs.

    The warnings are `tfgen.training.TrainingWarning`s. A subclass defines `troubles`.
    """

    def troubles(self, logs: dict[str, Any]) -> dict[str, str]:
        """The problems of the epoch that ends, with remedies, by name.

        Args:
            logs: of the epoch.
        """
        raise NotImplementedError

    def on_train_begin(self, logs: Any = None) -> None:
        """Resets the counts."""
        self._lasted: dict[str, int] = {}
        self._said: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Warns of problems that have lasted for three epochs."""
        found = self.troubles(dict(logs or {}))
        self._lasted = {name: self._lasted.get(name, 0) + 1 for name in found}
        for name, text in found.items():
            if self._lasted[name] >= _EPOCHS and name not in self._said:
                self._said.add(name)
                warnings.warn(
                    f"Epochs {epoch + 2 - _EPOCHS} to {epoch + 1}: {text}",
                    TrainingWarning,
                    stacklevel=2,
                )
