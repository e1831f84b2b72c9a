"""Whether compiling by XLA saves time, and how many steps make one program.

XLA saves time in every step and takes seconds to compile. `steps_worth_compiling` estimates
the number of steps from which it saves more than it takes, from the size of a step's graph
alone: no clock is read, so that a resumed run makes the same choice as the interrupted one.
"""

import numbers
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

__all__ = [
    "Work",
    "check_steps_per_execution",
    "check_switch",
    "steps_for",
    "steps_worth_compiling",
    "xla_pays",
]

_MAX_STEPS = 100

# Seconds, on two CPU cores: `python -m benchmarks.compiling` measures what they predict,
# and `benchmarks/RESULTS.md` has its output.
_COMPILING_AN_OPERATION = 1.2e-3
_SAVED_AN_OPERATION = 0.25e-6  # in each step: an operation is not launched
_SAVED_A_NUMBER = 0.22e-9  # in each step: an intermediate is not written and read

_CALLS = "PartitionedCall", "StatefulPartitionedCall"

_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


def check_steps_per_execution(value: Any) -> int | str:
    """Returns `steps_per_execution`, or raises an error if it is invalid."""
    if value == "auto":
        return value
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            "`steps_per_execution` must be a positive integer or 'auto'; received "
            f"{value!r} of type {type(value).__name__}."
        )
    if value < 1:
        raise ValueError(
            f"`steps_per_execution` must be at least 1; received {value}. Use 'auto', or 1 "
            "for a program a step."
        )
    return int(value)


def check_switch(value: Any, name: str, *others: str) -> None:
    """Raises a TypeError unless `value` is True, False, `None` or one of `others`."""
    if value is None or isinstance(value, bool | np.bool_):
        return
    if not (isinstance(value, str) and value in others):
        choices = ["True", "False", *map(repr, others)]
        raise TypeError(
            f"`{name}` must be one of {', '.join(choices)}; received {value!r}."
        )


def _leaves(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    parts = getattr(layer, "layers", None)
    if not parts:
        return [layer]
    return [leaf for part in parts for leaf in _leaves(part)]


class Work(NamedTuple):
    """The size of a step.

    Attributes:
        operations: the number of operations in its graph.
        numbers: how many numbers they output, as far as their shapes are known.
    """

    operations: int
    numbers: int

    @classmethod
    def of(cls, graph: tf.Graph) -> "Work":
        """The size of `graph`; a loop or a branch within it is one operation.

        A call of a function, as those of `tfgen.random` are, counts as its operations, each
        with as many numbers as the call's result.
        """
        library = graph.as_graph_def().library.function
        bodies = {function.signature.name: function.node_def for function in library}
        operations = numbers = 0
        for op in graph.get_operations():
            sizes = [output.shape.num_elements() or 0 for output in op.outputs]
            body = bodies[op.get_attr("f").name] if op.type in _CALLS else ()
            if body:
                operations += len(body)
                numbers += max(sizes, default=0) * sum(node.op != "Const" for node in body)
            else:
                operations += 1
                numbers += sum(sizes)
        return cls(operations, numbers)


def steps_worth_compiling(work: Work) -> float:
    """The number of steps from which compiling by XLA saves more time than it takes.

        compiling an operation * operations
          / (saved an operation * operations + saved a number * numbers)

    Args:
        work: of one step.

    >>> steps_worth_compiling(Work(operations=1000, numbers=0))
    4800.0
    >>> steps_worth_compiling(Work(operations=1000, numbers=10**7)) < 1000
    True
    """
    operations, numbers = work
    saved = _SAVED_AN_OPERATION * operations + _SAVED_A_NUMBER * numbers
    return _COMPILING_AN_OPERATION * operations / saved if saved else 0.0


def xla_pays(model: keras.Model) -> bool:
    """Whether compiled steps of `model` are faster on this device.

    On a GPU, yes. On a CPU, yes unless the model has convolutions, for which XLA's loops
    are slower than oneDNN's (`benchmarks/RESULTS.md` has the measurement). Under a
    `tf.distribute` strategy, no: its replicas can't communicate inside a program.
    """
    if type(model.distribute_strategy) is not type(tf.distribute.get_strategy()) or (
        model.distribute_strategy.num_replicas_in_sync > 1
    ):
        return False
    leaves = _leaves(model)
    if not all(getattr(leaf, "supports_jit", True) for leaf in leaves):
        return False
    if tf.config.list_physical_devices("GPU"):
        return True
    return not any(isinstance(leaf, _CONVOLUTIONS) for leaf in leaves)


def steps_for(given: int | str, num_batches: int | None, fused: bool) -> int:
    """The number of steps in a program, for an epoch of `num_batches` (`None`: unknown)."""
    if given != "auto":
        return int(given)
    if not fused:
        return 1
    return max(1, min(num_batches or _MAX_STEPS, _MAX_STEPS))
