"""Callbacks that are told the step that was really reached."""

from typing import Any

import keras

__all__ = ["ExactStepCallbackList"]


class ExactStepCallbackList(keras.callbacks.CallbackList):
    """A `CallbackList` for `FusedModel`, whose step numbers stay within the epoch.

    Keras reports `begin + steps_per_execution - 1` as the last step of an execution, also
    where the epoch ends earlier.
    """

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the step at which the execution begins, and tells the callbacks."""
        self._begin = batch
        super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tells the callbacks the last step that was run."""
        super().on_train_batch_end(self._begin + self.model._steps_run - 1, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the step at which the execution begins, and tells the callbacks."""
        self._begin_test = batch
        super().on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tells the callbacks the last step that was run."""
        super().on_test_batch_end(self._begin_test + self.model._steps_run - 1, logs)
