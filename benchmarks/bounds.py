r"""Static MNIST by every bound, each with one model and the same budget of CPU time.

    python -m benchmarks.bounds --cpu_minutes=5

Trains the one-layer model of arXiv 1509.00519 (784-200-200-50) from the same weights by
each bound and penalty, on one thread, by Adam at one rate, for that many minutes of the
process's CPU time, compiling included: other work on the machine does not change how much
a row gets. Prints, as Markdown, log p(x) of `--num_test` test images (shuffled by the
seed) by `--test_samples` importance samples, the active units, and examples a second of
CPU time once the program is compiled.

A row is written to `--results` as soon as it is finished, and a restarted program does not
train it again. `--bound=elbo` chooses a row, and may be repeated. Model, data
and the other flags are those of `benchmarks.static_mnist`.
"""

import json
import math
import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import tfgen
from benchmarks import static_mnist
from tfgen.losses import (
    CIWAE,
    DAIS,
    ELBO,
    HIS,
    IWLB,
    MIWAE,
    MMD,
    PIWAE,
    TVO,
    Bound,
    FreeBits,
    Penalty,
    Renyi,
    TotalCorrelation,
)

FLAGS = flags.FLAGS


class Objective(NamedTuple):
    """The bound and the penalties of a row."""

    bound: Bound
    penalties: tuple[Penalty, ...] = ()

    def __str__(self) -> str:
        return " + ".join(map(repr, (self.bound, *self.penalties)))


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "elbo": lambda: Objective(ELBO()),
    "iwlb": lambda: Objective(IWLB(5, "dreg")),
    "iwlb_backward": lambda: Objective(IWLB(50, "dreg", backward_samples=1)),
    "dais": lambda: Objective(DAIS(4)),
    "renyi": lambda: Objective(Renyi(0.5, 16, "dreg")),
    "miwae": lambda: Objective(MIWAE(4, 4, "dreg")),
    "ciwae": lambda: Objective(CIWAE(16, 0.5, "dreg")),
    "piwae": lambda: Objective(PIWAE(4, 4, "dreg")),
    "tvo": lambda: Objective(TVO(16)),
    "total_correlation": lambda: Objective(ELBO(), (TotalCorrelation(1.0, 50_000),)),
    "free_bits": lambda: Objective(ELBO(), (FreeBits(0.1),)),
    "his": lambda: Objective(HIS(3)),
    "elbo_stl": lambda: Objective(ELBO(estimator="stl")),
    "mmd": lambda: Objective(ELBO(), (MMD(100.0),)),
    "iwlb_all": lambda: Objective(IWLB(50, "dreg")),
}

_CPU_MINUTES = flags.DEFINE_float(
    "cpu_minutes", 5.0, "Of the process's CPU time, a row.", lower_bound=0.0
)
_BOUND = flags.DEFINE_multi_enum(
    "bound", list(OBJECTIVES), list(OBJECTIVES), "Which rows; by default all."
)
_NUM_TEST = flags.DEFINE_integer("num_test", 1000, "Test images.", lower_bound=2)
_RESULTS = flags.DEFINE_string(
    "results", "bounds.json", "Where rows are kept; empty to keep none."
)
flags.set_default(static_mnist._TEST_SAMPLES, 500)


class Clock(keras.callbacks.Callback):
    """Stops a training after a number of CPU seconds, once its speed is known."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._end = time.process_time() + seconds
        self._first: tuple[int, float] | None = None
        self.steps_per_second = math.nan

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes the time, and stops when it is up."""
        now, steps = time.process_time(), int(self.model.optimizer.iterations)
        if self._first is None:  # the first execution compiles
            self._first = steps, now
        elif now > self._first[1]:
            self.steps_per_second = (steps - self._first[0]) / (now - self._first[1])
        if now >= self._end and not math.isnan(self.steps_per_second):
            self.model.stop_training = True


def measure(name: str, x_train: np.ndarray, x_test: np.ndarray) -> dict[str, Any]:
    """Trains by one objective, and returns its row."""
    keras.utils.set_random_seed(FLAGS.seed)
    model = static_mnist.make_model()
    objective = OBJECTIVES[name]()
    optimizer = keras.optimizers.Adam(FLAGS.learning_rate)
    model.compile(optimizer, objective.bound, penalties=list(objective.penalties))
    clock = Clock(60 * _CPU_MINUTES.value)
    model.fit(
        x_train, batch_size=FLAGS.batch_size, epochs=10**6, callbacks=[clock], verbose=0
    )
    log_prob = np.asarray(model.log_prob(x_test, FLAGS.test_samples, seed=0), "float64")
    return {
        "objective": str(objective),
        "log_prob": log_prob.mean(),
        "error": log_prob.std() / math.sqrt(len(log_prob)),
        "active_units": int(tfgen.evaluation.active_units(model, x_test).num_active),
        "examples_per_second": clock.steps_per_second * FLAGS.batch_size,
        "epochs": int(optimizer.iterations) * FLAGS.batch_size / len(x_train),
    }


def as_markdown(row: dict[str, Any]) -> str:
    """A row of the table."""
    return (
        f"| `{row['objective']}` | {row['log_prob']:.2f} ± {row['error']:.2f} | "
        f"{row['active_units']} | {row['examples_per_second']:,.0f} | "
        f"{row['epochs']:.1f} |"
    )


class Results:
    """Rows that are finished, in a file, and the settings that they were made with.

    Args:
        path: of a JSON file; empty to keep nothing.
        settings: what all rows of a table have in common.

    Raises:
        ValueError: if the file's rows were made with other settings.
    """

    def __init__(self, path: str, settings: dict[str, Any]) -> None:
        self._path = pathlib.Path(path) if path else None
        self._content: dict[str, Any] = {"settings": settings, "rows": {}}
        if self._path is not None and self._path.exists():
            self._content = json.loads(self._path.read_text())
        if self._content["settings"] != settings:
            raise ValueError(
                f"`results` {path!r} must hold rows of these settings, {settings}; "
                f"received {self._content['settings']}. Choose another file."
            )

    def get(self, name: str) -> dict[str, Any] | None:
        """The row of a name; `None` if it is not finished."""
        row = self._content["rows"].get(name)
        # A row of this name with another objective was written by another version.
        return row if row and row["objective"] == str(OBJECTIVES[name]()) else None

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Adds a row, and writes the file."""
        self._content["rows"][name] = row
        if self._path is not None:
            new = self._path.with_suffix(".new")
            new.write_text(json.dumps(self._content, indent=1))
            new.replace(
                self._path
            )  # if the program is killed, the old file or the new one is left


def main(argv: list[str]) -> None:
    del argv
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    images = tfgen.datasets.load_static_mnist(FLAGS.data)
    x_train, _, x_test = (x.reshape(len(x), -1) for x in images)
    order = np.random.default_rng(FLAGS.seed).permutation(len(x_test))
    x_test = x_test[order[: _NUM_TEST.value]]
    names = ("batch_size", "cpu_minutes", "learning_rate", "num_test", "seed")
    settings = {name: FLAGS[name].value for name in (*names, "test_samples")}
    results = Results(_RESULTS.value, settings)
    print(
        f"{settings}\n\n"
        "| objective | test log p(x), nats | active units | examples/s of CPU | epochs |\n"
        "|---|---|---|---|---|",
        flush=True,
    )
    for name in _BOUND.value:
        row = results.get(name)
        if row is None:
            row = measure(name, x_train, x_test)
            results.add(name, row)
        print(as_markdown(row), flush=True)


if __name__ == "__main__":
    app.run(main)
