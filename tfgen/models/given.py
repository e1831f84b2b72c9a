"""A model's inputs: x and conditions, as tensors by name."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.layers import FactoredDistribution, TensorDistribution
from tfgen.models import checks
from tfgen.models.conditions import as_tensors, check_conditions
from tfgen.models.parts import Structure

__all__ = [
    "check_posterior",
    "given_conditions",
    "num_rows",
    "of_x",
    "read_dataset",
    "to_tensors",
]


def of_x(x: Any) -> dict[str, Any]:
    """The argument x of a model's methods, as a dict by name.

    A list of arrays is the encoder's inputs by position, a list of numbers an array.
    """
    if isinstance(x, Mapping):
        return dict(x)
    is_list = isinstance(x, list | tuple)
    if is_list and not any(hasattr(value, "shape") for value in keras.tree.flatten(x)):
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ValueError(
                "`x` must be an array of rows of one shape; received a list of rows that "
                f"differ: {error}. Make them of one length."
            ) from error
    return {"x": x}


def read_dataset(x: Any, y: Any = None) -> tuple[Any, Any]:
    """The arrays x and y of all batches of a `tf.data.Dataset`; anything else unchanged.

    Args:
        x: a batched dataset of x or (x, y); or something else, which is returned unchanged.
        y: the targets of the likelihood; `None` if x is a dataset.

    Raises:
        ValueError: if the dataset never ends, is empty or not batched, or if `y` is given,
            too.
    """
    if not isinstance(x, tf.data.Dataset):
        return x, y
    if y is not None:
        raise ValueError(
            "`y` must be left out where x is a dataset; received both. Let the dataset "
            "yield (x, y)."
        )
    if x.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "`x` must be a dataset that ends; received one that repeats for ever. Take a "
            "part of it: `dataset.take(num_batches)`."
        )
    if any(spec.shape.rank == 0 for spec in tf.nest.flatten(x.element_spec)):
        raise ValueError(
            "`x` must be a dataset of batches; received one of elements "
            f"{x.element_spec}. Call `dataset.batch(100)`."
        )
    batches = [
        keras.utils.unpack_x_y_sample_weight(batch) for batch in x.as_numpy_iterator()
    ]
    if not batches:
        raise ValueError("`x` must hold at least one batch; received an empty dataset.")
    xs, ys, _ = zip(*batches, strict=True)
    join = lambda *parts: np.concatenate(parts)
    x = keras.tree.map_structure(join, *xs)
    return x, None if ys[0] is None else keras.tree.map_structure(join, *ys)


def num_rows(given: Any) -> Any:
    """The number of rows of arrays by name, a Python integer if known from a shape."""
    first = keras.tree.flatten(given)[0]
    return first.shape[0] or tf.shape(first)[0]


def to_tensors(given: Mapping[str, Any], specs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as tensors, of the dtypes that the model's parts take.

    Args:
        given: arrays by name; one may be a list, of inputs by position.
        specs: specs by name; empty if they are not known yet.
    """

    def convert(value: Any, dtype: Any) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        if dtype is None:
            dtype = value.dtype if value.dtype.is_floating else keras.backend.floatx()
        return value if value.dtype == dtype else tf.cast(value, dtype)

    result = {}
    for name, value in given.items():
        spec = specs.get(name)
        dtype = spec.dtype if isinstance(spec, tf.TensorSpec) else None
        result[name] = keras.tree.map_structure(lambda v, d=dtype: convert(v, d), value)
    return result


def given_conditions(
    condition: Any, structure: Structure, count: int | None
) -> dict[str, tf.Tensor]:
    """The argument `condition` of a request, checked, as the model's parts take it.

    Args:
        condition: a dict by name, or `None`.
        structure: of the model.
        count: the number of rows; `None` where it is not known.

    Raises:
        ValueError: if a condition is missing, unknown, or of another shape or batch size.
        TypeError: if it is not a dict, or a condition is of another type.
    """
    specs = {name: structure.given[name] for name in structure.conditions}
    given = check_conditions(as_tensors(condition), specs, count, "condition")
    checks.check_same_rows(given, count, "condition", "rows beside them")
    return to_tensors(given, structure.given)


def check_posterior(posterior: Any, rule: str, count: int | None) -> None:
    """Raises an error unless a posterior can be taken apart, and has `count` rows."""
    if not isinstance(posterior, TensorDistribution | FactoredDistribution):
        raise TypeError(
            f"{rule} a layer of `tfgen.layers`, whose distribution knows its raw "
            f"parameters, as `model.encode` and `model.refine` return; received a "
            f"{type(posterior).__name__}."
        )
    rows = posterior.batch_shape[0] if posterior.batch_shape.rank else None
    if None not in (rows, count) and rows != count:
        raise ValueError(
            "`posterior` must have one distribution for each row of x; received one of "
            f"{rows} rows, and {count} rows of x. Take its rows by "
            "`posterior.rows(index)`."
        )
