"""Programs of several steps: a loop, on the device, around a model's own step.

A `Program` is run as a TensorFlow graph or compiled by XLA. With `"auto"`, it is traced
once as a graph for each shape of its arguments, which shows how large a step is; XLA then
compiles it if enough steps are to come (`policy.steps_worth_compiling`).
"""

import contextlib
import math
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfgen.training.ahead import Ahead
from tfgen.training.policy import Work, steps_worth_compiling
from tfgen.training.undocumented import is_refusal_of_xla

__all__ = ["Program", "describe", "loop_of_steps", "mapped"]


class Program:
    """A function over stacks of batches, run as a graph or by XLA.

    Args:
        make: returns the Python function. Its argument is a callback, which the function
            calls with the graph of one step while it is traced.
        jit_compile: whether XLA compiles it; `"auto"`: if this saves time.

    Attributes:
        decision: the steps planned and the steps from which compiling saves time, for the
            longest stack; `None` before a call, and if there was no choice.
    """

    def __init__(
        self,
        make: Callable[[Callable[[tf.Graph], None]], Callable],
        jit_compile: bool | str,
    ) -> None:
        graph = tf.function(make(self._note), autograph=False)
        self._graph = graph
        self._xla = tf.function(
            lambda *arguments: graph(*arguments), jit_compile=True, autograph=False
        )
        self._jit_compile = jit_compile
        self._noted = Work(0, 0)
        self._worth: dict[Hashable, float] = {}  # steps from which XLA saves time
        self._calls: dict[Hashable, int] = {}
        self.decision: tuple[float, float] | None = None  # see Attributes

    def _note(self, graph: tf.Graph) -> None:
        self._noted = Work.of(graph)

    def __call__(self, stacked: Any, *rest: Any, ahead: Ahead | None) -> Any:
        """Calls the function and returns its result.

        Args:
            stacked: batches, or their row numbers, `[steps, ...]`.
            *rest: the function's other arguments.
            ahead: the steps to come; `None`: as many as were run so far.
        """
        arguments = (stacked, *rest)
        if self._jit_compile is True:
            with _explained():
                return self._xla(*arguments)
        key, length = _signature(arguments)
        if self._jit_compile is False or not self._pays(key, length, arguments, ahead):
            return self._graph(*arguments)
        try:
            return self._xla(*arguments)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not is_refusal_of_xla(error.message):
                raise
        self._worth[key] = math.inf  # one of its operations has no XLA kernel
        self.decision = (0, math.inf)
        return self._graph(*arguments)

    def _pays(
        self, key: Hashable, length: int, arguments: Any, ahead: Ahead | None
    ) -> bool:
        if key not in self._worth:
            self._graph.get_concrete_function(*arguments)  # traces, and calls `_note`
            self._worth[key] = steps_worth_compiling(self._noted)
        self._calls[key] = self._calls.get(key, 0) + 1
        steps = self._calls[key] * length if ahead is None else ahead.steps(length)
        decision = (steps, self._worth[key])
        self.decision = max(decision, self.decision or decision)
        return steps >= self._worth[key]


def describe(jit_compile: bool | str, decision: tuple[float, float] | None) -> str:
    """Describes how a `Program` is run, and why, in a few words.

    Args:
        jit_compile: the program's.
        decision: the program's.

    >>> describe("auto", (90, 2713.0))
    'run without XLA: 90 planned, and compiling pays from about 2,700'
    """
    if jit_compile != "auto":
        return "compiled by XLA" if jit_compile else "run without XLA"
    if decision is None:
        return "compiled by XLA where enough of them are planned"
    steps, worth = decision
    if math.isinf(worth):
        return "run without XLA, which can't compile them"
    how = "compiled by XLA" if steps >= worth else "run without XLA"
    planned = "an unknown number" if math.isinf(steps) else f"{steps:,.0f}"
    return (
        f"{how}: {planned} planned, and compiling pays from about {round(worth, -2):,.0f}"
    )


def loop_of_steps(
    step: Callable,
    model: keras.Model,
    gather: Callable | None,
    note: Callable[[tf.Graph], None] = lambda graph: None,
) -> Callable:
    """A function that runs `step` over a stack of batches and returns the last logs.

    Args:
        step: takes a batch.
        model: its metrics are the logs.
        gather: makes a batch from the program's `data` and an element of the stack; `None`
            if the stack holds the batches themselves.
        note: is called with the graph of a step.
    """

    def run(stacked: Any, count: tf.Tensor, data: Any) -> dict[str, tf.Tensor]:
        names: list[str] = []

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            batch = _at(stacked, i)
            if gather is not None:
                batch = gather(data, batch)
            names[:] = step(batch)
            note(i.graph)
            return (i + 1,)

        tf.while_loop(lambda i: i < count, body, [tf.constant(0)], parallel_iterations=1)
        results = model.get_metrics_result()
        unknown = set(names) - set(results)
        if unknown:
            raise ValueError(
                "`train_step` must return values of the model's metrics only, if several "
                f"steps are one program; received {sorted(unknown)}, which no metric "
                "holds. Log them by a `keras.metrics.Mean`, or compile with "
                "`jit_compile=False`."
            )
        return {name: results[name] for name in names}

    return run


def mapped(step: Callable, note: Callable[[tf.Graph], None]) -> Callable:
    """A function that applies `step` to every batch of a stack and stacks the results.

    Args:
        step: takes a batch.
        note: is called with the graph of a step.
    """

    def run(stacked: Any) -> Any:
        specs = keras.tree.map_structure(
            lambda v: tf.TensorSpec(v.shape[1:], v.dtype), stacked
        )
        outputs = tf.function(step, autograph=False).get_concrete_function(specs)
        note(outputs.graph)
        signature = keras.tree.map_structure(
            lambda v: tf.TensorSpec(v.shape, v.dtype), outputs.structured_outputs
        )
        return tf.map_fn(step, stacked, fn_output_signature=signature)

    return run


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Raises an error that names the operation XLA can't compile, and the solution."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        if not is_refusal_of_xla(error.message):
            raise
        raise ValueError(
            "`jit_compile` must be False for a model with an operation that XLA can't "
            "compile; received True. Compile the model with `jit_compile=False`. XLA "
            f"says: {error.message}"
        ) from error


def _signature(arguments: Any) -> tuple[Hashable, int]:
    """The shapes and types of arguments, and the number of batches in the stack."""
    leaves = [v for v in keras.tree.flatten(arguments) if v is not None]
    return tuple((tuple(v.shape), v.dtype) for v in leaves), leaves[0].shape[0]


def _at(stacked: Any, i: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda v: None if v is None else v[i], stacked)
