"""A Keras model whose `fit` runs many steps as one XLA program.

Keras's TensorFlow trainer launches one compiled program a step. Here
`steps_per_execution` steps are one program: a loop, on the device, over a stack of
batches, around the model's own `train_step`. It is hooked in by `make_train_function` and
its siblings, which Keras makes public for this, so that callbacks, metrics, validation
and data stay Keras's.
"""

import contextlib
import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfgen.random
from tfgen.training.callback_list import ExactStepCallbackList
from tfgen.training.policy import check_steps_per_execution, steps_for, xla_pays
from tfgen.training.replicas import replicated
from tfgen.training.residence import Residence, batch_of

__all__ = ["FusedModel"]

_NO_XLA = ("tf2xla", "XLA", "unsupported operations", "Unsupported op")


class _FirstEpoch(keras.callbacks.Callback):
    """Begins the orders of a `Residence` with the epoch that `fit` begins with.

    `BackupAndRestore` says so as late as `on_train_begin`: this has to come after it.
    """

    def __init__(self, residence: Residence, initial_epoch: int) -> None:
        super().__init__()
        self._residence = residence
        self._initial_epoch = initial_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Sets the epoch."""
        epoch = self.model._initial_epoch or self._initial_epoch
        self._residence.first_epoch.assign(epoch)


class FusedModel(keras.Model):
    """Base of tfgen's models: a `keras.Model` whose steps are fused where XLA is on.

    `train_step` must log metrics only, that is, return `get_metrics_result()` or a part
    of it: inside a loop other values have no place to go.
    """

    def compile(
        self,
        *args: Any,
        steps_per_execution: int | str = "auto",
        jit_compile: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, but for two defaults.

        Args:
            *args: as `keras.Model.compile`'s.
            steps_per_execution: steps a program. `"auto"`: up to 100, and at most an
                epoch, where the steps are compiled by XLA, else 1. Batch-level callbacks
                and the progress bar see one update a program.
            jit_compile: whether XLA compiles the steps. `"auto"`: where it pays; on a
                CPU for all but convolutional models.
            **kwargs: as `keras.Model.compile`'s.

        Raises:
            ValueError: if `steps_per_execution` is below 1.
            TypeError: if it is neither an integer nor `"auto"`.
        """
        self._given_steps = check_steps_per_execution(steps_per_execution)
        self._given_jit = jit_compile
        if jit_compile == "auto":
            jit_compile = not kwargs.get("run_eagerly", False) and xla_pays(self)
        steps = steps_for(self._given_steps, None, bool(jit_compile))
        super().compile(
            *args,
            steps_per_execution=1 if kwargs.get("run_eagerly", False) else steps,
            jit_compile=jit_compile,
            **kwargs,
        )
        self._residences: dict[str, Residence | None] = {}
        self._epoch: tuple[int, int | None] = (0, None)  # steps run, of how many, if known
        self._steps_run = 0

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
        """Whether steps run as one program: by XLA or several at once, on one replica."""
        if self.run_eagerly or self.distribute_strategy.num_replicas_in_sync > 1:
            return False
        given = getattr(self, "_given_steps", "auto")
        return bool(self.jit_compile) or (isinstance(given, int) and given > 1)

    # Data.

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.fit`."""
        self._assert_compile_called("fit")
        call = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        self._warn_if_not_fused()
        _split_validation(given)
        num_batches = given["steps_per_epoch"] or _num_batches(given)
        with self._set_up(given, num_batches):
            data = _reside(given, given["steps_per_epoch"], given["shuffle"])
            self._residences = {"fit": data if self.is_fused else None}
            self._epoch = (0, data.num_batches if data else None)
            known = isinstance(given["callbacks"], keras.callbacks.CallbackList)
            if not known:
                given["callbacks"] = keras.tree.flatten(given["callbacks"] or [])
                if data is not None:
                    given["callbacks"] += [_FirstEpoch(data, given["initial_epoch"])]
            if self.is_fused:
                if self.built and not self.optimizer.built:
                    self.optimizer.build(self.trainable_variables)
                held_out = _reside_validation(given, self.steps_per_execution)
                self._residences["evaluate"] = held_out
                if not known:
                    given["callbacks"] = ExactStepCallbackList(
                        given["callbacks"],
                        add_history=True,
                        add_progbar=given["verbose"] != 0,
                        verbose=given["verbose"],
                        epochs=given["epochs"],
                        steps=num_batches,
                        model=self,
                    )
            if data is not None:
                steps = self.steps_per_execution
                given["x"] = data.rows(steps) if self.is_fused else data.batches()
                given["steps_per_epoch"] = data.num_batches
                given["shuffle"] = False
            given.pop("self")
            return super().fit(**given)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`."""
        self._assert_compile_called("evaluate")
        if kwargs.get("_use_cached_eval_dataset"):  # from within `fit`
            return super().evaluate(*args, **kwargs)
        call = inspect.signature(keras.Model.evaluate).bind(self, *args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        extra = given.pop("kwargs", {})
        given.pop("self")
        with self._set_up(given, given["steps"]):
            if self.is_fused:
                residence = _reside(given, given["steps"], shuffle=False)
                if residence is not None:
                    given["x"] = residence.rows(self.steps_per_execution)
                    given["steps"] = residence.num_batches
                self._residences["evaluate"] = residence
            return super().evaluate(**given, **extra)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.predict`."""
        call = inspect.signature(keras.Model.predict).bind(self, *args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        with self._set_up(given, given["steps"]):
            return super().predict(*call.args[1:], **call.kwargs)

    @contextlib.contextmanager
    def _set_up(self, given: dict[str, Any], num_batches: int | None) -> Iterator[None]:
        """Holds what belongs to one call, since a callback of `fit` may make another."""
        before = self.__dict__.get("_residences", {}), self.steps_per_execution
        if self.is_fused:
            num_batches = num_batches or _num_batches(given)
            steps = steps_for(getattr(self, "_given_steps", "auto"), num_batches, True)
            self.steps_per_execution = min(steps, num_batches or steps)
        self._residences = dict(before[0])
        try:
            yield
        finally:
            self._residences, self.steps_per_execution = before

    # Functions that Keras calls with an iterator, `steps_per_execution` batches a call.

    def make_train_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_train_function`; fused where XLA is on."""
        if self.is_fused or self._is_replicated:
            if self.train_function is None or force:
                self.train_function = (
                    self._fused(self.train_step, "fit")
                    if self.is_fused
                    else replicated(self, self.train_step, self._next_steps)
                )
            return self.train_function
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_test_function`; fused where XLA is on."""
        if self.is_fused or self._is_replicated:
            if self.test_function is None or force:
                self.test_function = (
                    self._fused(self.test_step, "evaluate")
                    if self.is_fused
                    else replicated(self, self.test_step, lambda: self.steps_per_execution)
                )
            return self.test_function
        return super().make_test_function(force)

    def make_predict_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_predict_function`; fused where XLA is on."""
        if not self.is_fused:
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            program = tf.function(
                _mapped(self.predict_step),
                jit_compile=bool(self.jit_compile),
                autograph=False,
            )

            def function(batches: list[Any]) -> tf.Tensor:
                outputs = []
                for group in _groups(batches):
                    with _explained():
                        result = program(_stack(group, self.steps_per_execution))
                    outputs += [_flatten_batches(result, len(group))]
                return keras.tree.map_structure(lambda *o: tf.concat(o, axis=0), *outputs)

            self.predict_function = function
        return self.predict_function

    @property
    def _is_replicated(self) -> bool:
        strategy = self.distribute_strategy
        return strategy.num_replicas_in_sync > 1 and not self.run_eagerly

    def _next_steps(self) -> int:
        """Steps of the next execution, which ends with the epoch: the data do not."""
        run, of = self._epoch
        steps = self.steps_per_execution
        if of is not None:
            steps = min(steps, of - run % of)
        self._epoch = (run + steps, of)
        return steps

    def _fused(self, step: Callable, name: str) -> Callable:
        """From an iterator to the logs after `steps_per_execution` steps."""
        programs: dict[bool | None, Callable] = {}

        def program_for(same: bool | None) -> Callable:
            if same not in programs:
                gather = None if same is None else functools.partial(batch_of, same=same)
                programs[same] = tf.function(
                    loop_of_steps(step, self, gather),
                    jit_compile=bool(self.jit_compile),
                    autograph=False,
                )
            return programs[same]

        def function(iterator: Iterator) -> dict[str, tf.Tensor]:
            residence = self._residences.get(name)
            if residence is None:
                program, data = program_for(None), ()
                stacks = _stacks_of_batches(iterator, self.steps_per_execution)
            else:
                program, data = program_for(residence.same), residence.data
                rows = next(iterator).numpy()
                stacks = _stacks_of_rows(
                    rows, residence.batch_size, self.steps_per_execution
                )
            self._steps_run = sum(count for _, count in stacks)
            logs: dict[str, tf.Tensor] = {}
            for stacked, count in stacks:
                with _explained():
                    logs = program(stacked, tf.constant(count), data)
            return logs

        return function

    def _warn_if_not_fused(self) -> None:
        if self.jit_compile and not self.is_fused and not getattr(self, "_warned", False):
            self._warned = True
            warnings.warn(
                "`jit_compile=True` compiles one step at a time under "
                f"{type(self.distribute_strategy).__name__}: replicas can't meet inside a "
                "fused program. Leave `jit_compile='auto'` to use Keras's own path.",
                stacklevel=3,
            )


def loop_of_steps(step: Callable, model: keras.Model, gather: Callable | None) -> Callable:
    """A program that runs `step` over a stack of batches, and gives the last logs.

    Args:
        step: takes a batch.
        model: has the metrics.
        gather: makes a batch of the program's `data` and what the stack holds of it;
            `None` where the stack holds the batches themselves.
    """

    def run(stacked: Any, count: tf.Tensor, data: Any) -> dict[str, tf.Tensor]:
        names: list[str] = []

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            batch = _at(stacked, i)
            if gather is not None:
                batch = gather(data, batch)
            names[:] = step(batch)
            return (i + 1,)

        tf.while_loop(lambda i: i < count, body, [tf.constant(0)], parallel_iterations=1)
        results = model.get_metrics_result()
        unknown = set(names) - set(results)
        if unknown:
            raise ValueError(
                "`train_step` must log metrics only where steps are fused; received "
                f"{sorted(unknown)}, which no metric holds. Log them by a "
                "`keras.metrics.Mean`, or compile with `jit_compile=False`."
            )
        return {name: results[name] for name in names}

    return run


def _at(stacked: Any, i: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda v: None if v is None else v[i], stacked)


def _mapped(step: Callable) -> Callable:
    """A program that gives `step` of every batch of a stack, stacked."""

    def run(stacked: Any) -> Any:
        specs = keras.tree.map_structure(
            lambda v: tf.TensorSpec(v.shape[1:], v.dtype), stacked
        )
        outputs = tf.function(step, autograph=False).get_concrete_function(specs)
        signature = keras.tree.map_structure(
            lambda v: tf.TensorSpec(v.shape, v.dtype), outputs.structured_outputs
        )
        return tf.map_fn(step, stacked, fn_output_signature=signature)

    return run


def _take(iterator: Iterator, count: int) -> list[Any]:
    batches = []
    for _ in range(count):
        try:
            batches.append(next(iterator))
        except (StopIteration, tf.errors.OutOfRangeError):
            break
    if not batches:
        raise StopIteration
    return batches


def _stacks_of_batches(iterator: Iterator, steps: int) -> list[tuple[Any, int]]:
    """Up to `steps` batches as stacks, each with the number of batches in it."""
    groups = _groups(_take(iterator, steps))
    return [(_stack(group, steps), len(group)) for group in groups]


def _stacks_of_rows(
    rows: np.ndarray, batch_size: int, steps: int
) -> list[tuple[tf.Tensor, int]]:
    """Rows `[up to steps * batch_size]` as stacks `[steps, batch_size]`, with counts."""
    stacks = []
    count, rest = divmod(len(rows), batch_size)
    if count:
        stacked = np.zeros([steps, batch_size], rows.dtype)
        stacked[:count] = rows[: count * batch_size].reshape(count, batch_size)
        stacks.append((tf.constant(stacked), count))
    if rest:
        stacks.append((tf.constant(rows[None, -rest:]), 1))
    return stacks


def _groups(batches: list[Any]) -> list[list[Any]]:
    """Runs of batches of one shape: all but a partial last batch."""
    groups: list[list[Any]] = []
    last = None
    for batch in batches:
        shapes = [leaf.shape for leaf in keras.tree.flatten(batch) if leaf is not None]
        if shapes != last:
            groups.append([])
            last = shapes
        groups[-1].append(batch)
    return groups


def _stack(batches: list[Any], length: int) -> Any:
    """Batches in one tensor a leaf, filled up so that every stack has one shape.

    A lone batch, as a partial last one is, is not filled up: its program has its own
    shape anyway.
    """
    if len(batches) == 1:
        length = 1
    filled = batches + batches[-1:] * (length - len(batches))
    return keras.tree.map_structure(
        lambda *leaves: None if leaves[0] is None else tf.stack(leaves), *filled
    )


def _flatten_batches(stacked: Any, count: int) -> Any:
    """`[count or more, batch, ...]` as `[count * batch, ...]`."""
    return keras.tree.map_structure(
        lambda v: tf.reshape(v[:count], [-1, *v.shape[2:]]), stacked
    )


def _split_validation(given: dict[str, Any]) -> None:
    """Takes `validation_split` from the end of arrays, as Keras does."""
    split = given["validation_split"]
    arrays = (given["x"], given["y"], given["sample_weight"])
    if not split or given["validation_data"] is not None or not Residence.holds(arrays):
        return
    if not 0 < split < 1:
        raise ValueError(f"`validation_split` must be in (0, 1); received {split}.")
    count = keras.tree.flatten(arrays)[0].shape[0]
    at = int(count * (1 - split))
    if not 0 < at < count:
        raise ValueError(
            f"`validation_split` must leave examples on both sides; received {split} for "
            f"{count} examples."
        )

    def cut(part: slice) -> tuple[Any, ...]:
        return keras.tree.map_structure(lambda v: None if v is None else v[part], arrays)

    same = given["y"] is given["x"]
    kept, held = cut(slice(None, at)), cut(slice(at, None))
    if same:
        kept, held = (kept[0], kept[0], kept[2]), (held[0], held[0], held[2])
    given["x"], given["y"], given["sample_weight"] = kept
    given["validation_data"] = held
    given["validation_split"] = 0.0


def _num_batches(given: dict[str, Any]) -> int | None:
    """Batches an epoch, `None` where only the end of the data will tell."""
    x = given["x"]
    if isinstance(x, tf.data.Dataset):
        cardinality = int(x.cardinality())
        return cardinality if cardinality >= 0 else None
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches
    leaves = keras.tree.flatten(x)
    if leaves and hasattr(leaves[0], "shape"):
        return -(-int(leaves[0].shape[0]) // (given["batch_size"] or 32))
    return None


def _reside(
    given: dict[str, Any], steps: int | None, shuffle: bool | str
) -> Residence | None:
    """Takes the arrays of a call into a `Residence`, where they fit."""
    data = (given["x"], given["y"], given["sample_weight"])
    if data[0] is None or not Residence.holds(data):
        return None
    if steps or shuffle == "batch" or given.get("class_weight") is not None:
        return None  # Keras's own way
    given["y"] = given["sample_weight"] = None
    seed = tfgen.random.fresh_seed() if shuffle else None
    return Residence(data, given["batch_size"] or 32, seed)


def _reside_validation(given: dict[str, Any], steps: int) -> Residence | None:
    validation = given["validation_data"]
    if validation is None or isinstance(validation, tf.data.Dataset):
        return None
    x, y, weight = keras.utils.unpack_x_y_sample_weight(validation)
    batch_size = given["validation_batch_size"] or given["batch_size"]
    parts = {"x": x, "y": y, "sample_weight": weight, "batch_size": batch_size}
    residence = _reside(parts, given["validation_steps"], shuffle=False)
    if residence is not None:
        given["validation_data"] = residence.rows(steps)
        given["validation_steps"] = residence.num_batches
    return residence


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Says which operation XLA can't compile, and the way out."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        if not any(word in error.message for word in _NO_XLA):
            raise
        raise ValueError(
            "`jit_compile` must be False for a model with an operation that XLA can't "
            "compile; received True. Compile the model with `jit_compile=False`. XLA "
            f"says: {error.message}"
        ) from error
