"""Steps that change nothing where the data have ended."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["data_first"]


def data_first(step: Callable) -> Callable:
    """A `train_step` or `test_step`, none of which runs before its batch is there.

    Keras's own function takes the batch and runs the step in one program. Where the data
    end, taking it fails, but TensorFlow has often run by then what does not depend on it:
    the counters of steps, of the model and of the optimizer, would be one too high.
    Programs of several steps, and those of several replicas, get their data otherwise.

    Args:
        step: a `FusedModel`'s method that takes a batch.

    Raises:
        TypeError: If `step` is not callable.
    """
    if not callable(step):
        raise TypeError(
            f"`step` must be a method, such as `train_step`; received {step!r}. Put "
            "`@tfgen.training.data_first` above the method"
        )

    @functools.wraps(step)
    def after_data(self: Any, data: Any) -> Any:
        replicas = self.distribute_strategy.num_replicas_in_sync
        if self.is_fused or replicas > 1:
            return step(self, data)
        leaves = [leaf for leaf in tf.nest.flatten(data) if tf.is_tensor(leaf)]
        with tf.control_dependencies(leaves):
            return step(self, data)

    return after_data
