"""Behaviour that the models rely on though TensorFlow doesn't document it.

It was observed in TensorFlow 2.21; `tests/models/test_undocumented.py` fails if it changes.
"""

from typing import Any

__all__ = ["without_retracing_warning"]


def without_retracing_warning(program: Any) -> Any:
    """A `tf.function` that does not warn if it is traced often.

    A program of a model is traced for each shape and number of samples that it is called
    with, as it has to be; the warning suggests a mistake in the user's code.
    """
    program._omit_frequent_tracing_warning = True
    return program
