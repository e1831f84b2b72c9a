"""Signatures -> a version directory that TensorFlow Serving loads."""

import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfgen.serving.config import check_batch_sizes, write_batching
from tfgen.serving.portable import forbidden_ops
from tfgen.serving.signature import Signature, trace
from tfgen.serving.versions import check_base, check_version, write_version
from tfgen.serving.warmup import write_warmup

__all__ = ["export"]

_DEFAULT = "serving_default"  # what a server calls when the client names nothing
_XLA_SUFFIX = "_xla"


def export(
    filepath: str | os.PathLike,
    signatures: Mapping[str, Signature],
    *,
    version: int | None = None,
    xla: bool = False,
    batch_sizes: Sequence[int] = (1, 8, 64, 512),
) -> str:
    """Writes functions as a new version of a SavedModel that any server can run.

    The version appears whole or not at all: it is written under a name that servers
    pass over, checked, and then renamed. If anything fails, or the process dies,
    earlier versions are as they were. Beside the graph it holds the weights, each once
    and only those that a signature reads; `batching_params.pbtxt`; and a warm-up
    request for each signature and batch size.

    Args:
        filepath: the base directory, a local one; versions are its sub-directories.
        signatures: name -> `Signature`. `sample`, where there is one, is served under
            the name `serving_default` too.
        version: a non-negative integer; None takes the next after the largest there,
            from 1.
        xla: whether to write a twin of each signature, named `…_xla`, that is compiled
            by XLA. Only a server with `--xla_cpu_compilation_enabled` runs those.
        batch_sizes: the batch sizes a batching server pads to, in increasing order.

    Returns:
        The path of the version directory.

    Raises:
        FileExistsError: `version` exists.
        OSError: the version could not be written.
        TypeError: `version` is not an integer.
        ValueError: a signature has a bad name; does not map [None, ...] to
            [None, ...]; or holds state, Python or XLA code, so that it would not run
            the same way on every replica. The message names it and the operation.

    >>> import tempfile
    >>> weights = tf.Variable([[1.0], [2.0]])
    >>> decode = Signature(
    ...     lambda z: {"mean": z @ weights}, {"z": tf.TensorSpec([None, 2], tf.float32)}
    ... )
    >>> with tempfile.TemporaryDirectory() as base:
    ...     path = export(base, {"decode": decode})
    ...     served = tf.saved_model.load(path).signatures["decode"]
    ...     served(z=tf.constant([[3.0, 4.0]]))["mean"].numpy()
    array([[11.]], dtype=float32)

    Source: Olston et al. TensorFlow-Serving: Flexible, High-Performance ML Serving.
    2017. arXiv:1712.06139.
    """
    base = check_base(filepath)
    check_version(base, version)
    if not isinstance(xla, bool):
        raise TypeError(f"`xla` must be True or False; received {xla!r}.")
    batch_sizes = check_batch_sizes(batch_sizes)
    _check_names(signatures)
    named = dict(signatures)
    functions = {name: trace(name, named[name]) for name in signatures}
    if "sample" in named:
        named[_DEFAULT], functions[_DEFAULT] = named["sample"], functions["sample"]
    twins = {}
    for name in signatures if xla else ():
        twin = name + _XLA_SUFFIX
        twins[twin] = trace(twin, signatures[name], jit_compile=True)

    def write(directory: str) -> None:
        _save(functions | twins, directory)
        for name in functions:
            _check_portable(directory, name)
        write_batching(directory, batch_sizes)
        write_warmup(directory, os.path.basename(base), named, batch_sizes)

    try:
        return write_version(base, version, write)
    except tf.errors.OpError as error:
        raise OSError(
            f"No version could be written to {base!r}, which is unchanged: {error.message}"
        ) from error
    except OSError as error:
        if error.errno is None:  # one of ours
            raise
        raise type(error)(
            error.errno,
            f"No version could be written to {base!r}, which is unchanged: "
            f"{error.strerror}",
        ) from error


def _check_names(signatures: Mapping[str, Signature]) -> None:
    if not isinstance(signatures, Mapping):
        raise TypeError(
            f"`signatures` must be a dict of `Signature`s by name; received {signatures!r}."
        )
    if not signatures:
        raise ValueError("`signatures` must hold at least one; received none.")
    for name, signature in signatures.items():
        if not isinstance(signature, Signature):
            raise TypeError(
                f"`signatures[{name!r}]` must be a `Signature`; received {signature!r}."
            )
        if not name.isidentifier() or name == _DEFAULT or name.endswith(_XLA_SUFFIX):
            raise ValueError(
                "A key of `signatures` must be an identifier other than "
                f"{_DEFAULT!r}, which `sample` gets, and not end in {_XLA_SUFFIX!r}, "
                f"which compiled twins get; received {name!r}."
            )


def _save(
    functions: Mapping[str, tf.types.experimental.ConcreteFunction], directory: str
) -> None:
    module = tf.Module()
    # Only what the signatures read: a Keras model would bring its own calls, its
    # optimizer, and the weights a second time.
    module.weights = _variables(functions)
    tf.saved_model.save(
        module,
        directory,
        signatures=dict(functions),
        # What is served is never differentiated.
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )


def _variables(
    functions: Mapping[str, tf.types.experimental.ConcreteFunction],
) -> list[tf.Variable]:
    """The variables that the functions read, each once, in the order of use."""
    found = {}
    for name, function in functions.items():
        variables = {id(variable.handle): variable for variable in function.variables}
        for tensor, _ in function.graph.captures:
            if id(tensor) in variables:
                found[id(tensor)] = variables[id(tensor)]
            elif tensor.dtype == tf.resource:
                raise ValueError(
                    f"Signature {name!r} may use variables that it reads, and no other "
                    f"state; received one that uses the resource {tensor!r}."
                )
    return list(found.values())


def _check_portable(directory: str, signature: str) -> None:
    found = forbidden_ops(directory, signature)
    if found:
        raise ValueError(
            f"Signature {signature!r} must hold no state, Python or XLA code, since "
            "its numbers must be the same on every replica and a default server "
            f"refuses XLA; found {', '.join(found)}. Take noise from a seed that is an "
            "input, and leave out `jit_compile=True`."
        )
