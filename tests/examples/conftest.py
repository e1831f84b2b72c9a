"""Runs an example as a user does."""

import pathlib
import subprocess
import sys
from collections.abc import Callable

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def run_example() -> Callable[..., str]:
    """`run_example(name, *arguments)` runs `examples/name` and returns what it printed.

    The test fails with the program's errors where it exits otherwise than by 0.
    """

    def run(name: str, *arguments: str) -> str:
        process = subprocess.run(
            [sys.executable, ROOT / "examples" / name, *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if process.returncode != 0:
            pytest.fail(f"exit code {process.returncode}:\n{process.stderr}")
        return process.stdout

    return run
