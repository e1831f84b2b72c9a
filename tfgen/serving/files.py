"""Files that are written whole or not at all."""

import contextlib
import os
import pathlib
import uuid
from collections.abc import Iterator

__all__ = ["written_whole"]


@contextlib.contextmanager
def written_whole(filepath: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A path beside `filepath` to write to, which then takes its place by a rename.

    A missing directory is created. If an error is raised, the file at `filepath` is
    unchanged, and no temporary file remains.

    Args:
        filepath: where the file is to be.

    Yields:
        A path in the same directory and of the same ending.

    Raises:
        TypeError: if `filepath` is no path.
        ValueError: if it is empty.
        OSError: if it can't be written; names the path and the cause.

    >>> import tempfile
    >>> filepath = os.path.join(tempfile.mkdtemp(), "a.txt")
    >>> with written_whole(filepath) as partial:
    ...     _ = partial.write_text("whole")
    >>> pathlib.Path(filepath).read_text()
    'whole'
    """
    if not isinstance(filepath, str | os.PathLike):
        raise TypeError(
            f"`filepath` must be a path; received {filepath!r} of type "
            f"{type(filepath).__name__}. Pass a string, such as 'out/file'."
        )
    if not os.fspath(filepath):
        raise ValueError(
            "`filepath` must not be empty; received ''. Pass a path, such as 'out/file'."
        )
    path = pathlib.Path(os.path.realpath(filepath))  # a link stays a link
    partial = path.with_name(f".{uuid.uuid4().hex}-{path.name}")
    made = [p for p in path.parents if not p.exists()]  # from the innermost outwards
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        with contextlib.suppress(OSError):
            for directory in made:
                directory.rmdir()
        if isinstance(error, OSError):
            text = (
                f"`filepath` can't be written: {error.strerror or error}; received "
                f"{os.fspath(filepath)!r}, which is unchanged. Free some disk space, or "
                "choose another path"
            )
            number = () if error.errno is None else (error.errno,)
            raise type(error)(*number, text) from error
        raise
