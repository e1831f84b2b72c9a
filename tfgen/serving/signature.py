"""A function that a server may call, and how it is traced."""

import dataclasses
from collections.abc import Callable, Mapping

import tensorflow as tf

__all__ = ["Signature", "trace"]


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of batches, to be called by name from outside Python.

    Row b of every output depends on row b of every input and on nothing else:

        outputs[name][b] = f(inputs[0][b], inputs[1][b], ...)

    because a server may put the rows of several clients into one batch, split a
    batch, or pad it. Noise therefore enters as an input, one int64 seed a row.

    Args:
        function: takes the inputs as keyword arguments, gives a dictionary of named
            tensors. It must hold no state: no random generator, no counter.
        inputs: name of each input -> its `tf.TensorSpec`, of shape [None, ...]: the
            first size open, for the batch, which all inputs share; the others fixed.

    Raises:
        TypeError: `function` is not callable, or an input is not a `tf.TensorSpec`.
        ValueError: `inputs` is empty, a name is no Python identifier, or a shape does
            not begin with the open batch size or leaves another size open.

    >>> double = Signature(
    ...     lambda x: {"twice": 2 * x}, {"x": tf.TensorSpec([None, 3], tf.float32)}
    ... )
    >>> double.function(x=tf.ones([1, 3]))["twice"].numpy()
    array([[2., 2., 2.]], dtype=float32)
    """

    function: Callable[..., Mapping[str, tf.Tensor]]
    inputs: Mapping[str, tf.TensorSpec]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(
                "`function` must be callable with the inputs as keyword arguments; "
                f"received {self.function!r}."
            )
        if not isinstance(self.inputs, Mapping):
            raise TypeError(
                "`inputs` must be a dict from an input's name to its `tf.TensorSpec`; "
                f"received {self.inputs!r}."
            )
        if not self.inputs:
            raise ValueError(
                "`inputs` must name at least one input, since the batch is the first "
                "size of the inputs; received none."
            )
        for name, spec in self.inputs.items():
            _check_input(name, spec)


def _check_input(name: str, spec: tf.TensorSpec) -> None:
    if not isinstance(spec, tf.TensorSpec):
        raise TypeError(f"`inputs[{name!r}]` must be a `tf.TensorSpec`; received {spec!r}.")
    if not isinstance(name, str):
        raise TypeError(f"A key of `inputs` must be a string; received {name!r}.")
    if not name.isidentifier():
        raise ValueError(
            "A key of `inputs` must be a Python identifier, since it is passed as a "
            f"keyword; received {name!r}."
        )
    shape = spec.shape
    if not shape.rank or shape[0] is not None or not shape[1:].is_fully_defined():
        raise ValueError(
            f"The shape of `inputs[{name!r}]` must be [None, ...]: the first size "
            "open, for the batch, the others fixed, so that a server can join "
            f"batches; received {shape}."
        )


def trace(
    name: str, signature: Signature, jit_compile: bool = False
) -> tf.types.experimental.ConcreteFunction:
    """Traces `signature` into a graph that checks its inputs.

    A wrong rank or size, or inputs with unequal numbers of rows, are refused when
    the graph is called, with an error that names the input.

    Args:
        name: what the signature is called, for messages.
        signature: what to trace.
        jit_compile: whether the function is compiled by XLA; the checks never are,
            since XLA drops assertions.

    Returns:
        A concrete function of the inputs as keywords, giving the outputs by name. It
        has been run once, on two rows.

    Raises:
        ValueError: the function does not give a dictionary of tensors of shape
            [None, ...], or two rows in do not give two rows out.
    """
    specs = {
        key: tf.TensorSpec(spec.shape, spec.dtype, name=key)
        for key, spec in signature.inputs.items()
    }
    function = signature.function
    if jit_compile:
        function = tf.function(function, jit_compile=True, autograph=False)

    def served(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = _check_rows(name, inputs, specs)
        return _check_outputs(name, function(**inputs))

    served.__name__ = name
    concrete = tf.function(served, autograph=False).get_concrete_function(**specs)
    _try_out(name, concrete, specs)
    return concrete


def _check_rows(
    name: str, inputs: dict[str, tf.Tensor], specs: dict[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    # A session does not hold what it is fed against the placeholder's shape.
    inputs = {
        key: tf.ensure_shape(value, specs[key].shape) for key, value in inputs.items()
    }
    first, *others = inputs
    rows = tf.shape(inputs[first])[0]
    checks = [
        tf.debugging.assert_equal(
            tf.shape(inputs[other])[0],
            rows,
            message=f"`{other}` and `{first}` of signature {name!r} must have the "
            "same number of rows",
        )
        for other in others
    ]
    # Without the dependency the function may fail first, with a worse message.
    with tf.control_dependencies(checks):
        return {key: tf.identity(value) for key, value in inputs.items()}


def _check_outputs(name: str, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    if not isinstance(outputs, Mapping) or not outputs:
        raise ValueError(
            f"The function of signature {name!r} must return a dictionary of named "
            f"tensors; received {outputs!r}."
        )
    outputs = {key: tf.convert_to_tensor(value) for key, value in outputs.items()}
    for key, value in outputs.items():
        if not value.shape.rank or value.shape[0] is not None:
            raise ValueError(
                f"Output {key!r} of signature {name!r} must have shape [None, ...], "
                "one row for each row of the inputs, so that a server can split "
                f"batches; received {value.shape}."
            )
    return outputs


def _try_out(
    name: str,
    concrete: tf.types.experimental.ConcreteFunction,
    specs: dict[str, tf.TensorSpec],
) -> None:
    """Two rows in, two rows out; a graph with no kernel on this device fails here."""
    inputs = {key: tf.zeros([2, *s.shape[1:]], s.dtype) for key, s in specs.items()}
    outputs = concrete(**inputs)
    for key, value in outputs.items():
        if value.shape[0] != 2:
            raise ValueError(
                f"Output {key!r} of signature {name!r} must have one row for each "
                f"row of the inputs; received {value.shape[0]} rows for 2."
            )
