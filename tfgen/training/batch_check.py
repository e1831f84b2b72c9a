"""Checks the batches of a dataset as they are read, before a step uses them."""

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["BatchCheck"]


class BatchCheck:
    """A check of every batch that one call of `fit` or `evaluate` reads.

    It runs on the host, in NumPy, so that it is the same whatever compiles the steps. Where
    the batches pass through Python anyway it is called on them. Elsewhere `reading` puts it
    into the dataset, which takes longer (0.6 ms of CPU time a batch instead of 0.1).

    Args:
        check: takes a batch of NumPy arrays, and raises an error for one that can't be
            used.
    """

    def __init__(self, check: Callable[[Any], None]) -> None:
        self._check = check
        self._error: Exception | None = None

    def __call__(self, batch: Any) -> None:
        """Checks a batch of tensors or arrays."""
        try:
            self._check(keras.tree.map_structure(_as_array, batch))
        except Exception as error:
            self._error = error
            raise

    def reading(self, data: Any) -> Any:
        """`data`, with each batch checked when it is read.

        Args:
            data: a `tf.data.Dataset`, a generator or a `PyDataset`; anything else is
                returned unchanged.
        """
        if isinstance(data, types.GeneratorType):
            return self._generate(data)
        if isinstance(data, keras.utils.PyDataset):
            return _CheckedPyDataset(data, self)
        if not isinstance(data, tf.data.Dataset):
            return data
        is_tuple = isinstance(data.element_spec, tuple)

        @tf.autograph.experimental.do_not_convert
        def checked(*parts: Any) -> Any:
            batch = parts if is_tuple else parts[0]
            leaves = tf.nest.flatten(batch)
            tensors = [leaf for leaf in leaves if isinstance(leaf, tf.Tensor)]

            def run(*arrays: np.ndarray) -> np.bool_:
                rest = iter(arrays)
                read = [next(rest) if isinstance(v, tf.Tensor) else v for v in leaves]
                self(tf.nest.pack_sequence_as(batch, read))
                return np.True_

            done = tf.numpy_function(run, tensors, tf.bool)
            with tf.control_dependencies([done]):
                return tf.nest.map_structure(
                    lambda v: tf.identity(v) if isinstance(v, tf.Tensor) else v, batch
                )

        return data.map(checked)

    def _generate(self, batches: Iterator) -> Iterator:
        for batch in batches:
            self(batch)
            yield batch

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """Raises the check's own error where TensorFlow raises one of its kind instead."""
        try:
            yield
        except tf.errors.OpError:
            if self._error is None:
                raise
            raise self._error from None


class _CheckedPyDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches are checked as they are made.

    Args:
        data: the one whose batches they are.
        check: is called with each batch.
    """

    def __init__(self, data: keras.utils.PyDataset, check: BatchCheck) -> None:
        super().__init__(data.workers, data.use_multiprocessing, data.max_queue_size)
        self._data, self._check_batch = data, check

    @property
    def num_batches(self) -> int | None:
        """Of the inner one."""
        return self._data.num_batches

    def __getitem__(self, index: int) -> Any:
        batch = self._data[index]
        self._check_batch(batch)
        return batch

    def on_epoch_begin(self) -> None:
        """Passed on."""
        self._data.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Passed on."""
        self._data.on_epoch_end()


def _as_array(value: Any) -> Any:
    return value.numpy() if isinstance(value, tf.Tensor) else value
