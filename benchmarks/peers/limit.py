"""What the machine's best matrix product would allow."""

import time

import numpy as np

from benchmarks.peers.task import Task, flops_per_example

__all__ = ["run"]


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second if training were matrix products at the best rate seen."""
    size = 2048
    a = np.random.default_rng(0).normal(size=[size, size]).astype("float32")
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / flops_per_example(task), 0.0
