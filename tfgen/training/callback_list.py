"""Callbacks that hear of the steps and of the epoch that are really run."""

from typing import Any

import keras

from tfgen.training.residence import Residence
from tfgen.training.undocumented import first_epoch

__all__ = ["ExactStepCallbackList", "FirstEpoch"]


class FirstEpoch(keras.callbacks.Callback):
    """Begins the orders of a `Residence` with the epoch that `fit` begins with.

    `keras.callbacks.BackupAndRestore` says so as late as `on_train_begin`: this has to
    come after it.

    Args:
        residence: has the training data.
        initial_epoch: `fit`'s argument.
    """

    def __init__(self, residence: Residence, initial_epoch: int) -> None:
        super().__init__()
        self._residence = residence
        self._initial_epoch = initial_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Sets the epoch."""
        self._residence.first_epoch.assign(first_epoch(self.model, self._initial_epoch))


class ExactStepCallbackList(keras.callbacks.CallbackList):
    """A `CallbackList` for `FusedModel`, whose step numbers stay within the epoch.

    Keras reports `begin + steps_per_execution - 1` as the last step of an execution, also
    where the epoch ends earlier.
    """

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the step at which the execution begins, and calls the callbacks."""
        self._begin = batch
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Gives the callbacks the last step that was run."""
        super().on_train_batch_end(self._begin + self.model._steps_run - 1, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the step at which the execution begins, and calls the callbacks."""
        self._begin_test = batch
        super().on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Gives the callbacks the last step that was run."""
        super().on_test_batch_end(self._begin_test + self.model._steps_run - 1, logs)
