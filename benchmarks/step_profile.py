"""Where a training step's time goes: the kernels of the program that XLA made of it.

    python -m benchmarks.step_profile --configuration=k1
    python -m benchmarks.step_profile --configuration=units --index=2 --kernels=20

Trains a task of `benchmarks.train` on one core, so that no two kernels run at the same
time, while TensorFlow's profiler records when each starts and ends. Prints the
microseconds of a step by kind of work, and the kernels that take longest. Times are
medians over the steps, of one core, with the recording's own cost (about a microsecond a
kernel) in them: take the shares.
"""

import collections
import os
import pathlib
import re
import statistics
import tempfile
from collections.abc import Callable

from absl import app, flags

from benchmarks.train import task_of_flags  # and `--configuration` and `--index`

_EPOCHS = flags.DEFINE_integer("epochs", 2, "That are recorded.", lower_bound=1)
_KERNELS = flags.DEFINE_integer("kernels", 10, "That are listed.", lower_bound=0)

# The first whose pattern is found in an operation's name, which TensorFlow gave it.
_KINDS = (
    ("optimizer", r"/adam/|ResourceScatterUpdate|while/pow"),
    ("rows of the data and of tables", r"GatherV2|/Gather$"),
    ("log p(x|z) and its gradient", r"ernoulli|/truediv$|/AddN$"),
    ("activations", r"[Tt]anh"),
)


def _kind(opcode: str, operation: str) -> str:
    if opcode == "dot":
        return "matrix products"
    if opcode == "copy":
        return "copies"
    for kind, pattern in _KINDS:
        if re.search(pattern, operation):
            return kind
    return "everything else"


def _kernels(dump: pathlib.Path) -> dict[str, tuple[str, str]]:
    """Each instruction of the step's loop: its opcode and TensorFlow's name for it.

    Args:
        dump: where XLA has written its programs.
    """
    files = dump.glob("*cpu_after_optimizations.txt")
    program = max(files, key=lambda path: path.stat().st_size).read_text()
    computations = [c for c in program.split("\n\n") if not c.lstrip().startswith("%fused")]
    loop = max(computations, key=lambda c: c.count(" fusion("))
    found = {}
    for line in loop.splitlines():
        match = re.match(r" *(?:ROOT )?%?([\w.-]+) = (?:\(.*?\)|\S+) ([\w-]+)\(", line)
        if match:
            operation = re.search(r'op_name="([^"]*)"', line)
            found[match[1]] = (match[2], operation[1] if operation else "")
    return found


def _record(run: Callable[[], None]) -> dict[str, list[float]]:
    """The microseconds of each event by name, while `run()` runs."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    folder = tempfile.mkdtemp()
    options = tf.profiler.experimental.ProfilerOptions(
        host_tracer_level=3, python_tracer_level=0
    )
    with tf.profiler.experimental.Profile(folder, options=options):
        run()
    space = xplane_pb2.XSpace()
    (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
    space.ParseFromString(path.read_bytes())
    events = collections.defaultdict(list)
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                events[name].append(event.duration_ps / 1e6)
    return events


def main(argv: list[str]) -> None:
    del argv
    dump = pathlib.Path(tempfile.mkdtemp())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # these before TensorFlow's import
    os.environ["XLA_FLAGS"] = f"--xla_dump_to={dump} --xla_dump_hlo_as_text"
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    times, kernels = _medians(dump)
    total = sum(times.values())
    by_kind = collections.defaultdict(list)
    for name, microseconds in times.items():
        by_kind[_kind(*kernels[name])].append(microseconds)
    print(f"{task_of_flags()}\n")
    print("| kind | kernels | us a step | share |\n|---|---|---|---|")
    for kind, values in sorted(by_kind.items(), key=lambda item: -sum(item[1])):
        share = f"{sum(values) / total:.0%}"
        print(f"| {kind} | {len(values)} | {sum(values):,.0f} | {share} |")
    print(f"| all | {len(times)} | {total:,.0f} | |\n")
    for name in sorted(times, key=lambda name: -times[name])[: _KERNELS.value]:
        print(f"{times[name]:8.1f} us  {name:28} {kernels[name][1][-70:]}")


def _medians(dump: pathlib.Path) -> tuple[dict[str, float], dict[str, tuple[str, str]]]:
    """The microseconds of each kernel of a step, and what `_kernels` says of it."""
    import numpy as np

    from benchmarks.peers import task as tasks
    from benchmarks.peers import tfgen_fit

    task = task_of_flags()
    model = tfgen_fit.make_model(task)
    x = tasks.data(task.num_examples)
    arrays = (np.arange(len(x)), x) if task.kind == "mean_field" else (x,)

    def fit(epochs: int) -> None:
        model.fit(*arrays, batch_size=task.batch_size, epochs=epochs, verbose=0)

    fit(2)  # compiles
    kernels = _kernels(dump)
    events = _record(lambda: fit(_EPOCHS.value))
    steps = _EPOCHS.value * -(-task.num_examples // task.batch_size)
    times = {
        name: statistics.median(events[name]) * len(events[name]) / steps
        for name in kernels
        if len(events[name]) >= 0.9 * steps
    }
    return times, kernels


if __name__ == "__main__":
    app.run(main)
