"""What a model is given: x and conditions, as tensors by name."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfgen.layers import FactoredDistribution, TensorDistribution
from tfgen.models import checks
from tfgen.models.parts import Structure

__all__ = ["check_conditions", "check_posterior", "of_x", "to_tensors"]


def of_x(x: Any) -> dict[str, Any]:
    """The argument x of a model's methods, as a dict by name."""
    return dict(x) if isinstance(x, Mapping) else {"x": x}


def to_tensors(given: Mapping[str, Any], specs: Mapping[str, Any]) -> dict[str, Any]:
    """What is given as tensors, of the dtypes that the model's parts take.

    Args:
        given: arrays by name; one may be a list, of inputs by position.
        specs: by name; empty where they are not known yet.
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


def check_conditions(
    condition: Any, structure: Structure, count: int | None
) -> dict[str, tf.Tensor]:
    """The conditions as tensors, or an error that names one.

    Args:
        condition: a dict by name, or `None`; a tensor where the model takes one condition.
        structure: of the model.
        count: the number of rows; `None` where it is not known.

    Raises:
        ValueError: if a condition is missing, unknown, or of another shape or batch size.
        TypeError: if it is no dict.
    """
    names = structure.conditions
    if condition is None:
        condition = {}
    if not isinstance(condition, Mapping):
        raise TypeError(
            f"`condition` must be a dict of arrays by name, here of {names}; received "
            f"{type(condition).__name__}."
        )
    missing = [name for name in names if name not in condition]
    unknown = [name for name in condition if name not in names]
    if missing or unknown:
        raise ValueError(
            f"`condition` must hold {names or 'nothing'}, which the model was built with; "
            f"received {list(condition)}. "
            + (f"Give {missing} too." if missing else f"Leave out {unknown}.")
        )
    arrays = {name: tf.convert_to_tensor(condition[name]) for name in names}
    given = to_tensors(arrays, structure.given)
    for name, value in given.items():
        spec = structure.given[name]
        checks.check_event(tuple(value.shape), f"condition[{name!r}]", spec.shape[1:])
    checks.check_same_rows(given, count, "condition", "rows beside them")
    return given


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
