"""A Keras model whose `fit` runs many steps as one XLA program.

Keras's TensorFlow trainer launches one compiled program a step. Here
`steps_per_execution` steps are one program: a loop, on the device, over a stack of
batches, around the model's own `train_step`. It is hooked in by `make_train_function` and
its siblings, which Keras makes public for this, so that callbacks, metrics, validation
and data stay Keras's.
"""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfgen.training.callback_list import ExactStepCallbackList
from tfgen.training.policy import check_steps_per_execution, steps_for, xla_pays
from tfgen.training.replicas import replicated
from tfgen.training.residence import Residence

__all__ = ["FusedModel"]

_NO_XLA = ("tf2xla", "XLA", "unsupported operations", "Unsupported op")


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
        super().compile(
            *args,
            steps_per_execution=steps_for(self._given_steps, None, bool(jit_compile)),
            jit_compile=jit_compile,
            **kwargs,
        )
        self._residences: dict[str, Residence] = {}
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
        """Whether steps run as one XLA program: XLA is on, and there is one replica."""
        strategy = self.distribute_strategy
        return bool(self.jit_compile) and strategy.num_replicas_in_sync == 1

    # Data.

    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.fit`."""
        self._assert_compile_called("fit")
        call = inspect.signature(keras.Model.fit).bind(self, *args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        self._warn_if_not_fused()
        _split_validation(given)
        num_batches = _num_batches(given)
        steps = steps_for(self._given_steps, num_batches, self.is_fused)
        self.steps_per_execution = min(steps, num_batches or steps)
        if self.is_fused:
            if self.built and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            _reside(self, "fit", given, ("x", "y", "sample_weight"))
            _reside_validation(self, given)
            if not isinstance(given["callbacks"], keras.callbacks.CallbackList):
                given["callbacks"] = ExactStepCallbackList(
                    keras.tree.flatten(given["callbacks"] or []),
                    add_history=True,
                    add_progbar=given["verbose"] != 0,
                    verbose=given["verbose"],
                    epochs=given["epochs"],
                    steps=num_batches,
                    model=self,
                )
        try:
            return super().fit(**{k: v for k, v in given.items() if k != "self"})
        finally:
            self._residences.clear()

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.evaluate`."""
        self._assert_compile_called("evaluate")
        if kwargs.get("_use_cached_eval_dataset"):  # from within `fit`
            return super().evaluate(*args, **kwargs)
        call = inspect.signature(keras.Model.evaluate).bind(self, *args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        extra = given.pop("kwargs", {})
        num_batches = _num_batches(given | {"steps_per_epoch": given["steps"]})
        steps = steps_for(self._given_steps, num_batches, self.is_fused)
        self.steps_per_execution = min(steps, num_batches or steps)
        if self.is_fused:
            _reside(self, "evaluate", given, ("x", "y", "sample_weight"))
        try:
            given.pop("self")
            return super().evaluate(**given, **extra)
        finally:
            self._residences.pop("tfgen_evaluate_row", None)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """As `keras.Model.predict`."""
        call = inspect.signature(keras.Model.predict).bind(self, *args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        num_batches = _num_batches(given | {"steps_per_epoch": given["steps"]})
        steps = steps_for(getattr(self, "_given_steps", "auto"), num_batches, self.is_fused)
        self.steps_per_execution = min(steps, num_batches or steps)
        return super().predict(*call.args[1:], **call.kwargs)

    # Functions that Keras calls with an iterator, `steps_per_execution` batches a call.

    def make_train_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_train_function`; fused where XLA is on."""
        if self.is_fused or self._is_replicated:
            if self.train_function is None or force:
                make = self._fused if self.is_fused else self._replicated
                self.train_function = make(self.train_step)
            return self.train_function
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_test_function`; fused where XLA is on."""
        if self.is_fused or self._is_replicated:
            if self.test_function is None or force:
                make = self._fused if self.is_fused else self._replicated
                self.test_function = make(self.test_step)
            return self.test_function
        return super().make_test_function(force)

    def make_predict_function(self, force: bool = False) -> Callable:
        """As `keras.Model.make_predict_function`; fused where XLA is on."""
        if not self.is_fused:
            return super().make_predict_function(force)
        if self.predict_function is None or force:
            program = tf.function(
                _mapped(self.predict_step), jit_compile=True, autograph=False
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

    def _replicated(self, step: Callable) -> Callable:
        return replicated(self, step)

    def _fused(self, step: Callable) -> Callable:
        """From an iterator over batches to the logs after `steps_per_execution` steps."""
        programs: dict[str | None, Callable] = {}

        def program_for(residence: Residence | None) -> Callable:
            key = residence.key if residence else None
            if key not in programs:
                programs[key] = tf.function(
                    loop_of_steps(step, self, residence), jit_compile=True, autograph=False
                )
            return programs[key]

        def function(iterator: Iterator) -> dict[str, tf.Tensor]:
            batches = _take(iterator, self.steps_per_execution)
            residence = self._residences.get(_row_key(batches[0]))
            program = program_for(residence)
            data = residence.data if residence else ()
            self._steps_run = len(batches)
            logs: dict[str, tf.Tensor] = {}
            for group in _groups(batches):
                stacked = _stack(group, self.steps_per_execution)
                with _explained():
                    logs = program(stacked, tf.constant(len(group)), data)
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


def loop_of_steps(
    step: Callable, model: keras.Model, residence: Residence | None
) -> Callable:
    """A program that runs `step` over a stack of batches, and gives the last logs."""

    def run(stacked: Any, count: tf.Tensor, data: Any) -> dict[str, tf.Tensor]:
        names: list[str] = []

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            batch = _at(stacked, i)
            if residence is not None:
                batch = residence.gather(data, batch[residence.key])
            names[:] = step(batch)
            return (i + 1,)

        tf.while_loop(lambda i: i < count, body, [tf.constant(0)])
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


def _row_key(batch: Any) -> str:
    return next(iter(batch)) if isinstance(batch, dict) and len(batch) == 1 else ""


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
    if given["steps_per_epoch"]:
        return int(given["steps_per_epoch"])
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


def _reside(model: FusedModel, name: str, given: dict[str, Any], names: tuple) -> None:
    """Leaves the arrays of a call on the device, and row numbers in their place."""
    data = tuple(given[name] for name in names)
    if data[0] is None or not Residence.holds(data):
        return
    residence = Residence(name, data)
    model._residences[residence.key] = residence
    given.update(zip(names, (residence.rows(), None, None), strict=True))


def _reside_validation(model: FusedModel, given: dict[str, Any]) -> None:
    validation = given["validation_data"]
    if validation is None or isinstance(validation, tf.data.Dataset):
        return
    x, y, weight = keras.utils.unpack_x_y_sample_weight(validation)
    parts = {"x": x, "y": y, "sample_weight": weight}
    _reside(model, "validation", parts, ("x", "y", "sample_weight"))
    if parts["x"] is not x:
        given["validation_data"] = parts["x"]


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
