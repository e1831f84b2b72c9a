"""Kills runs at random moments, and compares what they end with.

    python -m tests.training.kills NUMBER [SEED]

A run is a process of its own, forked before TensorFlow starts. It is killed by SIGKILL
twice, in training, evaluation or while it writes a checkpoint, goes on, and must end with
the weights, optimizers' state and history of a run that was never killed, bit for bit.
Prints a line a run, and exits with 1 where one differs.
"""

import collections
import itertools
import os
import pathlib
import random
import select
import signal
import sys
import tempfile
import time
import traceback

from tests.training import runs
from tfgen.training import checkpoint_file

KILLS_A_RUN = 2
PHASES = {b"": "before training", b"t": "training", b"e": "evaluation", b"w": "writing"}


def start(name, directory, result):
    """Forks a run; the process's number, and where it says what it is doing."""
    reader, writer = os.pipe()
    process = os.fork()
    if process:
        os.close(writer)
        return process, reader
    try:
        say = lambda phase: os.write(writer, phase.encode())
        others = []
        if directory is not None:
            runs.slow_writing(say)
            others = [runs.Slow(say)]
        runs.save_outcome(runs.RUNS[name].train(directory, others), result)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def wait(process, reader):
    os.close(reader)
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError(f"a run ended with status {status}")


def kill(process, reader, seconds, wanted):
    """Kills it so long after its training began; what it was doing, or `None` if done.

    If a phase is `wanted`, it is killed when it next says that it is in this phase.
    """
    select.select([reader], [], [])
    time.sleep(seconds)
    said = b""
    if wanted:
        os.read(reader, 1 << 20)  # what it said before
        while (said := os.read(reader, 1)) not in (wanted, b""):
            pass
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    said += os.read(reader, 1 << 20)
    os.close(reader)
    if status not in (0, signal.SIGKILL):
        raise RuntimeError(f"a run ended with status {status}")
    return PHASES[said[-1:]] if status else None


def main(number, seed):
    rng = random.Random(seed)
    phases = collections.Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        expected = {}
        for turn, name in enumerate(itertools.cycle(runs.RUNS)):
            if phases.total() == number:
                break
            if name not in expected:
                path = root / f"{name}.checkpoint"
                wait(*start(name, None, path))
                expected[name] = checkpoint_file.read(path)
            directory, path = root / f"run{turn}", root / f"run{turn}.checkpoint"
            killed = []
            while len(killed) < min(KILLS_A_RUN, number - phases.total()):
                # Evaluation is short, and rarely met by chance.
                wanted = rng.choice([None, b"e"])
                seconds = rng.uniform(0.0, 0.6 if wanted else 1.2)
                phase = kill(*start(name, directory, path), seconds, wanted)
                if phase is None:
                    break
                killed.append(phase)
            else:
                wait(*start(name, directory, path))
            phases.update(killed)
            unlike = runs.differences(expected[name], checkpoint_file.read(path))
            wrong += bool(unlike)
            print(f"{name}, killed in {killed}: {unlike or 'the same, bit for bit'}")
    print(f"{phases.total()} kills {dict(phases)}, {wrong} runs that differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 0))
