"""Warns of what goes wrong in `fit` and does not pass."""

import warnings
from typing import Any

import keras

from tfgen.training import TrainingWarning

__all__ = ["LastingTrouble"]

# In how many epochs one after the other a trouble is seen before the warning.
_EPOCHS = 3


class LastingTrouble(keras.callbacks.Callback):
    """Base of what watches a training: warns once a `fit`, after three bad epochs.

    The warnings are `tfgen.training.TrainingWarning`s. A subclass says `troubles`.
    """

    def troubles(self, logs: dict[str, Any]) -> dict[str, str]:
        """What is wrong in the epoch that ends, by a name, with its remedy.

        Args:
            logs: of the epoch.
        """
        raise NotImplementedError

    def on_train_begin(self, logs: Any = None) -> None:
        """Nothing is wrong yet."""
        self._lasted: dict[str, int] = {}
        self._said: set[str] = set()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Warns of what has been wrong for three epochs."""
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
