"""Files whose damage is detected, and a directory that keeps the last two.

A file is written under a temporary name, flushed to the disk and renamed, so that a process
killed at any moment leaves a complete file. A digest of all its bytes detects later damage.

    magic | length of the header | header, JSON | bytes of the arrays | digest

Nothing is unpickled: a header holds names, shapes and plain values.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

__all__ = ["Checkpoints", "DamagedError", "read", "write"]

_MAGIC = b"tfgen-run-1\n"
_DIGEST_BYTES = 32
_LENGTH_BYTES = 8


class DamagedError(Exception):
    """A file that was cut short or changed since it was written."""


def write(path: pathlib.Path, header: Any, arrays: dict[str, np.ndarray]) -> None:
    """Writes `path` so that it is complete or does not exist.

    Args:
        path: of the file.
        header: plain values, as JSON holds them.
        arrays: by name.

    Raises:
        OSError: if it can't be written; an older file at `path` stays.
    """
    partial = path.with_suffix(".partial")
    try:
        with open(partial, "wb") as file:
            for piece in _with_digest(_pieces(header, arrays)):
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _force_names_to_disk(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise OSError(
            f"the checkpoint {path} can't be written: {error.strerror or error}. The "
            "previous checkpoint is unchanged. Free some disk space, or choose another "
            "directory."
        ) from error


def read(path: pathlib.Path) -> tuple[Any, dict[str, np.ndarray]]:
    """The header and the arrays of a file that `write` wrote.

    Args:
        path: of the file.

    Raises:
        DamagedError: if it is not byte for byte what was written.
        OSError: if it can't be read.
    """
    content = memoryview(path.read_bytes())
    body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if body[: len(_MAGIC)] != _MAGIC or _new_digest(body).digest() != bytes(digest):
        raise DamagedError
    body = body[len(_MAGIC) :]
    length = int.from_bytes(body[:_LENGTH_BYTES], "little")
    described = json.loads(bytes(body[_LENGTH_BYTES : _LENGTH_BYTES + length]))
    arrays, start = {}, _LENGTH_BYTES + length
    for name, type_name, shape in described["arrays"]:
        dtype = np.dtype(tf.as_dtype(type_name).as_numpy_dtype)
        count = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(body, dtype, count, start)
        arrays[name] = values.reshape(shape)
        start += values.nbytes
    return described["header"], arrays


class Checkpoints:
    """The files of a directory, of which the last two are kept.

    Args:
        directory: made when the first file is written.
    """

    def __init__(self, directory: str | os.PathLike) -> None:
        self._directory = pathlib.Path(directory)
        self._last_whole: pathlib.Path | None = None

    def load(self) -> tuple[Any, dict[str, np.ndarray]] | None:
        """The content of the newest undamaged file; `None` if there is no file.

        Warns:
            RuntimeWarning: naming each newer file that is damaged.

        Raises:
            OSError: if there are files and all of them are damaged.
        """
        damaged = []
        for path in reversed(self._paths()):
            try:
                content = read(path)
            except DamagedError:
                damaged.append(path)
                continue
            for newer in damaged:
                warnings.warn(
                    f"the checkpoint {newer} is damaged: it is incomplete, or was changed "
                    f"after it was written. The previous one is used instead, {path}.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            self._last_whole = path
            return content
        if damaged:
            raise OSError(
                f"all checkpoints in {self._directory} are damaged: "
                f"{', '.join(str(path) for path in damaged)} are incomplete, or were "
                "changed after they were written. Delete the directory to start again "
                "from the beginning."
            )
        return None

    def save(self, header: Any, arrays: dict[str, np.ndarray]) -> None:
        """Writes the next file; keeps it and the last undamaged one, removes others.

        Args:
            header: as `write`'s.
            arrays: as `write`'s.

        Raises:
            OSError: if it can't be written.
        """
        paths = self._paths()
        number = _number(paths[-1]) + 1 if paths else 0
        path = self._directory / f"run-{number:09d}.checkpoint"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"the directory {self._directory} can't be made: "
                f"{error.strerror or error}. Choose another directory for checkpoints."
            ) from error
        write(path, header, arrays)
        for old in paths:
            if old != self._last_whole:
                old.unlink(missing_ok=True)
        self._last_whole = path

    def delete(self) -> None:
        """Removes the files, and the directory if it is then empty."""
        for path in (*self._paths(), *self._directory.glob("run-*.partial")):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._directory.rmdir()
        self._last_whole = None

    def _paths(self) -> list[pathlib.Path]:
        return sorted(self._directory.glob("run-*.checkpoint"), key=_number)


def _number(path: pathlib.Path) -> int:
    return int(path.stem.removeprefix("run-"))


def _pieces(header: Any, arrays: dict[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    described = {
        "header": header,
        "arrays": [[k, tf.as_dtype(v.dtype).name, v.shape] for k, v in arrays.items()],
    }
    text = json.dumps(described).encode()
    yield _MAGIC
    yield len(text).to_bytes(_LENGTH_BYTES, "little")
    yield text
    for value in arrays.values():
        # Viewed as bytes, since Python knows no buffer type for `bfloat16`.
        yield np.ascontiguousarray(value).reshape(-1).view(np.uint8).data


def _with_digest(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    digest = _new_digest()
    for piece in pieces:
        digest.update(piece)
        yield piece
    yield digest.digest()


def _new_digest(content: bytes | memoryview = b"") -> Any:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES)


def _force_names_to_disk(directory: pathlib.Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
