"""Which rows of the global batch a replica has."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

__all__ = ["global_rows", "of_all_replicas", "replicated"]


def global_rows(size: tf.Tensor | int) -> tuple[tf.Tensor, tf.Tensor]:
    """The row numbers of this replica's rows in the global batch, and that batch's size.

    Replicas hold consecutive parts of the batch, whose sizes may differ: the size of an
    epoch's last batch is rarely a multiple of the number of replicas.

    Args:
        size: the number of rows here.

    Returns:
        The rows' numbers `[size]` and the sum of all replicas' sizes, int32.

    >>> rows, total = global_rows(3)
    >>> rows.numpy().tolist(), int(total)
    ([0, 1, 2], 3)
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.range(size), tf.convert_to_tensor(size)
    sizes = of_all_replicas(tf.convert_to_tensor(size))
    before = tf.cumsum(sizes, exclusive=True)[context.replica_id_in_sync_group]
    return before + tf.range(size), tf.reduce_sum(sizes)


def of_all_replicas(value: tf.Tensor) -> tf.Tensor:
    """The values of all replicas, one in each row: `[replicas, *shape]`.

    Args:
        value: the value here, of one shape on every replica.

    >>> of_all_replicas(tf.constant([1.0, 2.0])).numpy().tolist()
    [[1.0, 2.0]]
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value[tf.newaxis]
    is_here = tf.range(context.num_replicas_in_sync) == context.replica_id_in_sync_group
    is_here = tf.reshape(is_here, [-1] + [1] * value.shape.rank)
    # `where`, since 0 times an infinity would be NaN.
    own = tf.where(is_here, value[tf.newaxis], tf.zeros([], value.dtype))
    return context.all_reduce(tf.distribute.ReduceOp.SUM, own)


def replicated(model: keras.Model, step: Callable, steps: Callable[[], int]) -> Callable:
    """Returns a function that runs an execution's steps on distributed batches.

    It does the same as Keras's own function, except for the logs: Keras averages them over
    the batch dimension, which scalars lack, and so fails with several workers
    (keras-team/keras issue 20585). Here they are read from the metrics, whose variables
    TensorFlow sums over replicas and workers.

    Args:
        model: has the metrics.
        step: the step of one replica, called with its batch.
        steps: returns the number of steps of the next execution.
    """

    def one_step(batch: Any) -> dict[str, tf.Tensor]:
        names: list[str] = []

        def run(data: Any) -> None:
            names[:] = step(data)

        model.distribute_strategy.run(run, args=(batch,))
        results = model.get_metrics_result()
        return {name: results[name] for name in names if name in results}

    program = tf.function(one_step, autograph=False, reduce_retracing=True)

    def function(iterator: Iterator) -> dict[str, tf.Tensor]:
        logs = None
        for _ in range(steps()):
            try:
                logs = program(next(iterator))
            except (StopIteration, tf.errors.OutOfRangeError):
                break
        if logs is None:
            raise StopIteration
        return logs

    return function
