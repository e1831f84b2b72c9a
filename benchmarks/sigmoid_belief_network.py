r"""A sigmoid belief network of static MNIST, 200-200-200, by VIMCO or wake-sleep.

    python -m benchmarks.sigmoid_belief_network --estimator=vimco --minutes=20
    python -m benchmarks.sigmoid_belief_network --speed --rounds=5

The network of Mnih and Rezende (arXiv 1602.06725): three layers of 200 binary latents, each
a linear layer of the one above, q(z1|x) q(z2|z1) q(z3|z2) and p(z3) p(z2|z3) p(z1|z2)
p(x|z1). It is trained for so many minutes of wall time (compiling included; Adam's rate
falls to 0 by half a cosine), and log p(x) of the 10,000 test images is printed beside what
is published after far longer training. `--speed` measures examples a second beside the same
VIMCO step written by hand in JAX, in turn, each in a process of its own.

The data are read from `--data`; see `tfgen.datasets.load_static_mnist`.
"""

import math
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags

import tfgen
from benchmarks.peers.task import PIXELS, data, throughput

_ROOT = pathlib.Path(__file__).resolve().parent.parent

_ESTIMATOR = flags.DEFINE_enum(
    "estimator", "vimco", ["vimco", "rws", "ovis", "reinforce"], "Of the gradient."
)
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 5, "K of L_K.", lower_bound=2)
_MINUTES = flags.DEFINE_float("minutes", 20.0, "Of training.", lower_bound=0.0)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 100, "Examples a step.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's, at the start.")
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_TEST_SAMPLES = flags.DEFINE_integer("test_samples", 1000, "For log p(x).", lower_bound=2)
_TEST_IMAGES = flags.DEFINE_integer("test_images", 10_000, "For log p(x).", lower_bound=2)
_DATA = flags.DEFINE_string(
    "data", str(_ROOT.parent / "shared" / "data" / "static_mnist.npz"), "The images."
)
_SPEED = flags.DEFINE_bool("speed", False, "Measure examples a second beside JAX.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved rounds.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 5.0, "Timed seconds of a run.")
_JAX_PYTHON = flags.DEFINE_string("jax_python", sys.executable, "Has JAX.")
_WORKER = flags.DEFINE_enum("worker", None, ["tfgen", "JAX"], "Internal: run one.")

UNITS = [200, 200, 200]

# Nats, by estimator and K: arXiv 1602.06725, table 1.
PUBLISHED = {
    ("vimco", 2): -93.5,
    ("vimco", 5): -92.8,
    ("vimco", 10): -92.6,
    ("vimco", 50): -91.9,
    ("rws", 2): -94.6,
    ("rws", 5): -93.4,
    ("rws", 10): -93.0,
    ("rws", 50): -92.5,
}


def make_model(units: list[int] | None = None) -> tfgen.models.VAE:
    """The sigmoid belief network."""
    sizes = [PIXELS, *(UNITS if units is None else units)]
    names = ["x", *(f"z{n}" for n in range(1, len(sizes)))]
    inputs = [keras.Input([s], name=n) for s, n in zip(sizes, names, strict=True)]

    def factor(given: int, size: int) -> keras.Model:
        logits = keras.layers.Dense(size)(inputs[given])
        layer = tfgen.layers.IndependentBernoulli([size])
        return keras.Model(inputs[given], layer(logits))

    numbers = range(1, len(sizes))
    top = tfgen.layers.LearnedPrior(tfgen.layers.IndependentBernoulli([sizes[-1]]))
    down = {names[n]: factor(n + 1, sizes[n]) for n in reversed(numbers[:-1])}
    joint = tfgen.layers.JointDistribution
    return tfgen.models.VAE(
        joint({names[n]: factor(n - 1, sizes[n]) for n in numbers}),
        factor(1, PIXELS),
        joint({names[-1]: top, **down}),
    )


class ByTheClock(keras.callbacks.Callback):
    """Lets Adam's rate fall to 0 by half a cosine, and stops, by the wall clock."""

    def __init__(self, progress: Callable[[], float], learning_rate: float) -> None:
        super().__init__()
        self.progress = progress
        self.learning_rate = learning_rate

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets the rate."""
        part = min(1.0, self.progress())
        rate = self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * part))
        self.model.optimizer.learning_rate = rate

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops at the end."""
        if self.progress() >= 1.0:
            self.model.stop_training = True


def compiled(estimator: str) -> tfgen.models.VAE:
    """The network, to be trained by one estimator."""
    model = make_model()
    loss = tfgen.losses.IWLB(_NUM_SAMPLES.value, estimator=estimator)
    model.compile(keras.optimizers.Adam(_LEARNING_RATE.value), loss)
    return model


def train_and_test() -> None:
    """Trains by the clock, and prints a row of the table."""
    keras.utils.set_random_seed(_SEED.value)
    images = tfgen.datasets.load_static_mnist(_DATA.value)
    x_train, x_valid, x_test = (x.reshape(len(x), -1) for x in images)
    model = compiled(_ESTIMATOR.value)
    begin, seconds = time.perf_counter(), 60 * _MINUTES.value
    progress = lambda: (time.perf_counter() - begin) / max(seconds, 1e-9)
    clock = ByTheClock(progress, _LEARNING_RATE.value)
    model.fit(
        np.concatenate([x_train, x_valid]),
        batch_size=_BATCH_SIZE.value,
        epochs=10**6,
        callbacks=[clock],
        verbose=0,
    )
    trained = time.perf_counter() - begin
    examples = int(model.optimizer.iterations) * _BATCH_SIZE.value
    epochs = examples / (len(x_train) + len(x_valid))
    x_test = x_test[: _TEST_IMAGES.value]
    result = tfgen.evaluation.log_likelihood(model, x_test, _TEST_SAMPLES.value, seed=0)
    log_prob = result.log_prob.numpy().astype("float64")
    bound = np.mean(model.log_prob(x_test, _NUM_SAMPLES.value, seed=1))
    error = log_prob.std() / math.sqrt(len(log_prob))
    published = PUBLISHED.get((_ESTIMATOR.value, _NUM_SAMPLES.value), math.nan)
    print(
        f"trained {trained / 60:.1f} minutes, {epochs:.0f} epochs, "
        f"{examples / trained:,.0f} examples a second; tested on {len(x_test):,} "
        f"images with {_TEST_SAMPLES.value:,} samples in "
        f"{(time.perf_counter() - begin - trained) / 60:.1f} minutes\n\n"
        "| estimator | K | minutes | seed | test L_K | test log p(x) | published |\n"
        "|---|---|---|---|---|---|---|\n"
        f"| {_ESTIMATOR.value} | {_NUM_SAMPLES.value} | {_MINUTES.value:g} | {_SEED.value} "
        f"| {bound:.2f} | {log_prob.mean():.2f} ± {error:.2f} | {published:.1f} |"
    )


def work(name: str) -> None:
    """Prints one contender's examples a second."""
    if name == "JAX":
        from benchmarks.peers import jax_vimco

        k, size = _NUM_SAMPLES.value, _BATCH_SIZE.value
        print(jax_vimco.run(k, size, UNITS, _SECONDS.value))
        return
    model, x = compiled("vimco"), data(20_000)

    def run_epochs(epochs: int) -> None:
        model.fit(x, batch_size=_BATCH_SIZE.value, epochs=epochs, verbose=0)

    print(throughput(run_epochs, len(x), _SECONDS.value)[0])


def compare() -> None:
    """Prints examples a second of both, in turn."""
    speeds: dict[str, list[float]] = {"tfgen": [], "JAX": []}
    for _ in range(_ROUNDS.value):
        for name, runs in speeds.items():
            python = _JAX_PYTHON.value if name == "JAX" else sys.executable
            command = [python, "-m", "benchmarks.sigmoid_belief_network"]
            command += [f"--worker={name}", f"--seconds={_SECONDS.value}"]
            command += [f"--num_samples={_NUM_SAMPLES.value}"]
            command += [f"--batch_size={_BATCH_SIZE.value}"]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            runs.append(float(done.stdout.strip().splitlines()[-1]))
    print("| | examples/s | min–max |\n|---|---|---|")
    for name, runs in speeds.items():
        print(
            f"| {name} | {statistics.median(runs):,.0f} | "
            f"{min(runs):,.0f}–{max(runs):,.0f} |"
        )
    ratios = [a / b for a, b in zip(speeds["tfgen"], speeds["JAX"], strict=True)]
    print(f"tfgen / JAX, median of {len(ratios)} rounds: {statistics.median(ratios):.2f}")


def main(argv: list[str]) -> None:
    del argv
    if _WORKER.value:
        work(_WORKER.value)
    elif _SPEED.value:
        compare()
    else:
        train_and_test()


if __name__ == "__main__":
    app.run(main)
