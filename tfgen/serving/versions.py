"""Version directories: whole or not there at all."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable

__all__ = ["check_base", "check_version", "write_version"]

_MAX_VERSION = 2**63 - 1  # a server reads an int64


def check_base(filepath: str | os.PathLike) -> str:
    """The absolute path of a base directory, which need not exist yet.

    Raises:
        NotADirectoryError: `filepath` is a file.
        TypeError: `filepath` is no path.
        ValueError: `filepath` is empty or no local path.
    """
    if not isinstance(filepath, str | os.PathLike):
        raise TypeError(
            f"`filepath` must be a path; received {filepath!r}. Pass a directory, such as "
            "'models/gan'."
        )
    path = os.fspath(filepath)
    if not path:
        raise ValueError(
            "`filepath` must name a directory, the parent of the versions; received ''. "
            "Pass one such as 'models/gan'."
        )
    if "://" in path:
        raise ValueError(
            "`filepath` must be a local directory, where a finished version appears "
            f"by a rename; received {path!r}. Export locally, then copy the version."
        )
    if os.path.exists(path) and not os.path.isdir(path):
        raise NotADirectoryError(
            "`filepath` must be a directory, the parent of the versions; received "
            f"{path!r}, a file. Give another path."
        )
    return os.path.abspath(path)


def check_version(base: str, version: int | None) -> None:
    """Refuses a version that a server could not read, or that exists.

    Raises:
        FileExistsError: `version` exists.
        TypeError: `version` is neither an integer nor None.
        ValueError: `version` is out of range.
    """
    if version is None:
        return
    if isinstance(version, bool) or not hasattr(version, "__index__"):
        raise TypeError(
            f"`version` must be an integer, or None for the next one; received {version!r}."
        )
    if not 0 <= version <= _MAX_VERSION:
        raise ValueError(
            "`version` must be between 0 and 2**63 - 1, as a server reads it; "
            f"received {version}. Pass version=None for the next one."
        )
    if version in _versions(base):
        raise _exists(base, version)


def write_version(base: str, version: int | None, write: Callable[[str], object]) -> str:
    """Writes a version under a name that servers pass over, then renames it.

    Args:
        base: the base directory; made if missing.
        version: its number; None takes the next after the largest there, from 1.
        write: writes the version into the directory it is given.

    Returns:
        The path of the version directory. Where anything is raised, `base` is as it
        was; where the process is killed, a directory `.writing-…` is left in it.
    """
    is_new = not os.path.exists(base)
    # Servers take a sub-directory for a version if its name is a number.
    staging = os.path.join(base, f".writing-{uuid.uuid4().hex}")
    try:
        os.makedirs(staging)
        write(staging)
        for directory, _, names in os.walk(staging):
            for name in [*names, "."]:
                _sync(os.path.join(directory, name))
        target = _rename(staging, base, version)
        _sync(base)
        return target
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if is_new and os.path.isdir(base) and not os.listdir(base):
            os.rmdir(base)


def _rename(staging: str, base: str, version: int | None) -> str:
    while True:
        number = max(_versions(base), default=0) + 1 if version is None else version
        target = os.path.join(base, str(number))
        try:
            os.rename(staging, target)
        except OSError as error:
            # Another process has taken the number since: a rename replaces nothing.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            if version is not None:
                raise _exists(base, version) from None
        else:
            return target


def _versions(base: str) -> set[int]:
    names = os.listdir(base) if os.path.isdir(base) else []
    return {int(name) for name in names if name.isascii() and name.isdigit()}


def _exists(base: str, version: int) -> FileExistsError:
    return FileExistsError(
        f"`version` must be new; received {version}, which {base!r} already has. Pass "
        "version=None for the next one, or delete it first."
    )


def _sync(path: str) -> None:
    """Puts a file or a directory on the disk, so that no rename comes before it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
