"""Some rows of a batch of tensors."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["take_rows"]


def take_rows(values: Any, index: Any) -> Any:
    """Some rows, along the first dimension, of a tensor or of a structure of tensors.

    Args:
        values: a tensor `[B, ...]`, or a list or dict of such.
        index: a slice; integers `[n]`; or a boolean mask `[B]`.

    Returns:
        Tensors `[n, ...]`, in the structure of `values`.

    Raises:
        TypeError: if `index` is none of these.
        ValueError: if a row does not exist, or a mask has another length than B.

    >>> take_rows(tf.constant([[1.0], [2.0], [3.0]]), [True, False, True]).numpy().tolist()
    [[1.0], [3.0]]
    """
    if isinstance(index, slice):
        return keras.tree.map_structure(lambda value: value[index], values)
    index = _canonical_index(index)
    if index.dtype == tf.bool:
        return keras.tree.map_structure(lambda value: _by_mask(value, index), values)
    return keras.tree.map_structure(lambda value: _by_number(value, index), values)


def _canonical_index(index: Any) -> tf.Tensor:
    if not tf.is_tensor(index):
        array = np.asarray(index)
        # An empty list is one of integers, though numpy makes it one of floats.
        index = tf.constant(array.astype(np.int32) if array.size == 0 else array)
    if index.shape.rank != 1 or not (index.dtype.is_integer or index.dtype.is_bool):
        raise TypeError(
            "`index` must be a slice, integers of shape [n] or a boolean mask of shape "
            f"[B]; received {index.dtype.name} of shape {index.shape}. Write `[3]` for "
            "row 3."
        )
    return index


def _by_mask(value: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    if not mask.shape.is_compatible_with(value.shape[:1]):
        raise ValueError(
            f"`index` must be a mask of length {value.shape[0]}, the size of the batch; "
            f"received {mask.shape[0]}."
        )
    return tf.boolean_mask(value, mask)


def _by_number(value: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    known, count = tf.get_static_value(index), value.shape[0]
    if known is not None and count is not None and known.size:
        wrong = known[(known < -count) | (known >= count)]
        if wrong.size:
            raise ValueError(
                f"`index` must hold rows from {-count} to {count - 1}; received {wrong[0]}."
            )
    size = tf.cast(tf.shape(value)[0], index.dtype)
    return tf.gather(value, tf.where(index < 0, index + size, index))
