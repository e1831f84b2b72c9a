"""Runs an example as a user does."""

import pathlib
from collections.abc import Callable

import pytest

from tests.new_process import Processes

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def run_example(processes: Processes) -> Callable[..., str]:
    """`run_example(name, *arguments)` runs `examples/name` and returns what it printed.

    The test fails with the program's errors where it exits otherwise than by 0.
    """

    def run(name: str, *arguments: str) -> str:
        environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""}
        process = processes.run_script(
            ROOT / "examples" / name, *arguments, directory=ROOT, environment=environment
        )
        if process.returncode != 0:
            pytest.fail(f"exit code {process.returncode}:\n{process.stderr}")
        return process.stdout

    return run
