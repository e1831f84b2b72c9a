"""Which rows of the global batch a replica has."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

__all__ = ["are_on_one_machine", "global_rows", "of_all_replicas", "replicated"]


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


def are_on_one_machine(strategy: tf.distribute.Strategy) -> bool:
    """Whether there are several replicas, and all are on this machine."""
    mirrored = isinstance(strategy, tf.distribute.MirroredStrategy)
    return mirrored and strategy.num_replicas_in_sync > 1


def replicated(model: keras.Model, step: Callable, steps: Callable[[], int]) -> Callable:
    """Returns a function that runs an execution's steps on distributed batches.

    Where all replicas are on one machine, an execution is one program. Several machines
    run a program for each step, since they have to agree on where the data end.

    The logs are read from the metrics, whose variables TensorFlow sums over replicas and
    workers. Keras's own function averages them over the batch dimension, which scalars
    lack, and so fails with several workers (keras-team/keras issue 20585).

    Args:
        model: has the metrics; `_steps_run` is set to the number of steps that were run,
            which is smaller than asked for where the data end.
        step: the step of one replica, called with its batch.
        steps: returns the number of steps of the next execution.
    """
    strategy = model.distribute_strategy
    names: list[str] = []

    def run(data: Any) -> None:
        names[:] = step(data)

    def logs() -> dict[str, tf.Tensor]:
        results = model.get_metrics_result()
        return {name: results[name] for name in names if name in results}

    def one_step(batch: Any) -> dict[str, tf.Tensor]:
        strategy.run(run, args=(batch,))
        return logs()

    def several_steps(iterator: Any, count: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def body(i: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = iterator.get_next_as_optional()

            def run_it() -> tuple[tf.Tensor, tf.Tensor]:
                strategy.run(run, args=(batch.get_value(),))
                return i + 1, tf.constant(True)

            return tf.cond(batch.has_value(), run_it, lambda: (i, tf.constant(False)))

        start = (tf.constant(0), tf.constant(True))
        ran, _ = tf.while_loop(lambda i, more: more & (i < count), body, start)
        return ran, logs()

    one = tf.function(one_step, autograph=False, reduce_retracing=True)
    several = tf.function(several_steps, autograph=False, reduce_retracing=True)

    def on_one_machine(iterator: Iterator) -> dict[str, tf.Tensor]:
        ran, results = several(iterator, tf.constant(steps()))
        model._steps_run = int(ran)
        if not model._steps_run:
            raise StopIteration
        return results

    def on_several_machines(iterator: Iterator) -> dict[str, tf.Tensor]:
        results = None
        model._steps_run = 0
        for _ in range(steps()):
            try:
                results = one(next(iterator))
            except (StopIteration, tf.errors.OutOfRangeError):
                break
            model._steps_run += 1
        if results is None:
            raise StopIteration
        return results

    return on_one_machine if are_on_one_machine(strategy) else on_several_machines
