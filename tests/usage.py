"""What the tests cost: CPU time of tests and files, the peak memory of each process."""

import collections
import ctypes
import gc
import os
import pathlib
import resource
from collections.abc import Iterator
from typing import Any

import pytest

from tests.new_process import Processes

__all__ = ["Usage"]

FILES_SHOWN = 15
TESTS_SHOWN = 30
GROWTH = 200 * 2**20  # bytes
WHO = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN


def _resident_bytes() -> int:
    """This process's memory; 0 where the system has no /proc."""
    statm = pathlib.Path("/proc/self/statm")
    return (
        int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0
    )


def _give_memory_back() -> None:
    """Deleted models hold on to memory: in cycles, and in pages that C's free keeps."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim:
        trim(0)


class Usage:
    """A pytest plugin that prints what the tests cost, and keeps their memory small.

    CPU time, unlike the time on the clock, is nearly the same on a busy machine. With
    pytest-xdist, each worker measures and the process that leads them adds up.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes  # whose time and memory count, too
        self.before = 0.0  # importing the tests counts for the first of them
        self.of_tests: collections.Counter[str] = collections.Counter()
        self.of_files: collections.Counter[str] = collections.Counter()
        self.peaks: dict[int, float] = {}
        self.resident = 0

    def _cpu_seconds(self) -> float:
        """User and system time of this process and of the processes it started."""
        own = sum(sum(resource.getrusage(who)[:2]) for who in WHO)
        return own + self.processes.cpu_seconds

    def _peak_gigabytes(self) -> float:
        own = max(resource.getrusage(who).ru_maxrss for who in WHO)
        return max(own, self.processes.peak_kilobytes) / 2**20

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        report: Any = yield
        now = self._cpu_seconds()
        report.usage = now - self.before, os.getpid(), self._peak_gigabytes()
        self.before = now
        return report

    def pytest_runtest_logfinish(self) -> None:
        if _resident_bytes() > self.resident + GROWTH:
            _give_memory_back()
            self.resident = _resident_bytes()

    def pytest_runtest_logreport(self, report: Any) -> None:
        seconds, process, gigabytes = report.usage
        self.of_tests[report.nodeid] += seconds
        self.of_files[report.nodeid.split("::")[0]] += seconds
        self.peaks[process] = gigabytes

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.peaks:
            return
        write = terminalreporter.write_line
        terminalreporter.section("CPU time and memory")
        slowest = self.of_tests.most_common(TESTS_SHOWN)
        for name, seconds in [*slowest, *self.of_files.most_common(FILES_SHOWN)]:
            write(f"{seconds:7.1f} s  {name}")
        write(f"{self.of_files.total():7.1f} s  in all")
        for process, gigabytes in self.peaks.items():
            write(f"{gigabytes:7.2f} GiB at most in process {process} or one it started")
