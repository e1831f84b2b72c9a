r"""Static MNIST by every bound: one model, one time, one row a bound.

    python -m benchmarks.bounds --minutes=5

Trains the one-layer model of arXiv 1509.00519 (784-200-200-50) from the same weights by
each bound and penalty for so many minutes of wall time, compiling included, by Adam at one
rate. Prints, as Markdown, log p(x) of `--num_test` test images by importance samples, the
active units, and examples a second once the program is compiled. `--bound=elbo` (again and
again) chooses rows. Model, data and the other flags are those of `benchmarks.static_mnist`.
"""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from absl import app, flags

import tfgen
from benchmarks import static_mnist
from tfgen.losses import (
    CIWAE,
    ELBO,
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
    """What a row is trained by."""

    bound: Bound
    penalties: tuple[Penalty, ...] = ()


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "elbo": lambda: Objective(ELBO()),
    "elbo_stl": lambda: Objective(ELBO(estimator="stl")),
    "iwlb": lambda: Objective(IWLB(16)),
    "iwlb_dreg": lambda: Objective(IWLB(16, "dreg")),
    "iwlb_backward": lambda: Objective(IWLB(16, "dreg", backward_samples=1)),
    "miwae": lambda: Objective(MIWAE(4, 4, "dreg")),
    "piwae": lambda: Objective(PIWAE(4, 4, "dreg")),
    "ciwae": lambda: Objective(CIWAE(16, 0.5, "dreg")),
    "renyi": lambda: Objective(Renyi(0.5, 16, "dreg")),
    "tvo": lambda: Objective(TVO(16)),
    "free_bits": lambda: Objective(ELBO(), (FreeBits(0.1),)),
    "total_correlation": lambda: Objective(ELBO(), (TotalCorrelation(1.0, 50_000),)),
    "mmd": lambda: Objective(ELBO(), (MMD(100.0),)),
}

flags.set_default(static_mnist._MINUTES, 5.0)
_BOUND = flags.DEFINE_multi_enum(
    "bound", list(OBJECTIVES), list(OBJECTIVES), "Which rows; by default all."
)
_NUM_TEST = flags.DEFINE_integer("num_test", 10_000, "Test images.", lower_bound=2)


class Clock(keras.callbacks.Callback):
    """Ends a training after so many seconds, at the earliest when its speed is known."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._begin = time.perf_counter()
        self._end = self._begin + seconds
        self._first: tuple[int, float] | None = None
        self.steps_per_second = math.nan

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes the time, and stops when it is up."""
        now, steps = time.perf_counter(), int(self.model.optimizer.iterations)
        if self._first is None:  # the first execution compiles
            self._first = steps, now
        elif now > self._first[1]:
            self.steps_per_second = (steps - self._first[0]) / (now - self._first[1])
        if now >= self._end and not math.isnan(self.steps_per_second):
            self.model.stop_training = True


def row(name: str, x_train: np.ndarray, x_test: np.ndarray) -> str:
    """Trains by one objective, and returns its row of the table."""
    keras.utils.set_random_seed(FLAGS.seed)
    model = static_mnist.make_model()
    objective = OBJECTIVES[name]()
    optimizer = keras.optimizers.Adam(FLAGS.learning_rate)
    model.compile(optimizer, objective.bound, penalties=list(objective.penalties))
    clock = Clock(60 * FLAGS.minutes)
    model.fit(
        x_train, batch_size=FLAGS.batch_size, epochs=10**6, callbacks=[clock], verbose=0
    )
    log_prob = np.asarray(model.log_prob(x_test, FLAGS.test_samples, seed=0), "float64")
    error = log_prob.std() / math.sqrt(len(log_prob))
    active = tfgen.evaluation.active_units(model, x_test).num_active
    what = repr(objective.bound) + "".join(f" + {p!r}" for p in objective.penalties)
    epochs = int(optimizer.iterations) * FLAGS.batch_size / len(x_train)
    speed = clock.steps_per_second * FLAGS.batch_size
    return (
        f"| `{what}` | {log_prob.mean():.2f} ± {error:.2f} | {active} | {speed:,.0f} | "
        f"{epochs:.1f} |"
    )


def main(argv: list[str]) -> None:
    del argv
    images = tfgen.datasets.load_static_mnist(FLAGS.data)
    x_train, _, x_test = (x.reshape(len(x), -1) for x in images)
    print(
        f"{FLAGS.minutes:g} minutes each, seed {FLAGS.seed}, {FLAGS.test_samples} samples "
        f"of {_NUM_TEST.value:,} images\n\n"
        "| objective | test log p(x), nats | active units | examples/s | epochs |\n"
        "|---|---|---|---|---|",
        flush=True,
    )
    for name in _BOUND.value:
        print(row(name, x_train, x_test[: _NUM_TEST.value]), flush=True)


if __name__ == "__main__":
    app.run(main)
