"""Which data of a call stay on the device, and how many batches there are."""

import numbers
from typing import Any

import keras
import tensorflow as tf

import tfgen.random
from tfgen.training.call import EvaluateCall, FitCall, PredictCall
from tfgen.training.residence import Residence

__all__ = [
    "num_batches",
    "num_validation_batches",
    "reside_evaluation",
    "reside_training",
    "reside_validation",
    "split_validation",
]

_DEFAULT_BATCH_SIZE = 32  # Keras's


def num_batches(call: FitCall | EvaluateCall | PredictCall) -> int | None:
    """Batches in an epoch; `None` if the number is known only at the end of the data."""
    given = call.steps_per_epoch if isinstance(call, FitCall) else call.steps
    if given:
        return given
    if isinstance(call.x, tf.data.Dataset):
        cardinality = int(call.x.cardinality())
        return cardinality if cardinality >= 0 else None
    if isinstance(call.x, keras.utils.PyDataset):
        return call.x.num_batches
    leaves = keras.tree.flatten(call.x)
    if leaves and hasattr(leaves[0], "shape"):
        return -(-int(leaves[0].shape[0]) // (call.batch_size or _DEFAULT_BATCH_SIZE))
    return None


def num_validation_batches(call: FitCall) -> int | None:
    """Batches in a validation; `None` if only the end of the data shows the number."""
    x, y, weight = keras.utils.unpack_x_y_sample_weight(call.validation_data)
    size = call.validation_batch_size or call.batch_size
    steps = call.validation_steps
    return num_batches(EvaluateCall(x, y, size, sample_weight=weight, steps=steps))


def split_validation(call: FitCall) -> None:
    """Takes `validation_split` from the end of arrays, as Keras does."""
    split = call.validation_split
    if isinstance(split, bool) or not isinstance(split, numbers.Real):
        raise TypeError(f"`validation_split` must be a number; received {split!r}.")
    if split and isinstance(call.x, tf.data.Dataset | keras.utils.PyDataset):
        raise ValueError(
            "`validation_split` must be left out where `x` comes in batches; received "
            f"{split}. Pass a part of them as `validation_data`."
        )
    arrays = (call.x, call.y, call.sample_weight)
    if not split or call.validation_data is not None or not Residence.holds(arrays):
        return
    if not 0 < split < 1:
        raise ValueError(f"`validation_split` must be in (0, 1); received {split}.")
    count = keras.tree.flatten(arrays)[0].shape[0]
    at = int(count * (1 - split))
    if not 0 < at < count:
        raise ValueError(
            f"`validation_split` must leave examples on both sides; received {split} for "
            f"{count} examples."
        )

    def cut(part: slice) -> tuple[Any, ...]:
        return keras.tree.map_structure(lambda v: None if v is None else v[part], arrays)

    same = call.y is call.x
    kept, held = cut(slice(None, at)), cut(slice(at, None))
    if same:
        kept, held = (kept[0], kept[0], kept[2]), (held[0], held[0], held[2])
    call.x, call.y, call.sample_weight = kept
    call.validation_data = held
    call.validation_split = 0.0


def reside_training(call: FitCall, seed: int | None = None) -> Residence | None:
    """Moves the arrays of a `fit` into a `Residence`, if they fit.

    Args:
        call: its `y` and `sample_weight` are removed, since the residence holds them.
        seed: seed of the order of the examples; a fresh one unless given.
    """
    data = (call.x, call.y, call.sample_weight)
    keras_does_it = (
        call.steps_per_epoch or call.shuffle == "batch" or call.class_weight is not None
    )
    if keras_does_it or call.x is None or not Residence.holds(data):
        return None
    call.y = call.sample_weight = None
    if seed is None and call.shuffle:
        seed = tfgen.random.fresh_seed()
    return Residence(data, call.batch_size or _DEFAULT_BATCH_SIZE, seed)


def reside_validation(call: FitCall, steps_per_execution: int) -> Residence | None:
    """Moves the arrays of `validation_data` into a `Residence`, if they fit.

    Args:
        call: gets row numbers in the place of the data.
        steps_per_execution: of how many batches one element has the rows.
    """
    if call.validation_data is None or isinstance(call.validation_data, tf.data.Dataset):
        return None
    data = keras.utils.unpack_x_y_sample_weight(call.validation_data)
    batch_size = call.validation_batch_size or call.batch_size
    residence = _reside_unshuffled(data, batch_size, call.validation_steps)
    if residence is not None:
        call.validation_data = residence.rows(steps_per_execution)
        call.validation_steps = residence.num_batches
    return residence


def reside_evaluation(call: EvaluateCall, steps_per_execution: int) -> Residence | None:
    """Moves the arrays of an `evaluate` into a `Residence`, if they fit.

    Args:
        call: gets row numbers in the place of the data.
        steps_per_execution: of how many batches one element has the rows.
    """
    data = (call.x, call.y, call.sample_weight)
    residence = _reside_unshuffled(data, call.batch_size, call.steps)
    if residence is not None:
        call.x, call.y, call.sample_weight = residence.rows(steps_per_execution), None, None
        call.steps = residence.num_batches
    return residence


def _reside_unshuffled(
    data: tuple[Any, Any, Any], batch_size: int | None, steps: int | None
) -> Residence | None:
    if steps or data[0] is None or not Residence.holds(data):
        return None
    return Residence(data, batch_size or _DEFAULT_BATCH_SIZE)
