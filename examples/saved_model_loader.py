"""Runs a SavedModel through TensorFlow's C++ loader, without importing TensorFlow.

TensorFlow Serving reads a SavedModel with the C++ loader that the TensorFlow wheel
ships too. This module opens the wheel's shared library with `ctypes` and calls that
loader through the C API, so it computes what a server would compute. No Python code of
TensorFlow, Keras, TensorFlow Probability or tfgen is loaded; only numpy and an installed
TensorFlow wheel are needed.

    model = SavedModel("exports/digits/1")
    model.signatures["sample"].inputs          # {"seed": TensorInfo(...)}
    model.run("sample", seed=np.arange(16))    # {"samples": ..., "mean": ...}
"""

import ctypes
import dataclasses
import functools
import importlib.util
import os
import weakref
from collections.abc import Iterator

import numpy as np

__all__ = ["LoaderError", "SavedModel", "Signature", "TensorInfo", "disable_xla"]

# TF_DataType numbers of the types a tfgen signature may have.
_DTYPES = {
    number: np.dtype(name)
    for number, name in {
        1: "float32",
        2: "float64",
        3: "int32",
        4: "uint8",
        9: "int64",
        10: "bool",
        19: "float16",
        22: "uint32",
        23: "uint64",
    }.items()
}
_DTYPE_NUMBERS = {dtype: number for number, dtype in _DTYPES.items()}
_INIT_OP = "__saved_model_init_op"


class LoaderError(RuntimeError):
    """An error of the C++ runtime; `code` is its number, the same as in gRPC."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """A named tensor of a signature; `shape` has None where a size is open."""

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...] | None


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a signature takes and gives: argument name to tensor."""

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]


