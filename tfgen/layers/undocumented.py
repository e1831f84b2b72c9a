"""What the layers need of TensorFlow, Keras and TFP that these do not document.

Each function names the version in which its behaviour was seen;
`tests/layers/test_undocumented.py` has one test for each, which fails when a new version
behaves differently.
"""

import inspect
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state

__all__ = [
    "IsTensorLike",
    "accept_distributions",
    "class_of_any_parts",
    "entry_layer",
    "in_symbolic_call",
    "is_reachable",
    "overloadable_operators",
    "parameters_of",
]


def class_of_any_parts(wrapper: type) -> type:
    """The base class that TFP makes instances of where the parts are no composite tensors.

    `tfd.Independent(...)` is a `tfd.Independent` where its part can be a composite tensor,
    and an instance of a private base class otherwise. Seen in TFP 0.25 for `Independent`,
    `Sample`, `TransformedDistribution` and `MixtureSameFamily`, and for their like among
    the bijectors: the base is the second class of `__mro__`.

    Args:
        wrapper: a class of `tfd` that is made of other distributions.

    Returns:
        The class that both kinds of instances share.
    """
    return wrapper.__mro__[1]


def accept_distributions(layer: keras.layers.Layer) -> None:
    """Lets `layer` be called on distributions, which Keras would convert to tensors.

    Keras's own layers of strings use these two switches. Seen in Keras 3.15.
    """
    layer._convert_input_args = False
    layer._allow_non_tensor_positional_args = True


def in_symbolic_call() -> bool:
    """Whether Keras is calling layers only to find the shapes of their outputs.

    For a layer without `compute_output_spec`, Keras runs `call` in a graph which it throws
    away. Seen in Keras 3.15, whose `keras.SymbolicScope` can be entered but not asked for.
    """
    return global_state.get_global_attribute("symbolic_scope") is not None


class IsTensorLike:
    """What `tf.is_tensor` calls a tensor, whatever its class. Seen in TensorFlow 2.21.

    Keras turns the outputs of a symbolic call into `KerasTensor`s where `tf.is_tensor` is
    true of them (Keras 3.15).
    """

    def is_tensor_like(self) -> None:
        """Never called: it is enough to have the method."""


def entry_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The outermost layer whose `call` is running: `layer` or one that calls it.

    Seen in Keras 3.15.

    Args:
        layer: a layer in whose `call` we are.
    """
    return layer._get_call_context().entry_layer


def is_reachable(value: tf.Tensor) -> bool:
    """Whether a tensor can be used here: eager, or of a graph around the caller.

    The graph of a `tf.function` knows the one it is traced in as `outer_graph`. Seen in
    TensorFlow 2.21.
    """
    if not tf.is_symbolic_tensor(value):
        return True
    graph = tf.compat.v1.get_default_graph()
    while graph is not None:
        if graph is value.graph:
            return True
        graph = getattr(graph, "outer_graph", None)
    return False


def overloadable_operators() -> set[str]:
    """The names of the operators of `tf.Tensor`, such as `__add__`.

    Seen in TensorFlow 2.21, as an attribute of the class.
    """
    return set(tf.Tensor.OVERLOADABLE_OPERATORS)


def parameters_of(distribution: Any) -> dict[str, Any]:
    """The arguments that a distribution or bijector of TFP was made with.

    `parameters` is public; that its keys are the constructor's arguments, apart from some
    that start with an underscore, is not documented. Seen in TFP 0.25. Functions that are a
    default, such as `kwargs_split_fn` of `tfd.TransformedDistribution`, are left out.
    """
    signature = inspect.signature(type(distribution).__init__).parameters
    return {
        name: value
        for name, value in distribution.parameters.items()
        if not name.startswith("_")
        and not (inspect.isfunction(value) and value is signature[name].default)
    }
