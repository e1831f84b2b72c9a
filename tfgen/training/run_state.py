"""What a run changes: the variables behind a model, and the counters of callbacks."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.training.residence import Residence
from tfgen.training.undocumented import COUNTERS, global_seed_generator

__all__ = [
    "METRIC",
    "apply_counters",
    "apply_variables",
    "counters",
    "pack",
    "read_variables",
    "run_variables",
    "unpack",
]

# Keras objects whose attributes may hold variables; tfgen's own objects may, too.
_KERAS = (
    keras.layers.Layer,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.metrics.Metric,
    keras.losses.Loss,
    keras.random.SeedGenerator,
)

# Prefix of the paths of metrics' variables, which may be created only in the first step and
# are reset at the beginning of every epoch.
METRIC = "metric:"


def run_variables(model: keras.Model) -> dict[str, Any]:
    """Every variable that the attributes of `model` lead to, by its path.

    These are weights, the state of seed generators, of metrics and of all optimizers, and
    variables of bounds and other tfgen objects, such as `ELBO.beta`. Two models made by the
    same code have the same paths, whatever was created before.

    Args:
        model: whose attributes are followed.

    Returns:
        Keras and TensorFlow variables by path; the paths of metrics' variables begin with
        `METRIC`.
    """
    found: dict[str, Any] = {}
    seen: set[int] = set()
    for path, variable in _reached(model, "", False, seen):
        found[path] = variable
    rest = {"variables": model.variables, METRIC: model.metrics_variables}
    for name, variables in rest.items():
        for i, variable in enumerate(variables):
            if id(variable) not in seen:
                seen.add(id(variable))
                found[f"{name}.{i}"] = variable
    generator = global_seed_generator()
    if generator is not None:
        found["global_seed"] = generator.state
    return found


def read_variables(variables: dict[str, Any]) -> dict[str, np.ndarray]:
    """The values of `run_variables`.

    Args:
        variables: by path.

    Returns:
        Copies of the values by path.
    """
    return {path: np.array(variable.numpy()) for path, variable in variables.items()}


def apply_variables(model: keras.Model, values: dict[str, np.ndarray]) -> None:
    """Sets the variables of `model` to values that `read_variables` returned.

    Metrics' variables that do not exist yet are left out.

    Args:
        model: a model made by the same code as the one that was read.
        values: by path.

    Raises:
        ValueError: if other variables are missing, too many, or of another shape.
    """
    variables = run_variables(model)
    given = set(values) - {"global_seed"}
    unlike = [path for path in given ^ (set(variables) - {"global_seed"})]
    unlike = sorted(path for path in unlike if not path.startswith(METRIC))
    if unlike:
        path = unlike[0]
        where = "the checkpoint" if path in values else "the model"
        raise ValueError(
            f"the checkpoint is of another model or optimizer: only {where} has the "
            f"variable {path!r}. Use the code that wrote the checkpoint, or another "
            "directory."
        )
    for path in given & set(variables):
        shape = tuple(variables[path].shape)
        if values[path].shape != shape:
            raise ValueError(
                f"the checkpoint is of another model: the variable {path!r} has shape "
                f"{values[path].shape} in the checkpoint and {shape} in the model. Use "
                "the code that wrote the checkpoint, or another directory."
            )
    for path in given & set(variables):
        variables[path].assign(values[path])
    if "global_seed" in values:
        global_seed_generator(make=True).state.assign(values["global_seed"])


def counters(callbacks: list[Any]) -> dict[str, dict[str, Any]]:
    """The counters of Keras callbacks, by class and position among those of the class.

    Args:
        callbacks: of a run.
    """
    return {
        name: {attribute: getattr(callback, attribute) for attribute in attributes}
        for name, callback, attributes in _counting(callbacks)
    }


def apply_counters(callbacks: list[Any], values: dict[str, dict[str, Any]]) -> None:
    """Sets the counters of callbacks to what `counters` read in another run.

    Args:
        callbacks: made by the same code.
        values: by class and position; a callback that is not in it is not changed.
    """
    for name, callback, _ in _counting(callbacks):
        for attribute, value in values.get(name, {}).items():
            setattr(callback, attribute, value)


def pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Converts plain values for JSON; arrays are put into `arrays`.

    Args:
        value: `None`, booleans, numbers, strings, arrays, and lists, tuples and
            dictionaries of them.
        arrays: arrays are added to it.

    Raises:
        TypeError: if it is something else.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [pack(item, arrays) for item in value]
    if isinstance(value, dict):
        return {"dict": [[key, pack(item, arrays)] for key, item in value.items()]}
    if isinstance(value, np.ndarray | np.generic) or tf.is_tensor(value):
        name = f"packed:{len(arrays)}"
        arrays[name] = np.array(value)
        return {"array": name}
    raise TypeError(f"a {type(value).__name__} can't be put into a checkpoint: {value!r}.")


def unpack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The values that were packed; tuples become lists, and NumPy scalars stay as they are.

    Args:
        value: `pack`'s result.
        arrays: the dictionary to which `pack` added arrays.
    """
    if isinstance(value, list):
        return [unpack(item, arrays) for item in value]
    if isinstance(value, dict) and "array" in value:
        array = arrays[value["array"]]
        return array.copy() if array.ndim else array[()]
    if isinstance(value, dict):
        return {key: unpack(item, arrays) for key, item in value["dict"]}
    return value


def _counting(callbacks: list[Any]) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    places: dict[str, int] = {}
    for callback in callbacks:
        for kind, attributes in COUNTERS.items():
            if isinstance(callback, kind):
                place = places.setdefault(kind.__name__, 0)
                places[kind.__name__] += 1
                yield f"{kind.__name__}.{place}", callback, attributes


def _reached(
    value: Any, path: str, in_metric: bool, seen: set[int]
) -> Iterator[tuple[str, Any]]:
    children: list[tuple[Any, Any]]
    if isinstance(value, list | tuple):
        children = list(enumerate(value))
    elif isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, keras.Variable | tf.Variable):
        if id(value) not in seen:
            seen.add(id(value))
            yield (METRIC if in_metric else "") + path, value
        return
    elif isinstance(value, tf.Module):
        children = list(enumerate(value.variables))
    elif _has_variables(value):
        # `_self_...` are TensorFlow's own attributes, which hold the same objects again.
        own = vars(value).items()
        children = [(k, v) for k, v in own if not k.startswith("_self_")]
        in_metric = in_metric or isinstance(value, keras.metrics.Metric)
    else:
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    for name, child in children:
        yield from _reached(child, f"{path}.{name}" if path else str(name), in_metric, seen)


def _has_variables(value: Any) -> bool:
    if isinstance(value, type | Residence | keras.callbacks.Callback):
        return False
    if isinstance(value, _KERAS):
        return True
    ours = any(kind.__module__.split(".")[0] == "tfgen" for kind in type(value).__mro__)
    return ours and hasattr(value, "__dict__")
