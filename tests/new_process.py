"""New processes in which TensorFlow, Keras and TFP are imported already.

Importing them takes a process 6 seconds or more, and a test of what a file holds needs a
process that knows nothing else. So one process imports them, runs nothing, and is copied
(`os.fork`) for each test.
"""

import io
import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
import types
from typing import Any, NamedTuple, NoReturn

__all__ = ["Outcome", "Processes"]

ROOT = pathlib.Path(__file__).resolve().parent.parent
WHO = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
SERVER = "import sys; from tests import new_process; new_process.serve(int(sys.argv[1]))"
SCRIPT = """
import os, runpy, sys
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Outcome(NamedTuple):
    """How a process ended; `returncode` is as `subprocess`'s, -9 if it was killed."""

    returncode: int
    stdout: str
    stderr: str


class Processes:
    """The process that is copied for each `run`, and what all of them cost.

    It is started by the first `run`, and ends with the process that started it.
    """

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.peak_kilobytes = 0
        self._server: subprocess.Popen | None = None

    def run_script(self, path: pathlib.Path, *args: object, **options: Any) -> Outcome:
        """Runs a file as `python path *args` would; options as `run`'s."""
        return self.run(SCRIPT, path, *args, **options)

    def run(
        self,
        code: str,
        *args: object,
        directory: pathlib.Path,
        environment: dict[str, str] | None = None,
        timeout: float = 300,
    ) -> Outcome:
        """Runs code as `python -c code *args` would, in `directory`.

        `environment` is this process's where it is left out. What TensorFlow reads of it
        while it is imported has no effect.
        """
        if self._server is None:
            self._start()
        files = [pathlib.Path(self._directory.name, name) for name in ("out", "err")]
        job = {
            "code": code,
            "args": [str(arg) for arg in args],
            "directory": str(directory),
            "environment": dict(os.environ) if environment is None else environment,
            "files": [str(path) for path in files],
        }
        self._socket.sendall(json.dumps(job).encode() + b"\n")
        pid = int(self._lines.readline())
        self._socket.settimeout(timeout)
        try:
            line = self._lines.readline()
        except TimeoutError:
            os.killpg(pid, signal.SIGKILL)
            self._socket.settimeout(None)
            self._lines = self._socket.makefile("r")  # a file that timed out reads no more
            self._lines.readline()
            raise
        finally:
            self._socket.settimeout(None)
        status, self.cpu_seconds, self.peak_kilobytes = json.loads(line)
        out, err = (path.read_text() for path in files)
        return Outcome(os.waitstatus_to_exitcode(status), out, err)

    def _start(self) -> None:
        self._directory = tempfile.TemporaryDirectory()  # of what a process prints
        self._socket, theirs = socket.socketpair()
        self._lines = self._socket.makefile("r")
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()


def serve(descriptor: int) -> NoReturn:
    """Copies itself for each job until the other end closes."""
    import keras  # noqa: F401
    import tensorflow  # noqa: F401
    import tensorflow_probability as tfp

    tfp.distributions.Normal, tfp.bijectors.Exp  # noqa: B018 - TFP imports on demand
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=descriptor)
    lines = connection.makefile("r")
    while line := lines.readline():
        pid = os.fork()
        if pid == 0:
            connection.close()
            _run(json.loads(line))
        connection.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        usage = [resource.getrusage(who) for who in WHO]
        seconds = sum(u.ru_utime + u.ru_stime for u in usage)
        result = status, seconds, max(u.ru_maxrss for u in usage)
        connection.sendall(json.dumps(result).encode() + b"\n")
    sys.exit()


def _run(job: dict[str, Any]) -> NoReturn:
    """Does what `python -c` does."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["directory"])
    os.environ.clear()
    os.environ.update(job["environment"])
    files = [os.open(os.devnull, os.O_RDONLY)]
    files += [os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC) for path in job["files"]]
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(number, mode, closefd=False), line_buffering=True)  # noqa: SIM115
        for number, mode in ((0, "rb"), (1, "wb"), (2, "wb"))
    )
    sys.argv = ["-c", *job["args"]]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    code = 0
    try:
        exec(compile(job["code"], "<string>", "exec"), vars(main))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # `serve` is below it on the stack
