"""A Keras model whose `fit` runs many steps as one program.

Keras's TensorFlow trainer launches one compiled program for each step. Here
`steps_per_execution` steps are one program: a loop, on the device, over a stack of batches,
around the model's own `train_step`, compiled by XLA where this saves time. It is installed
by overriding `make_train_function` and similar methods, which Keras makes public for this
purpose, so that Keras still handles callbacks, metrics, validation and data.

`fit`, `evaluate` and `predict` each bind their arguments once (`call.py`), let the model
prepare them (`prepare_fit`, ...), plan the call (`plan.py`) and run it by Keras's method.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfgen.training import functions, plan
from tfgen.training.ahead import Ahead
from tfgen.training.backup import BackupAndRestore
from tfgen.training.batch_check import BatchCheck
from tfgen.training.call import (
    EvaluateCall,
    FitCall,
    PredictCall,
    check_batched,
)
from tfgen.training.callback_list import ExactStepCallbackList, FirstEpoch, find_backup
from tfgen.training.policy import (
    check_steps_per_execution,
    check_switch,
    steps_for,
    xla_pays,
)
from tfgen.training.program import Program, describe
from tfgen.training.replicas import are_on_one_machine, replicated
from tfgen.training.residence import Residence
from tfgen.training.undocumented import is_validation_of_fit

__all__ = ["FusedModel"]


class FusedModel(keras.Model):
    """Base of tfgen's models: a `keras.Model` whose steps are fused in programs.

    `train_step` must log metrics only, that is, return `get_metrics_result()` or a part of
    it: a loop on the device can't return other values.

    A subclass that checks or converts data overrides `prepare_fit`, `prepare_evaluate` or
    `prepare_predict`, not `fit`, `evaluate` or `predict`.
    """

    # As passed to `compile`; `None` before that.
    _given_steps: int | str | None = None
    _given_jit: bool | str = "auto"
    # These belong to the call that is running.
    _residences: dict[str, Residence | None] = {}  # noqa: RUF012 - is never changed here
    _ahead: dict[str, Ahead] = {}  # noqa: RUF012 - is never changed here
    _checks: dict[str, BatchCheck] = {}  # noqa: RUF012 - is never changed here
    _backup: BackupAndRestore | None = None
    # The program that `summary` describes: the one `fit` used last.
    _program_of_fit: Program | None = None

    def compile(
        self,
        *args: Any,
        steps_per_execution: int | str = "auto",
        jit_compile: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, with two other defaults.

        Args:
            *args: as `keras.Model.compile`'s.
            steps_per_execution: steps in a program. `"auto"`: up to 100, and at most an
                epoch; 1 with `jit_compile=False` on one device, with `run_eagerly` and on
                several machines. Batch-level callbacks and the progress bar are updated
                once for each program.
            jit_compile: whether XLA compiles the steps. `"auto"`: where this saves time. On
                a GPU, always; on a CPU, for all but convolutional models, in a call with
                enough steps to make up for the seconds that compiling takes. `summary()`
                shows the choice after `fit`.
            **kwargs: as `keras.Model.compile`'s.

        Raises:
            ValueError: if `steps_per_execution` is below 1.
            TypeError: if it is neither an integer nor `"auto"`.
        """
        check_switch(jit_compile, "jit_compile", "auto")
        check_switch(kwargs.get("run_eagerly"), "run_eagerly")
        self._given_steps = check_steps_per_execution(steps_per_execution)
        self._given_jit = jit_compile
        if jit_compile == "auto":
            jit_compile = not kwargs.get("run_eagerly", False) and xla_pays(self)
        is_mirrored = are_on_one_machine(self.distribute_strategy)
        fused = bool(jit_compile) or is_mirrored or self._chooses_all
        steps = steps_for(self._given_steps, None, fused)
        super().compile(
            *args,
            steps_per_execution=1 if kwargs.get("run_eagerly", False) else steps,
            jit_compile=jit_compile,
            **kwargs,
        )
        self._residences, self._ahead = {}, {}
        self._program_of_fit = None
        # The passes over the data that the calls of each method planned.
        self._passes = {"fit": 0, "evaluate": 0, "predict": 0}
        self._epoch: tuple[int, int | None] = (0, None)  # steps run; steps in all, if known
        self._steps_run = 1

    def get_compile_config(self) -> dict[str, Any]:
        """The arguments of `compile`, as Keras serialises them."""
        config = super().get_compile_config()
        if config:
            config |= {
                "steps_per_execution": self._given_steps,
                "jit_compile": self._given_jit,
            }
        return config

    @property
    def is_fused(self) -> bool:
        """Whether steps run as a program: by XLA, or several at once, on one replica."""
        if self.run_eagerly or self.distribute_strategy.num_replicas_in_sync > 1:
            return False
        given = self._given_steps
        several = isinstance(given, int) and given > 1
        return bool(self.jit_compile) or several or self._chooses_all

    @property
    def _chooses_all(self) -> bool:
        """Whether neither `jit_compile` nor `steps_per_execution` was given."""
        return self._given_jit == "auto" and self._given_steps == "auto"

    @property
    def _has_programs_of_steps(self) -> bool:
        is_mirrored = are_on_one_machine(self.distribute_strategy)
        return self.is_fused or (is_mirrored and not self.run_eagerly)

    @property
    def _compiling(self) -> bool | str:
        """`jit_compile` for programs: `"auto"` if each program chooses by itself."""
        chooses = self._given_jit == "auto" and not tf.config.list_physical_devices("GPU")
        return "auto" if self.jit_compile and chooses else bool(self.jit_compile)

    # What a subclass may override.

    def prepare_fit(self, call: FitCall) -> None:
        """Checks and converts the arguments of `fit`, before any other work is done.

        The base class does nothing. A subclass may raise an error for data that it can't
        use, replace attributes of `call` (`call.y = call.x`), and insert its own callbacks
        (`call.callbacks.insert(0, ...)`). It is called once for each `fit`, after the check
        that the model was compiled.

        Args:
            call: has `fit`'s arguments as attributes, to be changed in place.
        """

    def prepare_evaluate(self, call: EvaluateCall) -> None:
        """Checks and converts the arguments of `evaluate`; see `prepare_fit`.

        It is not called for the validation of a `fit`: `prepare_fit` has already checked
        its data, `call.validation_data`.

        Args:
            call: has `evaluate`'s arguments as attributes, to be changed in place.
        """

    def prepare_predict(self, call: PredictCall) -> None:
        """Checks and converts the arguments of `predict`; see `prepare_fit`.

        Args:
            call: has `predict`'s arguments as attributes, to be changed in place.
        """

    def check_batch(self, batch: Any, use: str) -> None:
        """Checks a batch of a dataset, a generator or such, before a step uses it.

        The base class does nothing. A subclass may raise an error for data that it can't
        use. Arrays are not passed to it: `prepare_fit` and its siblings see them whole.

        Args:
            batch: x, (x, y) or (x, y, sample_weight), of NumPy arrays.
            use: `"fit"`, `"validation"`, `"evaluate"` or `"predict"`.
        """

    # Keras's methods: bind, prepare, plan, run.

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains the model; arguments and result as `keras.Model.fit`'s.

        Raises:
            ValueError: if the model was not compiled or has no trainable weights.
        """
        self._check_compiled("fit")
        call = FitCall(*args, **kwargs)
        with self.distribute_strategy.scope():  # weights may be made here
            self.prepare_fit(call)
        check_batched(call)
        self._check_trainable()
        self._warn_if_not_fused()
        plan.split_validation(call)
        batches = plan.num_batches(call)
        backup = find_backup(call.callbacks)
        resuming = backup.running(self) if backup else contextlib.nullcontext()
        with self._executions_of(batches), contextlib.ExitStack() as stack:
            call.x = self._check_read(stack, "fit", call.x, "fit")
            data = call.validation_data
            call.validation_data = self._check_read(stack, "evaluate", data, "validation")
            stack.enter_context(resuming)
            self._plan_fit(call, batches, backup)
            return super().fit(**vars(call))

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """The metrics on held-out data; arguments and result as `keras.Model.evaluate`'s.

        Raises:
            ValueError: if the model was not compiled.
        """
        if is_validation_of_fit(kwargs):  # bound and planned by `fit`
            return super().evaluate(*args, **kwargs)
        self._check_compiled("evaluate")
        call = EvaluateCall(*args, **kwargs)
        with self.distribute_strategy.scope():  # weights may be made here
            self.prepare_evaluate(call)
        check_batched(call)
        batches = plan.num_batches(call)
        with self._executions_of(batches), contextlib.ExitStack() as stack:
            call.x = self._check_read(stack, "evaluate", call.x, "evaluate")
            # An evaluation uses the programs that validation has compiled.
            self._passes["evaluate"] += 1
            passes = self._passes["fit"] + self._passes["evaluate"]
            self._look_ahead("evaluate", passes, batches)
            if self.is_fused:
                residence = plan.reside_evaluation(call, self.steps_per_execution)
                self._residences["evaluate"] = residence
            return super().evaluate(**vars(call))

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """The model's outputs; arguments and result as `keras.Model.predict`'s."""
        call = PredictCall(*args, **kwargs)
        with self.distribute_strategy.scope():  # weights may be made here
            self.prepare_predict(call)
        check_batched(call)
        batches = plan.num_batches(call)
        # Keras holds all batches of an execution in memory; without XLA one at a time does.
        keeps_one = self._chooses_all and not self.jit_compile
        with (
            self._executions_of(1 if keeps_one else batches),
            contextlib.ExitStack() as stack,
        ):
            call.x = self._check_read(stack, "predict", call.x, "predict")
            if self._given_steps is not None:
                self._passes["predict"] += 1
                self._look_ahead("predict", self._passes["predict"], batches)
            return super().predict(**vars(call))

    def _check_compiled(self, method: str) -> None:
        if self._given_steps is None:
            raise ValueError(
                f"`{method}` needs a model that was compiled; received one that was not. "
                f"Call `compile()` before `{method}`."
            )

    def _check_trainable(self) -> None:
        if self.built and not self.trainable_weights:
            raise ValueError(
                "`fit` needs a weight to train; received a model whose weights are all "
                "frozen. Set `trainable = True` on a part of it."
            )

    @contextlib.contextmanager
    def _executions_of(self, num_batches: int | None) -> Iterator[None]:
        """Keeps the state of one call, since a callback of `fit` may make another call."""
        before = self._residences, self._ahead, self._checks
        steps_before, backup_before = self.steps_per_execution, self._backup
        if self._has_programs_of_steps:
            steps = steps_for(self._given_steps or "auto", num_batches, True)
            self.steps_per_execution = min(steps, num_batches or steps)
        self._residences, self._ahead = dict(before[0]), dict(before[1])
        self._checks = dict(before[2])
        try:
            yield
        finally:
            self._residences, self._ahead, self._checks = before
            self.steps_per_execution, self._backup = steps_before, backup_before

    def _check_read(
        self, stack: contextlib.ExitStack, name: str, data: Any, use: str
    ) -> Any:
        """`data`, with a check of each batch unless it is arrays, which were checked."""
        self._checks.pop(name, None)
        leaves = [v for v in keras.tree.flatten(data) if v is not None]
        is_arrays = all(hasattr(leaf, "shape") for leaf in leaves)
        if is_arrays or type(self).check_batch is FusedModel.check_batch:
            return data
        check = BatchCheck(lambda batch: self.check_batch(batch, use))
        stack.enter_context(check.raising())
        if not self.is_fused:
            return check.reading(data)
        self._checks[name] = check
        return data

    def _look_ahead(self, name: str, passes: int, batches: int | None) -> None:
        self._ahead[name] = Ahead(passes, batches, self.steps_per_execution)

    def _plan_fit(
        self, call: FitCall, num_batches: int | None, backup: BackupAndRestore | None
    ) -> None:
        """Puts arrays on the device, and into `call` the data that Keras iterates over."""
        steps = self.steps_per_execution
        data = plan.reside_training(call, backup.order_seed if backup else None)
        self._residences = {"fit": data if self.is_fused else None}
        self._epoch = (0, data.num_batches if data else None)
        self._backup = backup
        passes = max(0, call.epochs - call.initial_epoch)
        if backup:
            passes = backup.plan(call, data, num_batches, self._passes["fit"])
        else:
            passes += self._passes["fit"]
        self._passes["fit"] = max(passes, self._passes["fit"])
        self._look_ahead("fit", passes, num_batches)
        self._look_ahead("evaluate", passes, plan.num_validation_batches(call))
        if data is not None:
            call.callbacks.append(FirstEpoch(data, call.initial_epoch))
            call.x = data.rows(steps) if self.is_fused else data.batches()
            call.steps_per_epoch = data.num_batches
            call.shuffle = False
        elif isinstance(call.x, tf.data.Dataset):
            call.shuffle = False  # is ignored, and Keras warns of True, the default
        if self._has_programs_of_steps and self.built and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        if self.is_fused:
            self._residences["evaluate"] = plan.reside_validation(call, steps)
        if self._has_programs_of_steps or backup:
            call.callbacks = ExactStepCallbackList(
                call.callbacks,
                add_history=True,
                add_progbar=call.verbose != 0,
                verbose=call.verbose,
                epochs=call.epochs,
                steps=num_batches,
                model=self,
            )

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """Prints Keras's summary, and a line on how the steps are run."""
        super().summary(*args, **kwargs)
        if self._given_steps is not None and not self.run_eagerly:
            program = self._program_of_fit
            text = describe(self._compiling, None if program is None else program.decision)
            show = kwargs.get("print_fn") or print
            show(f" Training steps: {text}")

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Writes the model to a `.keras` file; arguments as `keras.Model.save`'s.

        Raises:
            ValueError: if `filepath` has another ending: Keras's older format can't hold
                the parts of a model that are models themselves.
        """
        if not isinstance(filepath, str | os.PathLike):
            raise TypeError(
                f"`filepath` must be a path; received {filepath!r}. Pass one such as "
                "'model.keras'."
            )
        if not os.fspath(filepath):
            raise ValueError(
                "`filepath` must not be empty; received ''. Pass one such as 'model.keras'."
            )
        if os.fspath(filepath).endswith((".h5", ".hdf5")):
            path = os.path.splitext(os.fspath(filepath))[0]
            raise ValueError(
                "`filepath` must end in '.keras', since HDF5 can't hold a model made of "
                f"models; received {os.fspath(filepath)!r}. Write '{path}.keras', or the "
                f"weights alone by `save_weights('{path}.weights.h5')`."
            )
        super().save(filepath, *args, **kwargs)

    # Functions that Keras calls with an iterator; each takes `steps_per_execution` batches.

    def make_train_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_train_function`, of several steps."""
        if self.train_function is None or force:
            if self.is_fused:
                function = functions.fused(self, self.train_step, "fit")
            elif self._is_replicated:
                function = replicated(self, self.train_step, self._next_steps)
            else:
                super().make_train_function(force=True)
                function = self.train_function
            self.train_function = functions.resumable(self, function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_test_function`, of several steps."""
        if self.test_function is None or force:
            if self.is_fused:
                function = functions.fused(self, self.test_step, "evaluate")
            elif self._is_replicated:
                steps = lambda: self.steps_per_execution
                function = replicated(self, self.test_step, steps)
            else:
                super().make_test_function(force=True)
                function = self.test_function
            self.test_function = functions.skippable(self, function)
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_predict_function`, of several steps."""
        if not self.is_fused:
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            self.predict_function = functions.fused_predict(self)
        return self.predict_function

    @property
    def _is_replicated(self) -> bool:
        strategy = self.distribute_strategy
        return strategy.num_replicas_in_sync > 1 and not self.run_eagerly

    def _next_steps(self) -> int:
        """Steps of the next execution; it ends with the epoch, as the data are endless."""
        run, of = self._epoch
        steps = self.steps_per_execution
        if of is not None:
            steps = min(steps, of - run % of)
        self._epoch = (run + steps, of)
        self._steps_run = steps
        return steps

    def _warn_if_not_fused(self) -> None:
        if self.jit_compile and not self.is_fused and not getattr(self, "_warned", False):
            self._warned = True
            warnings.warn(
                "`jit_compile=True` compiles one step at a time under "
                f"{type(self.distribute_strategy).__name__}: replicas can't exchange "
                "gradients inside a program of several steps. Use `jit_compile='auto'`, "
                "which leaves the training loop to Keras.",
                stacklevel=3,
            )
