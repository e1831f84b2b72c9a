"""The functions that Keras calls for an execution of `fit`, `evaluate` or `predict`."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfgen.training.program import Program, loop_of_steps, mapped
from tfgen.training.residence import batch_of
from tfgen.training.resumption import Resumption
from tfgen.training.stacks import (
    groups_of_one_shape,
    stack,
    stacks_of_batches,
    stacks_of_rows,
    take,
    unstack,
)

__all__ = ["fused", "fused_predict", "resumable", "skippable"]


def fused(model: Any, step: Callable, name: str) -> Callable:
    """Returns a function that runs an execution's steps in one program and returns logs.

    Args:
        model: a `FusedModel`.
        step: its `train_step` or `test_step`.
        name: `"fit"` or `"evaluate"`: the method whose data may be on the device.
    """
    programs: dict[bool | None, Program] = {}

    def program_for(same: bool | None) -> Program:
        if same not in programs:
            gather = None if same is None else functools.partial(batch_of, same=same)
            make = functools.partial(loop_of_steps, step, model, gather)
            programs[same] = Program(make, model._compiling)
        if name == "fit":
            model._program_of_fit = programs[same]
        return programs[same]

    def function(iterator: Iterator) -> dict[str, tf.Tensor]:
        residence = model._residences.get(name)
        stacks: Iterable[tuple[Any, int]]
        if residence is None:
            program, data = program_for(None), ()
            check = model._checks.get(name)
            stacks = stacks_of_batches(iterator, model.steps_per_execution, check)
        else:
            program, data = program_for(residence.same), residence.data
            rows = next(iterator).numpy()
            stacks = stacks_of_rows(rows, residence.batch_size, model.steps_per_execution)
        model._steps_run = 0
        logs: dict[str, tf.Tensor] = {}
        for stacked, count in stacks:
            ahead = model._ahead.get(name)
            logs = program(stacked, tf.constant(count), data, ahead=ahead)
            model._steps_run += count
        return logs

    return function


def fused_predict(model: Any) -> Callable:
    """Returns a function from the batches of an execution to outputs, by one program.

    Args:
        model: a `FusedModel`.
    """
    program = Program(functools.partial(mapped, model.predict_step), model._compiling)

    def function(batches: list[Any]) -> tf.Tensor:
        check = model._checks.get("predict")
        if check is not None:
            for batch in batches:
                check(batch)
        outputs = []
        for group in groups_of_one_shape(batches):
            stacked = stack(group, model.steps_per_execution)
            result = program(stacked, ahead=model._ahead.get("predict"))
            outputs += [unstack(result, len(group))]
        return keras.tree.map_structure(lambda *o: tf.concat(o, axis=0), *outputs)

    return function


def resumable(model: Any, function: Callable) -> Callable:
    """A train function that skips what was run before the checkpoint was written.

    Args:
        model: a `FusedModel`.
        function: from an iterator to the logs of an execution.
    """

    def draw(iterator: Iterator) -> int:
        replicated = model._is_replicated
        steps = model._next_steps() if replicated else model.steps_per_execution
        return _draw(model, iterator, "fit", steps)

    def run(iterator: Iterator) -> dict[str, tf.Tensor]:
        resumption = _resumption(model)
        if resumption is None or not resumption.skips_execution:
            return function(iterator)
        return resumption.skip_execution(
            functools.partial(function, iterator), functools.partial(draw, iterator)
        )

    return run


def skippable(model: Any, function: Callable) -> Callable:
    """A test function that skips the validation of epochs that are skipped.

    Args:
        model: a `FusedModel`.
        function: from an iterator to the logs of an execution.
    """

    def run(iterator: Iterator) -> dict[str, tf.Tensor]:
        resumption = _resumption(model)
        if resumption is None or not resumption.skips_epoch:
            return function(iterator)
        _draw(model, iterator, "evaluate", model.steps_per_execution)
        return {}

    return run


def _resumption(model: Any) -> Resumption | None:
    return None if model._backup is None else model._backup.resumption


def _draw(model: Any, iterator: Iterator, name: str, steps: int) -> int:
    """Takes an execution's data from the iterator; returns the number of steps."""
    if model._residences.get(name) is not None:
        next(iterator)
        return steps
    return len(take(iterator, steps))
