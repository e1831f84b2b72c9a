"""What serving needs of TensorFlow that it does not document.

The function names the version in which its behaviour was seen;
`tests/serving/test_undocumented.py` fails when a new version behaves differently.
"""

from typing import Any

from tensorflow.python.framework import op_def_registry

__all__ = ["definition_of"]


def definition_of(operation: str) -> Any:
    """The definition of an operation that is registered, or `None`.

    Its `is_stateful` says whether the operation holds state or has a side effect. Seen in
    TensorFlow 2.20 and 2.21.

    Args:
        operation: its type, such as "MatMul".
    """
    return op_def_registry.get(operation)
