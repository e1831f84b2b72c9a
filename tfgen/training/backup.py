"""A run that may be killed at any moment, and goes on as if it had not been."""

import contextlib
import dataclasses
import numbers
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.training import run_state
from tfgen.training.call import FitCall
from tfgen.training.checkpoint_file import Checkpoints
from tfgen.training.residence import Residence

__all__ = ["BackupAndRestore"]

_EXIT_CODE = 128 + signal.SIGTERM


@dataclasses.dataclass
class _Progress:
    """How far a run had come when it was saved."""

    first_epoch: int  # with which the run began
    epoch: int  # that is running or, at step 0, comes next
    step: int  # steps done in it
    steps_per_execution: int
    num_batches: int | None
    order_seed: int | None
    stop_training: bool
    logs: dict[str, float]  # of the last step that was run


class BackupAndRestore(keras.callbacks.Callback):
    """Saves a run, so that it goes on as if it had never been killed.

    As `keras.callbacks.BackupAndRestore`, and exact: the weights, the optimizers' state
    and the history that a run ends with are those of the uninterrupted run, bit for bit,
    whenever it was killed. What is saved: all variables behind the model (weights,
    optimizers, metrics, seeds of noise and of dropout), the seed of the examples' order,
    epoch and step, the history so far, what `EarlyStopping`, `ReduceLROnPlateau` and
    `ModelCheckpoint` count, and `stop_training`; whatever the order in `callbacks`.

    A checkpoint is written beside its place, forced to the disk and renamed, and the one
    before it is kept. If the newest is damaged, which a digest tells, the one before it is
    used, with a warning.

    Where the process gets a SIGTERM, as machines do that are taken away, the run is saved
    at the end of the running execution, and the process exits with code 143. This needs
    `fit` to run in the main thread.

    Arrays (up to 1 GiB) go on at once. The batches of a `tf.data.Dataset` that were seen
    are read again, without training, so its order must be the same in every process:
    `shuffle(n, seed=0)`.

    Args:
        directory: of the checkpoints; one for each run, and for each worker.
        save_freq: `"epoch"`; or a number of steps, rounded up to whole executions
            (`steps_per_execution`); or `False`, to save at a SIGTERM alone.
        double_checkpoint: taken for Keras's sake: two checkpoints are always kept.
        delete_checkpoint: whether to remove the checkpoints when `fit` ends. If not,
            `fit` with more `epochs` goes on from there.

    Raises:
        ValueError: if `directory` is empty, `save_freq` is out of range, or (in `fit`) if
            the checkpoint is of another model, or the model was not built.
        TypeError: if an argument is of the wrong type, or (in `fit`) if the model is none
            of tfgen's.
        OSError: if a checkpoint can't be written, or if all of them are damaged.

    >>> import tempfile, numpy as np, tfgen
    >>> encoder = keras.Sequential([
    ...     keras.layers.Input([4]), keras.layers.Dense(4),
    ...     tfgen.layers.MultivariateNormalDiag(2),
    ... ])
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]), keras.layers.Dense(4),
    ...     tfgen.layers.IndependentBernoulli([4]),
    ... ])
    >>> vae = tfgen.models.VAE(encoder, decoder)
    >>> vae.compile("adam", "elbo", run_eagerly=True)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     backup = BackupAndRestore(directory, delete_checkpoint=False)
    ...     fit = {"callbacks": [backup], "verbose": 0}
    ...     _ = vae.fit(np.zeros([8, 4]), epochs=2, **fit)
    ...     history = vae.fit(np.zeros([8, 4]), epochs=3, **fit)  # goes on
    >>> history.epoch
    [0, 1, 2]
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(directory, str | os.PathLike):
            raise TypeError(
                f"`directory` must be a path; received {directory!r} of type "
                f"{type(directory).__name__}. Pass a string, such as 'out/backup'."
            )
        if not os.fspath(directory):
            raise ValueError(
                "`directory` must not be empty; received ''. Pass a path, such as "
                "'out/backup'."
            )
        self.directory = directory
        self.save_freq = _check_save_freq(save_freq)
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._files = Checkpoints(directory)
        self._terminated = False
        self._forget()

    def _forget(self) -> None:
        """Nothing is left of an earlier `fit`."""
        self._before_test: dict[str, np.ndarray] | None = None
        self._saved: tuple[_Progress, dict[str, Any], dict[str, np.ndarray]] | None = None
        self._skips_epochs = False
        self._steps_to_skip = 0
        self._has_rehearsed = False
        self._rehearsal_logs: dict[str, Any] = {}
        self._steps_since_saved = 0
        self._epoch = self._step = 0
        self._logs: dict[str, float] = {}
        self._progress: _Progress | None = None

    # Called by `FusedModel.fit`.

    @contextlib.contextmanager
    def running(self, model: keras.Model, call: FitCall) -> Iterator[None]:
        """Loads the newest checkpoint, and listens to SIGTERM while `fit` runs.

        Args:
            model: to be trained.
            call: of `fit`; begins with the checkpoint's epoch where that can be.
        """
        self._forget()
        self._terminated = False
        self.set_model(model)
        loaded = self._files.load()
        if loaded is not None:
            header, arrays = loaded
            values = {k: v for k, v in arrays.items() if not k.startswith("packed:")}
            counters = run_state.unpack(header["counters"], arrays)
            progress = _Progress(**header["progress"])
            progress.logs = run_state.unpack(progress.logs, arrays)
            self._saved = (progress, counters, values)
            self._apply_variables()
        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, self._on_sigterm) if main else None
        try:
            yield
        finally:
            if main:
                signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
            self._forget()
        if self._terminated:
            raise SystemExit(_EXIT_CODE)

    @property
    def order_seed(self) -> int | None:
        """The seed of the examples' order in the run that goes on; `None` in a new one."""
        return None if self._saved is None else self._saved[0].order_seed

    def plan(self, call: FitCall, data: Residence | None, num_batches: int | None) -> None:
        """Says where `fit` begins, and notes what a checkpoint has to tell of the data.

        Args:
            call: of `fit`; its `initial_epoch` is set.
            data: on the device; `None` for data that Keras iterates over.
            num_batches: an epoch's, where it is known.
        """
        self._progress = _Progress(
            first_epoch=call.initial_epoch,
            epoch=0,
            step=0,
            steps_per_execution=self.model.steps_per_execution,
            num_batches=num_batches,
            order_seed=None if data is None else data.seed,
            stop_training=False,
            logs={},
        )
        if self._saved is None:
            return
        saved = self._saved[0]
        self._progress.first_epoch = saved.first_epoch
        is_over = saved.stop_training or saved.epoch >= call.epochs
        if is_over and not saved.step:
            call.initial_epoch = call.epochs
            return
        self._check_same_steps(saved)
        if data is not None:
            call.initial_epoch = saved.epoch
        else:
            _warn_of_order(call)
            call.initial_epoch = saved.first_epoch
            self._skips_epochs = saved.epoch > saved.first_epoch
        self._steps_to_skip = saved.step

    def _check_same_steps(self, saved: _Progress) -> None:
        now = self._progress
        assert now is not None
        for name, hint in (
            ("num_batches", "Pass the same data and `batch_size`"),
            ("steps_per_execution", "Compile with the same `steps_per_execution`"),
        ):
            old, new = getattr(saved, name), getattr(now, name)
            if saved.step and old != new:
                raise ValueError(
                    f"`fit` can't go on within an epoch: the checkpoint in "
                    f"{self.directory} was written with {name}={old}; received {new}. "
                    f"{hint}, or delete the directory to begin anew."
                )

    # Called by `ExactStepCallbackList` and the train function.

    @property
    def skips_epoch(self) -> bool:
        """Whether the epoch that runs was run before, to its end."""
        return self._skips_epochs

    @property
    def skips_execution(self) -> bool:
        """Whether the next execution was run before."""
        return self._skips_epochs or self._steps_to_skip > 0

    def skip_execution(self, run: Any, draw: Any) -> dict[str, Any]:
        """Takes an execution's data from the iterator, without training.

        The first is run for all that, so that programs and metrics are made, as they
        would be; all that it changes is set back in the end.

        Args:
            run: runs an execution, and gives its logs.
            draw: takes an execution's data, and gives the number of its steps.
        """
        if not self._has_rehearsed:
            self._rehearsal_logs = run()
            self._has_rehearsed = True
            steps = self.model._steps_run
        else:
            steps = draw()
        if not self._skips_epochs:
            self._steps_to_skip -= steps
            if self._steps_to_skip <= 0:
                return self._resume()
        return self._rehearsal_logs

    def end_skipped_epoch(self, epoch: int) -> None:
        """Counts an epoch that was skipped; after the last the run goes on.

        Args:
            epoch: its number.
        """
        assert self._saved is not None
        if epoch + 1 < self._saved[0].epoch:
            return
        self._skips_epochs = False
        if not self._steps_to_skip:
            self._resume()

    def end_train_begin(self) -> None:
        """Goes on at once, where nothing is to be skipped; after all other callbacks."""
        if self._saved is not None and not self.skips_execution:
            self._resume()

    def _apply_variables(self) -> None:
        assert self._saved is not None
        if not self.model.built:
            raise ValueError(
                "`BackupAndRestore` needs a model that is built before `fit`, to go on "
                f"from the checkpoint in {self.directory}; received one that is not. Call "
                "it on a batch first."
            )
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        run_state.apply_variables(self.model, self._saved[2])

    def _resume(self) -> dict[str, float]:
        """Sets everything to what the checkpoint holds, as nothing is left to skip.

        Returns the logs of the last step before it.
        """
        assert self._saved is not None
        progress, counters, _ = self._saved
        self._apply_variables()
        run_state.apply_counters(self._others, counters)
        self.model.stop_training = progress.stop_training
        self._epoch, self._step = progress.epoch, progress.step
        self._logs = progress.logs
        self._saved = None
        return progress.logs

    # What Keras calls, after all other callbacks.

    def set_others(self, callbacks: list[keras.callbacks.Callback]) -> None:
        """Sets the callbacks whose counters are saved.

        Args:
            callbacks: of the run, which may count.
        """
        self._others = callbacks

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuses a model that is none of tfgen's."""
        if self._progress is None:
            raise TypeError(
                "`tfgen.callbacks.BackupAndRestore` needs a model of tfgen; received "
                f"{self.model!r}. Use `keras.callbacks.BackupAndRestore`."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch."""
        self._epoch, self._step = epoch, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves after `save_freq` steps, or at a SIGTERM."""
        self._steps_since_saved += batch + 1 - self._step
        self._step = batch + 1
        self._logs = dict(logs or {})
        every = self.save_freq
        is_due = not isinstance(every, str) and 0 < every <= self._steps_since_saved
        if is_due or self._terminated:
            self._save(self._epoch, self._step)

    def on_test_begin(self, logs: Any = None) -> None:
        """Keeps what an evaluation changes, in case that it does not end."""
        variables = run_state.run_variables(self.model)
        trained = {id(v) for v in self.model.trainable_variables}
        small = {k: v for k, v in variables.items() if _changes_in_test(k, v, trained)}
        self._before_test = run_state.read_variables(small)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves at a SIGTERM, as before the evaluation."""
        if self._terminated:
            self._save(self._epoch, self._step)

    def on_test_end(self, logs: Any = None) -> None:
        """Forgets what an evaluation changed."""
        self._before_test = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, if every epoch is saved, or at a SIGTERM."""
        if self.save_freq == "epoch" or self._terminated:
            self._save(epoch + 1, 0)

    def on_train_end(self, logs: Any = None) -> None:
        """Removes the checkpoints, unless they are to be kept or needed."""
        if self._terminated:
            self._save(self._epoch + 1, 0)
        if self.delete_checkpoint:
            self._files.delete()

    def _save(self, epoch: int, step: int) -> None:
        assert self._progress is not None
        stop = bool(self.model.stop_training)
        arrays = run_state.read_variables(run_state.run_variables(self.model))
        arrays |= self._before_test or {}
        progress = dataclasses.replace(
            self._progress,
            epoch=epoch,
            step=step,
            stop_training=stop,
            logs=run_state.pack(self._logs, arrays),
        )
        header = {
            "progress": dataclasses.asdict(progress),
            "counters": run_state.pack(run_state.counters(self._others), arrays),
        }
        self._files.save(header, arrays)
        self._steps_since_saved = 0
        if self._terminated:
            raise SystemExit(_EXIT_CODE)

    def _on_sigterm(self, number: int, frame: Any) -> None:
        self._terminated = True


def _check_save_freq(value: Any) -> str | int:
    if value == "epoch" or value is False:
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            "`save_freq` must be 'epoch', a number of steps or False; received "
            f"{value!r} of type {type(value).__name__}."
        )
    if value < 1:
        raise ValueError(
            f"`save_freq` must be at least 1; received {value}. Use 'epoch', or False to "
            "save at a SIGTERM alone."
        )
    return int(value)


def _warn_of_order(call: FitCall) -> None:
    if isinstance(call.x, tf.data.Dataset) or not call.shuffle:
        return
    warnings.warn(
        f"`x` is a {type(call.x).__name__} whose order tfgen does not know: the run goes "
        "on exactly only if it is the same in every process. Use arrays of up to 1 GiB, "
        "or a `tf.data.Dataset` with `shuffle(n, seed=0)`.",
        RuntimeWarning,
        stacklevel=2,
    )


def _changes_in_test(path: str, variable: Any, trained: set[int]) -> bool:
    """Whether an evaluation may change it: no weight, nor the state of an optimizer."""
    return id(variable) not in trained and "optimizer" not in path
