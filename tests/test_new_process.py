"""The processes that tests run code in."""

import signal

import pytest

from tests.new_process import Outcome


def test_a_new_process_is_what_python_c_is(processes, tmp_path):
    code = "import os, sys; print('tfgen' in sys.modules, sys.argv, os.getcwd())"
    expected = f"False ['-c', 'a'] {tmp_path}\n"
    assert processes.run(code, "a", directory=tmp_path) == Outcome(0, expected, "")


@pytest.mark.parametrize(
    ("code", "returncode", "stderr"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
    ],
)
def test_its_end_is_told(processes, tmp_path, code, returncode, stderr):
    outcome = processes.run(code, directory=tmp_path)
    assert outcome.returncode == returncode
    assert outcome.stderr.endswith(stderr)


def test_one_that_takes_too_long_is_killed_and_the_next_one_runs(processes, tmp_path):
    code = "import time; print('begun'); time.sleep(100)"
    with pytest.raises(TimeoutError):
        processes.run(code, directory=tmp_path, timeout=0.5)
    assert processes.run("print(1)", directory=tmp_path).stdout == "1\n"
