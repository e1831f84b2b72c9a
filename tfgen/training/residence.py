"""Arrays that stay on the device while `fit` ships row numbers."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["Residence"]

# Beyond this, arrays are read batch by batch: two copies would crowd the memory.
_LIMIT_BYTES = 2**30


class Residence:
    """Data of a `fit` or `evaluate`, on the device, to be gathered by row number.

    Keras is given `rows()` in the data's place and shuffles and batches it as it would
    the data; what it then feeds is recognised by its key and looked up.

    Args:
        name: the key, which tells one residence from another.
        data: `(x, y, sample_weight)`, arrays or structures of arrays; `None` where
            missing.
    """

    def __init__(self, name: str, data: tuple[Any, Any, Any]) -> None:
        self.key = f"tfgen_{name}_row"
        x, y, weight = data
        if y is x:
            data = (x, None, weight)
        self.same = y is x and y is not None
        self.data = keras.tree.map_structure(_on_device, data)
        self.count = len(keras.tree.flatten(x)[0])

    @staticmethod
    def holds(data: tuple[Any, Any, Any]) -> bool:
        """Whether `data` are arrays that fit."""
        leaves = [leaf for leaf in keras.tree.flatten(data) if leaf is not None]
        if not all(isinstance(leaf, np.ndarray | tf.Tensor) for leaf in leaves):
            return False
        lengths = {leaf.shape[0] if leaf.ndim else 0 for leaf in leaves}
        size = sum(_nbytes(leaf) for leaf in leaves)
        return len(lengths) == 1 and size <= _LIMIT_BYTES

    def rows(self) -> dict[str, np.ndarray]:
        """What Keras is given: the rows' numbers."""
        return {self.key: np.arange(self.count, dtype=np.int32)}

    def gather(self, data: Any, rows: tf.Tensor) -> tuple[Any, ...]:
        """The batch of the rows, as Keras would have fed it."""
        x, y, weight = keras.tree.map_structure(
            lambda value: None if value is None else tf.gather(value, rows), data
        )
        if self.same:
            y = x
        return keras.utils.pack_x_y_sample_weight(x, y, weight)


def _nbytes(value: Any) -> int:
    return int(np.prod(value.shape)) * tf.as_dtype(value.dtype).size


def _on_device(value: Any) -> tf.Tensor | None:
    if value is None:
        return None
    tensor = tf.convert_to_tensor(value)
    if tensor.dtype.is_floating:  # as Keras's own adapter has it
        tensor = tf.cast(tensor, keras.backend.floatx())
    return tensor