class _Output(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


@functools.cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("tensorflow")  # finds, does not import
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("The `tensorflow` wheel is not installed; pip install it.")
    path = os.path.join(spec.submodule_search_locations[0], "libtensorflow_cc.so.2")
    # Not RTLD_GLOBAL: its symbols would clash with a later `import tensorflow`.
    library = ctypes.CDLL(path, mode=ctypes.RTLD_LOCAL)
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, arguments in (
        ("TF_NewStatus", pointer, ()),
        ("TF_DeleteStatus", None, (pointer,)),
        ("TF_GetCode", ctypes.c_int, (pointer,)),
        ("TF_Message", ctypes.c_char_p, (pointer,)),
        ("TF_NewGraph", pointer, ()),
        ("TF_DeleteGraph", None, (pointer,)),
        ("TF_GraphOperationByName", pointer, (pointer, ctypes.c_char_p)),
        ("TF_NewSessionOptions", pointer, ()),
        ("TF_DeleteSessionOptions", None, (pointer,)),
        ("TF_SetConfig", None, (pointer, ctypes.c_char_p, size, pointer)),
        ("TF_NewBuffer", ctypes.POINTER(_Buffer), ()),
        ("TF_DeleteBuffer", None, (ctypes.POINTER(_Buffer),)),
        ("TF_LoadSessionFromSavedModel", pointer, None),
        ("TF_CloseSession", None, (pointer, pointer)),
        ("TF_DeleteSession", None, (pointer, pointer)),
        ("TF_SessionRun", None, None),
        ("TF_AllocateTensor", pointer, None),
        ("TF_DeleteTensor", None, (pointer,)),
        ("TF_TensorData", pointer, (pointer,)),
        ("TF_TensorByteSize", size, (pointer,)),
        ("TF_TensorType", ctypes.c_int, (pointer,)),
        ("TF_NumDims", ctypes.c_int, (pointer,)),
        ("TF_Dim", ctypes.c_int64, (pointer, ctypes.c_int)),
    ):
        function = getattr(library, name)
        function.restype = result
        if arguments is not None:
            function.argtypes = arguments
    return library


def disable_xla() -> None:
    """Turns XLA off for the whole process, as `tensorflow_model_server` does."""
    # tensorflow::DisableXlaCompilation() has no C name; this is its C++ one.
    _library()._ZN10tensorflow21DisableXlaCompilationEv()


class _Status:
    """A TF_Status that raises when the call it was given to has failed."""

    def __enter__(self) -> ctypes.c_void_p:
        self._pointer = ctypes.c_void_p(_library().TF_NewStatus())
        return self._pointer

    def __exit__(self, kind, value, traceback) -> None:
        code = _library().TF_GetCode(self._pointer)
        message = _library().TF_Message(self._pointer).decode(errors="replace")
        _library().TF_DeleteStatus(self._pointer)
        if kind is None and code:
            raise LoaderError(code, message)


class SavedModel:
    """A session on the SavedModel in a version directory.

    Args:
        path: the version directory, such as `exports/digits/1`.
        num_threads: threads inside and between operations; 0 takes the runtime's
            default, one a core.

    Raises:
        LoaderError: the directory holds no SavedModel with the tag `serve`.
    """

    def __init__(self, path: str | os.PathLike, num_threads: int = 0):
        library = _library()
        self._graph = ctypes.c_void_p(library.TF_NewGraph())
        meta_graph = library.TF_NewBuffer()
        options = ctypes.c_void_p(library.TF_NewSessionOptions())
        try:
            with _Status() as status:
                # ConfigProto: intra_op_parallelism_threads = 2, inter_op_… = 5.
                config = b"\x10%c\x28%c" % (num_threads, num_threads)
                library.TF_SetConfig(options, config, len(config), status)
            with _Status() as status:
                self._session = library.TF_LoadSessionFromSavedModel(
                    options,
                    None,
                    os.fsencode(path),
                    (ctypes.c_char_p * 1)(b"serve"),
                    ctypes.c_int(1),
                    self._graph,
                    meta_graph,
                    status,
                )
            self.signatures = _signatures(
                ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length)
            )
        finally:
            library.TF_DeleteSessionOptions(options)
            library.TF_DeleteBuffer(meta_graph)
        self._finalizer = weakref.finalize(self, _close, self._session, self._graph)

    def run(self, signature: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Calls `signature`. Safe to call from several threads at once.

        Args:
            signature: a key of `signatures`.
            **arrays: one array for each input of the signature, of its dtype; nothing
                is cast, so that a wrong dtype meets the runtime as a client's would.

        Returns:
            The outputs by name.

        Raises:
            KeyError: no such signature, or the inputs are not those it names.
            LoaderError: the runtime refused the inputs or failed.
        """
        if signature not in self.signatures:
            raise KeyError(
                f"`signature` must be one of {sorted(self.signatures)}; "
                f"received {signature!r}."
            )
        info = self.signatures[signature]
        if arrays.keys() != info.inputs.keys():
            raise KeyError(
                f"Signature {signature!r} takes {sorted(info.inputs)}; "
                f"received {sorted(arrays)}."
            )
        library = _library()
        feeds = [self._output(info.inputs[key].name) for key in arrays]
        fetches = [self._output(tensor.name) for tensor in info.outputs.values()]
        tensors = [_to_tensor(np.asarray(array)) for array in arrays.values()]
        results = (ctypes.c_void_p * len(fetches))()
        try:
            with _Status() as status:
                library.TF_SessionRun(
                    ctypes.c_void_p(self._session),
                    None,
                    (_Output * len(feeds))(*feeds),
                    (ctypes.c_void_p * len(tensors))(*tensors),
                    ctypes.c_int(len(feeds)),
                    (_Output * len(fetches))(*fetches),
                    results,
                    ctypes.c_int(len(fetches)),
                    None,
                    ctypes.c_int(0),
                    None,
                    status,
                )
        finally:
            for tensor in tensors:
                library.TF_DeleteTensor(tensor)
        return dict(zip(info.outputs, map(_to_array, results), strict=True))

    def close(self) -> None:
        """Frees the session. It also goes when the object does."""
        self._finalizer()

    def _output(self, tensor_name: str) -> _Output:
        operation, _, index = tensor_name.rpartition(":")
        found = _library().TF_GraphOperationByName(self._graph, operation.encode())
        return _Output(found, int(index))


def _close(session: int, graph: ctypes.c_void_p) -> None:
    library = _library()
    with _Status() as status:
        library.TF_CloseSession(session, status)
    with _Status() as status:
        library.TF_DeleteSession(session, status)
    library.TF_DeleteGraph(graph)


def _to_tensor(array: np.ndarray) -> int:
    if array.dtype not in _DTYPE_NUMBERS:
        raise TypeError(
            f"An input must have one of the dtypes {sorted(map(str, _DTYPE_NUMBERS))}; "
            f"received {array.dtype}."
        )
    library = _library()
    array = np.ascontiguousarray(array).reshape(array.shape)
    tensor = library.TF_AllocateTensor(
        ctypes.c_int(_DTYPE_NUMBERS[array.dtype]),
        (ctypes.c_int64 * array.ndim)(*array.shape),
        ctypes.c_int(array.ndim),
        ctypes.c_size_t(array.nbytes),
    )
    ctypes.memmove(library.TF_TensorData(tensor), array.ctypes.data, array.nbytes)
    return tensor


def _to_array(tensor: int) -> np.ndarray:
    """A view of the runtime's own memory, freed when the last view of it goes."""
    library = _library()
    shape = [library.TF_Dim(tensor, axis) for axis in range(library.TF_NumDims(tensor))]
    dtype = _DTYPES[library.TF_TensorType(tensor)]
    size = library.TF_TensorByteSize(tensor)
    if not size:
        library.TF_DeleteTensor(tensor)
        return np.empty(shape, dtype)
    memory = (ctypes.c_char * size).from_address(library.TF_TensorData(tensor))
    weakref.finalize(memory, library.TF_DeleteTensor, tensor)
    return np.frombuffer(memory, dtype).reshape(shape)


# The little of protocol buffers' wire format that a MetaGraphDef's signatures need.
# Field numbers: meta_graph.proto and tensor_shape.proto of TensorFlow.


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
        else:
            if kind == 2:
                length, at = _varint(data, at)
            else:
                length = {1: 8, 5: 4}[kind]
            value, at = data[at : at + length], at + length
        yield key >> 3, value


def _map(data: bytes, number: int) -> dict[str, bytes]:
    """The entries of the map field `number`: key = 1, value = 2 in each."""
    entries = (dict(_fields(value)) for field, value in _fields(data) if field == number)
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}


def _shape(data: bytes) -> tuple[int | None, ...] | None:
    fields = list(_fields(data))
    if (3, 1) in fields:  # unknown_rank
        return None
    sizes = [dict(_fields(value)).get(1, 0) for number, value in fields if number == 2]
    return tuple(None if size >= 1 << 63 else size for size in sizes)  # -1 is open


def _tensors(data: bytes, number: int) -> dict[str, TensorInfo]:
    infos = {key: dict(_fields(value)) for key, value in _map(data, number).items()}
    return {
        key: TensorInfo(info[1].decode(), _DTYPES[info[2]], _shape(info.get(3, b"")))
        for key, info in sorted(infos.items())
    }


def _signatures(meta_graph: bytes) -> dict[str, Signature]:
    return {
        name: Signature(inputs=_tensors(data, 1), outputs=_tensors(data, 2))
        for name, data in sorted(_map(meta_graph, 5).items())
        if name != _INIT_OP
    }
