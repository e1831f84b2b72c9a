"""A run that may be killed at any moment and resumes as if it had not been."""

import contextlib
import dataclasses
import numbers
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tfgen.training import run_state
from tfgen.training.call import FitCall
from tfgen.training.checkpoint_file import Checkpoints
from tfgen.training.residence import Residence
from tfgen.training.resumption import Progress, Resumption

__all__ = ["BackupAndRestore"]

_EXIT_CODE = 128 + signal.SIGTERM


class BackupAndRestore(keras.callbacks.Callback):
    """Saves a run, so that it can resume as if it had never been killed.

    It works as `keras.callbacks.BackupAndRestore`, but exactly: the weights, the
    optimizers' state and the history at the end of a run are those of the uninterrupted
    run, bit for bit, whenever it was killed. It saves all variables of the model (weights,
    optimizers, metrics, seeds of noise and of dropout), the seed of the examples' order,
    epoch and step, the history so far, what `EarlyStopping`, `ReduceLROnPlateau` and
    `ModelCheckpoint` count, and `stop_training`. The order in `callbacks` does not matter.

    A checkpoint is written to a temporary file, flushed to the disk and renamed, and the
    previous one is kept. If a digest shows that the newest is damaged, the previous one is
    used, with a warning.

    If the process receives a SIGTERM, as on a preempted machine, the run is saved at the
    end of the running execution, and the process exits with code 143. This needs `fit` to
    run in the main thread.

    A run on arrays (up to 1 GiB) resumes at once. The batches of a `tf.data.Dataset` that
    were already used are read again, without training, so its order must be the same in
    every process: `shuffle(n, seed=0)`, after the same `keras.utils.set_random_seed`, if
    any.

    Args:
        directory: where checkpoints are written; a different one for each run and worker.
        save_freq: `"epoch"`; or a number of steps, rounded up to whole executions
            (`steps_per_execution`); or `False`, to save only at a SIGTERM.
        double_checkpoint: accepted for compatibility with Keras and ignored: two
            checkpoints are always kept.
        delete_checkpoint: whether to remove the checkpoints when `fit` ends. If not, `fit`
            with more `epochs` continues from there.

    Raises:
        ValueError: if `directory` is empty, `save_freq` is out of range, or (in `fit`) if
            the checkpoint belongs to another model, or the model was not built.
        TypeError: if an argument is of the wrong type, or (in `fit`) if the model is not a
            tfgen model.
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
    ...     backup = tfgen.callbacks.BackupAndRestore(directory, delete_checkpoint=False)
    ...     fit = {"callbacks": [backup], "verbose": 0}
    ...     _ = vae.fit(np.zeros([8, 4]), epochs=2, **fit)
    ...     history = vae.fit(np.zeros([8, 4]), epochs=3, **fit)  # resumes
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
        self._reset()

    def _reset(self) -> None:
        """Removes the state of an earlier `fit`."""
        self.resumption: Resumption | None = None
        self._progress: Progress | None = None
        self._others: list[keras.callbacks.Callback] = []
        self._before_test: dict[str, np.ndarray] = {}
        self._epoch = self._step = self._steps_since_saved = 0
        self._logs: dict[str, float] = {}

    # Called by `FusedModel.fit`.

    @contextlib.contextmanager
    def running(self, model: keras.Model) -> Iterator[None]:
        """Loads the newest checkpoint, and listens to SIGTERM while `fit` runs.

        Args:
            model: to be trained.
        """
        self._reset()
        self._terminated = False
        self.set_model(model)
        loaded = self._files.load()
        if loaded is not None:
            self.resumption = Resumption(model, *loaded, self.directory, self._resume)
            self.resumption.apply_variables()
        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGTERM, self._on_sigterm) if main else None
        try:
            yield
        finally:
            if main:
                signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
            self._reset()
        if self._terminated:
            raise SystemExit(_EXIT_CODE)

    @property
    def order_seed(self) -> int | None:
        """The seed of the examples' order in the resumed run; `None` in a new run."""
        return None if self.resumption is None else self.resumption.progress.order_seed

    def plan(
        self,
        call: FitCall,
        data: Residence | None,
        num_batches: int | None,
        earlier_epochs: int,
    ) -> int:
        """Sets where `fit` begins, and records what a checkpoint must hold about the data.

        Args:
            call: of `fit`; its `initial_epoch` is set.
            data: on the device; `None` for data that Keras iterates over.
            num_batches: batches in an epoch, if known.
            earlier_epochs: the epochs planned by earlier calls of `fit`.

        Returns:
            The number of epochs planned for the whole run, including earlier calls.
        """
        self._progress = Progress(
            first_epoch=call.initial_epoch,
            steps_per_execution=self.model.steps_per_execution,
            num_batches=num_batches,
            order_seed=None if data is None else data.seed,
            earlier_epochs=earlier_epochs,
        )
        if self.resumption is not None:
            self._progress.first_epoch = self.resumption.progress.first_epoch
            self._progress.earlier_epochs = self.resumption.progress.earlier_epochs
            self.resumption.plan(call, self._progress, data is not None)
        planned = max(0, call.epochs - self._progress.first_epoch)
        return self._progress.earlier_epochs + planned

    def set_others(self, callbacks: list[keras.callbacks.Callback]) -> None:
        """Sets the callbacks whose counters are saved.

        Args:
            callbacks: the run's callbacks.
        """
        self._others = callbacks

    def _resume(self, progress: Progress, counters: dict[str, Any]) -> None:
        """Called when nothing is left to skip: the run has reached the checkpoint."""
        run_state.apply_counters(self._others, counters)
        self._epoch, self._step = progress.epoch, progress.step
        self._logs = progress.logs
        self.resumption = None

    # What Keras calls, after all other callbacks.

    def on_train_begin(self, logs: Any = None) -> None:
        """Raises an error if the model is not a tfgen model."""
        if self._progress is None:
            raise TypeError(
                "`tfgen.callbacks.BackupAndRestore` needs a model of tfgen; received "
                f"{self.model!r}. Use `keras.callbacks.BackupAndRestore`."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Stores the epoch."""
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
        """Copies what an evaluation changes, in case it is interrupted."""
        variables = run_state.run_variables(self.model)
        trained = {id(v) for v in self.model.trainable_variables}
        small = {k: v for k, v in variables.items() if _changes_in_test(k, v, trained)}
        self._before_test = run_state.read_variables(small)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves at a SIGTERM, as before the evaluation."""
        if self._terminated:
            self._save(self._epoch, self._step)

    def on_test_end(self, logs: Any = None) -> None:
        """Drops the copy of what an evaluation changed."""
        self._before_test = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, if every epoch is saved, or at a SIGTERM."""
        self._epoch, self._step = epoch + 1, 0
        if self.save_freq == "epoch" or self._terminated:
            self._save(self._epoch, 0)

    def on_train_end(self, logs: Any = None) -> None:
        """Removes the checkpoints, unless they must be kept or are still needed."""
        if self._terminated:
            self._save(self._epoch, 0)
        if self.delete_checkpoint:
            self._files.delete()

    def _save(self, epoch: int, step: int) -> None:
        assert self._progress is not None
        stop = bool(self.model.stop_training)
        arrays = run_state.read_variables(run_state.run_variables(self.model))
        arrays |= self._before_test
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


def _changes_in_test(path: str, variable: Any, trained: set[int]) -> bool:
    """Whether an evaluation may change it: not a weight or an optimizer's state."""
    return id(variable) not in trained and "optimizer" not in path
