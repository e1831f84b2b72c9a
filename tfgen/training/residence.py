"""Arrays that stay on the device while `fit` transfers only row numbers."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.training.stacks import nbytes

__all__ = ["Residence", "batch_of"]

# AutoGraph would take a twentieth of a second to find nothing to convert.
_as_written = tf.autograph.experimental.do_not_convert

# Larger arrays are read batch by batch: two copies would take too much memory.
_LIMIT_BYTES = 2**30


class Residence:
    """Data of a `fit` or `evaluate` on the device, from which batches are gathered by row.

    Keras iterates over an endless dataset of row numbers instead of the data. The order of
    an epoch is a function of `seed` and of the epoch, so that it is the same however the
    model is run. (Keras itself uses one order for all epochs after a call of
    `keras.utils.set_random_seed`.)

    Args:
        data: `(x, y, sample_weight)`, arrays or structures of arrays; `None` where
            missing.
        batch_size: examples in a batch.
        seed: seed of the order; `None` keeps the examples in their given order.
    """

    def __init__(
        self, data: tuple[Any, Any, Any], batch_size: int, seed: int | None = None
    ) -> None:
        x, y, weight = data
        self.same = y is x and y is not None
        if self.same:
            data = (x, None, weight)
        # `tf.data` would make one tensor of a list; Keras's own adapter does the same.
        data = keras.tree.lists_to_tuples(data)
        self.data = keras.tree.map_structure(_on_device, data)
        self.batch_size = batch_size
        self.seed = seed
        self.count = len(keras.tree.flatten(x)[0])
        self.first_epoch = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.num_batches = -(-self.count // batch_size)

    @staticmethod
    def holds(data: tuple[Any, Any, Any]) -> bool:
        """Whether `data` are arrays small enough for the device."""
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        if not all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in leaves):
            return False
        lengths = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves}
        size = sum(nbytes(leaf) for leaf in leaves)
        return len(lengths) == 1 and size <= _LIMIT_BYTES

    def rows(self, batches: int = 1) -> tf.data.Dataset:
        """Row numbers `[up to batches * batch_size]`, int32, epoch after epoch.

        Args:
            batches: how many batches' rows are in one element; an epoch's last may have
                fewer.
        """
        size = min(self.count, batches * self.batch_size)
        whole = self.count - self.count % size

        @_as_written
        def of_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
            rows = tf.range(self.count)
            if self.seed is not None:
                seed = [self.seed, self.first_epoch + epoch]
                rows = tf.random.experimental.stateless_shuffle(rows, seed)
            elements = tf.reshape(rows[:whole], [-1, size])
            dataset = tf.data.Dataset.from_tensor_slices(elements)
            if whole < self.count:
                rest = tf.data.Dataset.from_tensors(rows[whole:])
                dataset = dataset.concatenate(rest)
            return dataset

        options = tf.data.Options()
        options.autotune.enabled = False  # its threads cost more than so small a pipeline
        options.deterministic = True
        ignore = tf.data.experimental.ExternalStatePolicy.IGNORE  # `first_epoch` is one
        options.experimental_external_state_policy = ignore
        epochs = tf.data.Dataset.counter(dtype=tf.int64)
        return epochs.flat_map(of_epoch).prefetch(1).with_options(options)

    def batches(self) -> tf.data.Dataset:
        """The batches, as Keras would have fed them, epoch after epoch."""
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = (
            tf.data.experimental.AutoShardPolicy.DATA
        )
        gather = _as_written(lambda rows: batch_of(self.data, rows, self.same))
        return self.rows().map(gather).prefetch(tf.data.AUTOTUNE).with_options(options)


def batch_of(data: Any, rows: tf.Tensor, same: bool) -> tuple[Any, ...]:
    """The batch of `rows` of a `Residence`'s `data`; `same`: y is x."""
    x, y, weight = keras.tree.map_structure(
        lambda value: None if value is None else tf.gather(value, rows), data
    )
    return keras.utils.pack_x_y_sample_weight(x, x if same else y, weight)


def _on_device(value: Any) -> tf.Tensor | None:
    if value is None:
        return None
    tensor = tf.convert_to_tensor(value)
    if tensor.dtype.is_floating:  # as Keras's own adapter does
        tensor = tf.cast(tensor, keras.backend.floatx())
    return tensor
