"""Calls callbacks with the steps and the epoch that are really run."""

from typing import Any

import keras

from tfgen.training.backup import BackupAndRestore
from tfgen.training.residence import Residence
from tfgen.training.resumption import Resumption
from tfgen.training.undocumented import first_epoch

__all__ = ["ExactStepCallbackList", "FirstEpoch", "find_backup"]


class FirstEpoch(keras.callbacks.Callback):
    """Starts the example orders of a `Residence` at the first epoch of `fit`.

    `keras.callbacks.BackupAndRestore` sets that epoch only in `on_train_begin`, so this
    callback must come after it.

    Args:
        residence: holds the training data.
        initial_epoch: `fit`'s argument.
    """

    def __init__(self, residence: Residence, initial_epoch: int) -> None:
        super().__init__()
        self._residence = residence
        self._initial_epoch = initial_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Sets the epoch."""
        self._residence.first_epoch.assign(first_epoch(self.model, self._initial_epoch))


def find_backup(callbacks: list[Any]) -> BackupAndRestore | None:
    """The `BackupAndRestore` among callbacks, or `None`; there may be only one.

    Args:
        callbacks: of `fit`.

    Raises:
        ValueError: if there are several.
    """
    found = [c for c in callbacks if isinstance(c, BackupAndRestore)]
    if len(found) > 1:
        raise ValueError(
            "`callbacks` may hold one `BackupAndRestore`, since a run continues from one "
            f"checkpoint; received {len(found)}. Leave out the others."
        )
    return found[0] if found else None


class ExactStepCallbackList(keras.callbacks.CallbackList):
    """A `CallbackList` for `FusedModel`, whose step numbers stay within the epoch.

    Keras reports `begin + steps_per_execution - 1` as the last step of an execution, even
    if the epoch ends earlier.

    A `BackupAndRestore` is called last, since it saves the state that all other callbacks
    leave. No callback is called for the steps that it skips.

    Args:
        callbacks: as `keras.callbacks.CallbackList`'s.
        **kwargs: as `keras.callbacks.CallbackList`'s.
    """

    def __init__(self, callbacks: list[Any], **kwargs: Any) -> None:
        super().__init__(callbacks, **kwargs)
        self._backup = find_backup(self.callbacks)
        if self._backup is not None:
            self.callbacks.remove(self._backup)
            self._backup.set_others(list(self.callbacks))
            self.callbacks.append(self._backup)
        self._is_skipping = False

    @property
    def _resumption(self) -> Resumption | None:
        return None if self._backup is None else self._backup.resumption

    @property
    def _skips_epoch(self) -> bool:
        return self._resumption is not None and self._resumption.skips_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Calls the callbacks; in a resumed run, restores what they reset."""
        super().on_train_begin(logs)
        if self._resumption is not None:
            self._resumption.end_if_nothing_is_skipped()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Calls the callbacks, unless the epoch is skipped."""
        if not self._skips_epoch:
            super().on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Calls the callbacks, unless the epoch was skipped."""
        if self._resumption is not None and self._resumption.skips_epoch:
            self._resumption.end_epoch(epoch)
        else:
            super().on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the step at which the execution begins, and calls the callbacks."""
        self._begin = batch
        resumption = self._resumption
        self._is_skipping = resumption is not None and resumption.skips_execution
        if not self._is_skipping:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Gives the callbacks the last step that was run."""
        if not self._is_skipping:
            super().on_train_batch_end(self._last_step(self._begin, batch), logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Calls the callbacks, unless the epoch is skipped."""
        if not self._skips_epoch:
            super().on_test_begin(logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Calls the callbacks, unless the epoch is skipped."""
        if not self._skips_epoch:
            super().on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the step at which the execution begins, and calls the callbacks."""
        self._begin_test = batch
        if not self._skips_epoch:
            super().on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Gives the callbacks the last step that was run."""
        if not self._skips_epoch:
            super().on_test_batch_end(self._last_step(self._begin_test, batch), logs)

    def _last_step(self, begin: int, keras_own: int) -> int:
        counts = self.model._has_programs_of_steps
        return begin + self.model._steps_run - 1 if counts else keras_own
