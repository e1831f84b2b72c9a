"""Speed of tfgen and its peers: examples a second, in turn, in one run.

    python -m benchmarks.train --configuration=k1 --rounds=5
    python -m benchmarks.train --configuration=batch_sizes --contenders=tfgen,"JAX scan"

Every contender runs in a process of its own, one after another, round after round, so
that a change of the machine's speed affects all alike. The table gives medians, and
ratios of the rounds' pairs. Contenders that are not installed (JAX, PyTorch) are left out
and named, those without a program for a configuration are left out; `--jax_python` names
another interpreter that has JAX.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable

from absl import app, flags

from benchmarks.peers.task import Task

_CONFIGURATIONS = {
    "k1": [Task(1, 100)],
    "k5": [Task(5, 100)],
    "k50": [Task(50, 20, num_examples=4_000)],
    "batch_sizes": [Task(1, size) for size in (20, 50, 200, 500, 2_000)],
    "units": [Task(1, 100, num_examples=10_000, units=units) for units in (50, 400, 800)],
    "full_covariance": [Task(1, 100, posterior="full")],
    "convolutions": [Task(1, 100, num_examples=2_000, network="convolutional")],
    "mean_field": [Task(1, 100, kind="mean_field")],
    "gan": [Task(1, 128, num_examples=25_600, kind="gan")],
    "gan_convolutions": [
        Task(1, 128, num_examples=2_560, kind="gan", network="convolutional")
    ],
    # So many images that tfgen compiles by XLA, as it does for all 10,000 test images.
    "log_prob": [Task(5_000, 1_200, kind="log_prob")],
    "sample": [Task(1, 100, num_examples=100_000, kind="sample")],
}

_CONFIGURATION = flags.DEFINE_enum(
    "configuration", "k1", sorted(_CONFIGURATIONS), "What is trained; several are a sweep."
)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved rounds.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 4.0, "Timed seconds of a run.")
_CONTENDERS = flags.DEFINE_list("contenders", None, "Which; all unless given.")
_JAX_PYTHON = flags.DEFINE_string("jax_python", sys.executable, "Has JAX.")
_TORCH_PYTHON = flags.DEFINE_string("torch_python", sys.executable, "Has PyTorch.")
_WORKER = flags.DEFINE_string("worker", None, "Internal: run one contender.")
_INDEX = flags.DEFINE_integer("index", 0, "Of the sweep's tasks.")


def _tfgen(task: Task, seconds: float, **kwargs: int) -> tuple[float, float]:
    from benchmarks.peers import tfgen_fit, tfgen_gan

    if task.kind == "gan":
        return tfgen_gan.run(task, seconds)
    return tfgen_fit.run(task, seconds, **kwargs)


def _keras(task: Task, seconds: float, jit: bool, steps: int) -> tuple[float, float]:
    from benchmarks.peers import keras_fit

    return keras_fit.run(task, seconds, jit, steps)


def _torch(task: Task, seconds: float, compiled: bool) -> tuple[float, float]:
    from benchmarks.peers import torch_eager

    return torch_eager.run(task, seconds, compiled)


def _jax(task: Task, seconds: float) -> tuple[float, float]:
    from benchmarks.peers import jax_evaluation, jax_gan, jax_mean_field, jax_scan

    runs = {"vae": jax_scan, "gan": jax_gan, "mean_field": jax_mean_field}
    return runs.get(task.kind, jax_evaluation).run(task, seconds)


def _limit(task: Task, seconds: float) -> tuple[float, float]:
    from benchmarks.peers import limit

    return limit.run(task, seconds)


_RUNS: dict[str, Callable] = {
    "tfgen": _tfgen,
    "tfgen, 1 backward": lambda t, s: _tfgen(t, s, backward_samples=1),
    "JAX scan": _jax,
    "Keras": lambda t, s: _keras(t, s, False, 1),
    "Keras XLA": lambda t, s: _keras(t, s, True, 1),
    "Keras XLA, 100 steps": lambda t, s: _keras(t, s, True, 100),
    "PyTorch": lambda t, s: _torch(t, s, False),
    "PyTorch compiled": lambda t, s: _torch(t, s, True),
    "matrix products": _limit,
}


def _can(name: str, task: Task) -> bool:
    """Whether a contender is written for a task."""
    plain = task.network == "dense" and task.posterior == "diagonal"
    if name == "tfgen, 1 backward":
        return task.kind == "vae" and task.num_samples > 1
    if name.startswith("Keras"):
        return task.kind == "vae" and plain
    if name.startswith("PyTorch"):
        return task.kind in ("vae", "gan") and task.posterior == "diagonal"
    if name == "matrix products":
        return task.kind != "gan" and task.network == "dense"
    return True


def _measure(name: str, index: int) -> tuple[float, float, float] | str:
    """Examples per second, seconds of the first epoch, peak MB; or why they are missing."""
    python = sys.executable
    if name.startswith("JAX"):
        python = _JAX_PYTHON.value
    if name.startswith("PyTorch"):
        python = _TORCH_PYTHON.value
    command = [python, "-m", "benchmarks.train", f"--worker={name}"]
    command += [f"--configuration={_CONFIGURATION.value}", f"--index={index}"]
    command += [f"--seconds={_SECONDS.value}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return tuple(json.loads(done.stdout.strip().splitlines()[-1]))


def task_of_flags() -> Task:
    """The task that `--configuration` and `--index` name."""
    return _CONFIGURATIONS[_CONFIGURATION.value][_INDEX.value]


def _work(name: str) -> None:
    import resource

    task = task_of_flags()
    speed, first = _RUNS[name](task, _SECONDS.value)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([speed, first, peak]))


def main(argv: list[str]) -> None:
    del argv
    if _WORKER.value:
        _work(_WORKER.value)
        return
    for index, task in enumerate(_CONFIGURATIONS[_CONFIGURATION.value]):
        _compare(index, task)


def _compare(index: int, task: Task) -> None:
    names = [n for n in _CONTENDERS.value or list(_RUNS) if _can(n, task)]
    results: dict[str, list] = {name: [] for name in names}
    missing = {}
    for round_number in range(_ROUNDS.value):
        for name in [n for n in names if n not in missing]:
            result = _measure(name, index)
            if isinstance(result, str):
                missing[name] = result
                continue
            results[name].append(result)
            print(f"round {round_number + 1}: {name}: {result[0]:.0f}", file=sys.stderr)
    print(
        f"\n{_CONFIGURATION.value}: K = {task.num_samples}, batch {task.batch_size}, "
        f"{task.units} units, {_ROUNDS.value} rounds\n"
    )
    print(f"| | {task.unit}/s | min–max | tfgen's ratio | first epoch, s | peak MB |")
    print("|---|---|---|---|---|---|")
    for name, runs in results.items():
        if not runs:
            continue
        speeds, firsts, peaks = zip(*runs, strict=True)
        pairs = zip(results.get("tfgen", []), runs, strict=False)
        ratios = [a[0] / b[0] for a, b in pairs]
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        print(
            f"| {name} | {statistics.median(speeds):,.0f} | {min(speeds):,.0f}–"
            f"{max(speeds):,.0f} | {ratio} | {statistics.median(firsts):.1f} | "
            f"{statistics.median(peaks):,.0f} |"
        )
    for name, reason in missing.items():
        print(f"not measured: {name}: {reason}")


if __name__ == "__main__":
    app.run(main)
