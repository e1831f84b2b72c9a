"""How a resumed `fit` gets to the step where its checkpoint was written."""

import dataclasses
import os
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.training import run_state
from tfgen.training.call import FitCall

__all__ = ["Progress", "Resumption"]


@dataclasses.dataclass
class Progress:
    """How far a run had got when it was saved, and how it was planned."""

    first_epoch: int  # the epoch with which the run began
    steps_per_execution: int
    num_batches: int | None
    order_seed: int | None
    earlier_epochs: int = 0  # planned by calls of `fit` before the run
    epoch: int = 0  # the running epoch or, at step 0, the next one
    step: int = 0  # steps done in it
    stop_training: bool = False
    logs: dict[str, float] = dataclasses.field(default_factory=dict)  # of the last step


class Resumption:
    """Brings a model that begins `fit` to the step where a checkpoint was written.

    Data on the device begin with the checkpoint's epoch, as their order is known for every
    epoch. For other data, the batches of earlier epochs are also taken from the iterators,
    so that each iterator is where it was. Steps that were run before are skipped, and no
    callback is called for them.

    Args:
        model: to be trained.
        header: header of the checkpoint.
        arrays: arrays of the checkpoint.
        directory: directory of the checkpoint, for messages.
        on_end: called with the progress and the counters of callbacks when nothing more has
            to be skipped.
    """

    def __init__(
        self,
        model: keras.Model,
        header: dict[str, Any],
        arrays: dict[str, np.ndarray],
        directory: str | os.PathLike,
        on_end: Callable[[Progress, dict[str, Any]], None],
    ) -> None:
        self.progress = Progress(**header["progress"])
        self.progress.logs = run_state.unpack(self.progress.logs, arrays)
        self._counters = run_state.unpack(header["counters"], arrays)
        self._values = {k: v for k, v in arrays.items() if not k.startswith("packed:")}
        self._model = model
        self._directory = directory
        self._on_end = on_end
        self.skips_epoch = False
        self._steps_to_skip = 0
        self._rehearsal_logs: dict[str, Any] | None = None

    def apply_variables(self) -> None:
        """Sets the model's variables to the checkpoint's values.

        Raises:
            ValueError: if the model is not built, or is not the one of the checkpoint.
        """
        model = self._model
        if not model.built:
            raise ValueError(
                "`BackupAndRestore` needs a model that is built before `fit`, to continue "
                f"from the checkpoint in {self._directory}; received one that is not. "
                "Call the model on a batch first."
            )
        if model.optimizer is not None and not model.optimizer.built:
            with model.distribute_strategy.scope():
                model.optimizer.build(model.trainable_variables)
        run_state.apply_variables(model, self._values)

    def plan(self, call: FitCall, now: Progress, on_device: bool) -> None:
        """Sets the epoch that `fit` begins with, and how many of its steps are skipped.

        Args:
            call: of `fit`; its `initial_epoch` is set.
            now: the progress of the run that begins.
            on_device: whether the data are on the device.

        Raises:
            ValueError: if the run can't continue within an epoch, as its steps differ.
        """
        saved = self.progress
        is_over = saved.stop_training or saved.epoch >= call.epochs
        if is_over and not saved.step:
            call.initial_epoch = call.epochs
            return
        self._check_same_steps(now)
        if on_device:
            call.initial_epoch = saved.epoch
        else:
            _warn_of_order(call)
            call.initial_epoch = saved.first_epoch
            self.skips_epoch = saved.epoch > saved.first_epoch
        self._steps_to_skip = saved.step

    def _check_same_steps(self, now: Progress) -> None:
        for name, hint in (
            ("num_batches", "Pass the same data and `batch_size`"),
            ("steps_per_execution", "Compile with the same `steps_per_execution`"),
        ):
            old, new = getattr(self.progress, name), getattr(now, name)
            if self.progress.step and old != new:
                raise ValueError(
                    "`fit` can't continue in the middle of an epoch: the checkpoint in "
                    f"{self._directory} was written with {name}={old}; received {new}. "
                    f"{hint}, or delete the directory to start again from the beginning."
                )

    @property
    def skips_execution(self) -> bool:
        """Whether the next execution was run before the checkpoint."""
        return self.skips_epoch or self._steps_to_skip > 0

    def skip_execution(self, run: Callable, draw: Callable) -> dict[str, Any]:
        """Takes an execution's data from the iterator, without training.

        The first is nevertheless run, so that programs and metrics are made; everything it
        changes is restored in the end.

        Args:
            run: runs an execution and returns its logs.
            draw: takes an execution's data and returns the number of its steps.

        Returns:
            Logs; after the last skipped execution, those of the checkpoint's last step.
        """
        if self._rehearsal_logs is None:
            self._rehearsal_logs = run()
            steps = self._model._steps_run
        else:
            steps = draw()
        if not self.skips_epoch:
            self._steps_to_skip -= steps
            if self._steps_to_skip <= 0:
                self._finish()
                return self.progress.logs
        return self._rehearsal_logs

    def end_epoch(self, epoch: int) -> None:
        """Counts an epoch that was skipped; after the last one the run continues.

        Args:
            epoch: its number.
        """
        self.skips_epoch = epoch + 1 < self.progress.epoch
        self.end_if_nothing_is_skipped()

    def end_if_nothing_is_skipped(self) -> None:
        """Ends the resumption, unless executions are still to be skipped."""
        if not self.skips_execution:
            self._finish()

    def _finish(self) -> None:
        """Restores what callbacks and the first skipped execution changed."""
        self.apply_variables()
        self._model.stop_training = self.progress.stop_training
        self._on_end(self.progress, self._counters)


def _warn_of_order(call: FitCall) -> None:
    if isinstance(call.x, tf.data.Dataset) or not call.shuffle:
        return
    warnings.warn(
        f"`x` is a {type(call.x).__name__} whose order tfgen does not know: the resumed "
        "run repeats the first one exactly only if that order is the same in every "
        "process. Use arrays of up to 1 GiB, or a `tf.data.Dataset` with `shuffle(n, "
        "seed=0)`.",
        RuntimeWarning,
        stacklevel=2,
    )
