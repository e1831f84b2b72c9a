"""Programs of several steps: a loop, on the device, around a model's own step."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tfgen.training.undocumented import is_refusal_of_xla

__all__ = ["explained", "loop_of_steps", "mapped"]


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


def mapped(step: Callable) -> Callable:
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


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Says which operation XLA can't compile, and the way out."""
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


def _at(stacked: Any, i: tf.Tensor) -> Any:
    return keras.tree.map_structure(lambda v: None if v is None else v[i], stacked)
