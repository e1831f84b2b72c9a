r"""A sigmoid belief network of static MNIST, 200-200-200, by VIMCO or wake-sleep.

    python -m benchmarks.sigmoid_belief_network --estimator=vimco --minutes=20
    python -m benchmarks.sigmoid_belief_network --speed --rounds=5

The network of Mnih and Rezende (arXiv 1602.06725): three layers of 200 binary latents, each
a linear layer of the one above, q(z1|x) q(z2|z1) q(z3|z2) and p(z3) p(z2|z3) p(z1|z2)
p(x|z1). It is trained for that many minutes of wall time (compiling and validation
included), and log p(x) of the 10,000 test images is printed beside the published value,
which took far longer training. Learning rate, averaging of weights and choice on `valid`
are those of `benchmarks/static_mnist.py`, whose flags this program has too. Pixels are
centred, and the bias of the output starts at the logit of the training mean. `--speed`
measures examples a second beside the same VIMCO step written in JAX, in turn, each in a
process of its own.
"""

import math
import os
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
from benchmarks import static_mnist
from benchmarks.peers.task import PIXELS, data, throughput

FLAGS = flags.FLAGS  # those of `static_mnist` too
FLAGS.set_default("num_samples", 5)
FLAGS.set_default("minutes", 20.0)
FLAGS.set_default("test_samples", 1000)

_ESTIMATOR = flags.DEFINE_enum(
    "estimator", "vimco", ["vimco", "rws", "ovis", "reinforce"], "Of the gradient."
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


def make_model(mean: np.ndarray | None = None) -> tfgen.models.VAE:
    """The sigmoid belief network, over images whose mean may be given."""
    sizes = [PIXELS, *UNITS]
    names = ["x", *(f"z{n}" for n in range(1, len(sizes)))]
    inputs = [keras.Input([s], name=n) for s, n in zip(sizes, names, strict=True)]

    def factor(given: int, size: int, bias: Any = "zeros") -> keras.Model:
        h = inputs[given]
        if given == 0 and mean is not None:
            h = keras.layers.Rescaling(2.0, -1.0)(h)
        logits = keras.layers.Dense(size, bias_initializer=bias)(h)
        layer = tfgen.layers.IndependentBernoulli([size])
        return keras.Model(inputs[given], layer(logits))

    numbers = range(1, len(sizes))
    top = tfgen.layers.LearnedPrior(tfgen.layers.IndependentBernoulli([sizes[-1]]))
    down = {names[n]: factor(n + 1, sizes[n]) for n in reversed(numbers[:-1])}
    joint = tfgen.layers.JointDistribution
    return tfgen.models.VAE(
        joint({names[n]: factor(n - 1, sizes[n]) for n in numbers}),
        factor(1, PIXELS, "zeros" if mean is None else _logit_of(mean)),
        joint({names[-1]: top, **down}),
    )


def _logit_of(mean: np.ndarray) -> Callable:
    """An initializer at the logit of probabilities."""
    mean = np.clip(mean, 1e-3, 1.0 - 1e-3)
    logit = np.log(mean) - np.log1p(-mean)
    return lambda shape, dtype=None: keras.ops.cast(logit, dtype)


def train_and_test() -> None:
    """Trains by the clock, and prints a row of the table."""
    keras.utils.set_random_seed(FLAGS.seed)
    images = tfgen.datasets.load_static_mnist(FLAGS.data)
    x_train, x_valid, x_test = (x.reshape(len(x), -1) for x in images)
    model = make_model(x_train.mean(axis=0))
    begin, seconds = time.perf_counter(), 60 * FLAGS.minutes
    progress = lambda: (time.perf_counter() - begin) / seconds
    course = static_mnist.Course(progress, FLAGS.learning_rate, x_valid, 20)
    loss = tfgen.losses.IWLB(FLAGS.num_samples, estimator=_ESTIMATOR.value)
    phases = [static_mnist.Phase(loss, 1.0, FLAGS.batch_size)]
    static_mnist.train(model, x_train, phases, course)
    trained = time.perf_counter() - begin
    examples = int(model.optimizer.iterations) * FLAGS.batch_size
    result = tfgen.evaluation.log_likelihood(model, x_test, FLAGS.test_samples, seed=0)
    log_prob = result.log_prob.numpy().astype("float64")
    error = log_prob.std() / math.sqrt(len(log_prob))
    published = PUBLISHED.get((_ESTIMATOR.value, FLAGS.num_samples), math.nan)
    print(
        f"trained {trained / 60:.1f} minutes, {examples / len(x_train):.0f} epochs, "
        f"{examples / trained:,.0f} examples a second\n\n"
        "| estimator | K | minutes | seed | valid, L_20 | test log p(x) | published |\n"
        "|---|---|---|---|---|---|---|\n"
        f"| {_ESTIMATOR.value} | {FLAGS.num_samples} | {FLAGS.minutes:g} | {FLAGS.seed} "
        f"| {course.best:.2f} | {log_prob.mean():.2f} ± {error:.2f} | {published:.1f} |"
    )


def work(name: str) -> None:
    """Prints one contender's examples a second."""
    if name == "JAX":
        from benchmarks.peers import jax_vimco

        k, size = FLAGS.num_samples, FLAGS.batch_size
        print(jax_vimco.run(k, size, UNITS, _SECONDS.value))
        return
    model, x = make_model(), data(20_000)
    loss = tfgen.losses.IWLB(FLAGS.num_samples, estimator="vimco")
    model.compile(keras.optimizers.Adam(FLAGS.learning_rate), loss)

    def run_epochs(epochs: int) -> None:
        model.fit(x, batch_size=FLAGS.batch_size, epochs=epochs, verbose=0)

    print(throughput(run_epochs, len(x), _SECONDS.value)[0])


def compare() -> None:
    """Prints examples a second of both, in turn."""
    speeds: dict[str, list[float]] = {"tfgen": [], "JAX": []}
    for _ in range(_ROUNDS.value):
        for name, runs in speeds.items():
            python = _JAX_PYTHON.value if name == "JAX" else sys.executable
            command = [python, "-m", "benchmarks.sigmoid_belief_network"]
            command += [f"--worker={name}", f"--seconds={_SECONDS.value}"]
            command += [f"--num_samples={FLAGS.num_samples}"]
            command += [f"--batch_size={FLAGS.batch_size}"]
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
