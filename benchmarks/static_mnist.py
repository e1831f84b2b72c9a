r"""Static MNIST in limited time: the table of arXiv 1509.00519 (Burda et al.).

    python -m benchmarks.static_mnist --num_samples=1 --minutes=30

Trains the paper's one-layer model, 784-200-200-50 with tanh, by L_K with K `num_samples`,
for that many minutes of wall time (compiling and validation included), and prints log p(x)
of the 10,000 test images by 5,000 importance samples beside the published figure.
Weights are chosen on `valid` alone. Differences from the paper:

- Adam's rate rises for the first 2 % of the time, stays for half of it, and falls to 0 by
  half a cosine; weights decay by `weight_decay` times the rate a step.
- The weight of the KL rises from 0 to 1 over the first 15 %.
- The gradient is that of DReG, which for K = 1 is sticking-the-landing.
- K rises over the training: 1 for a quarter of the time, 5 up to 70 % of it where that is
  less than `num_samples`, then `num_samples`; and from K = 10 on
  the gradient is computed for one of the K samples, drawn by weight.
- The result is an average of the weights, over about the last tenth of the steps.

The effect of each of these is in `benchmarks/RESULTS.md`.

The data are read from `--data`; see `tfgen.datasets.load_static_mnist`.
"""

import math
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags

import tfgen

_ROOT = pathlib.Path(__file__).resolve().parent.parent

_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 1, "K of L_K.", lower_bound=1)
_MINUTES = flags.DEFINE_float("minutes", 30.0, "Of training.", lower_bound=0.0)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 100, "Examples a step.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 1e-3, "Adam's, at its highest.")
_WEIGHT_DECAY = flags.DEFINE_float("weight_decay", 0.03, "As of `keras.optimizers.AdamW`.")
_BACKWARD_SAMPLES = flags.DEFINE_integer(
    "backward_samples", None, "Of L_K; 1 from K = 10 on and K below, unless given."
)
_RAISE_K = flags.DEFINE_bool("raise_k", True, "Train by smaller K first.")
_TEST_SAMPLES = flags.DEFINE_integer("test_samples", 5000, "For log p(x).", lower_bound=2)
_DATA = flags.DEFINE_string(
    "data", str(_ROOT.parent / "shared" / "data" / "static_mnist.npz"), "The images."
)

PUBLISHED = {1: -88.71, 5: -87.63, 50: -87.10}

# Shares of the time.
_WARM_UP, _KL_WARM_UP, _DECAY_FROM = 0.02, 0.15, 0.5
_VALIDATIONS = 20  # in the part where the rate decays
_VALIDATION_SAMPLES = 20


class Phase(NamedTuple):
    """A part of the training: a loss, and the share of the time when it ends."""

    loss: tfgen.losses.Bound
    end: float


def make_model() -> tfgen.models.VAE:
    """The paper's one-layer model."""
    dense = keras.layers.Dense
    posterior = tfgen.layers.MultivariateNormalDiag
    encoder = [dense(200, "tanh"), dense(200, "tanh"), dense(posterior.params_size(50))]
    decoder = [dense(200, "tanh"), dense(200, "tanh"), dense(784)]
    return tfgen.models.VAE(
        keras.Sequential([keras.Input([784]), *encoder, posterior(50)]),
        keras.Sequential(
            [keras.Input([50]), *decoder, tfgen.layers.IndependentBernoulli([784])]
        ),
    )


def make_phases(
    num_samples: int, backward_samples: int | None = None, raise_k: bool = True
) -> list[Phase]:
    """K = 1, then 5 if that is less than `num_samples`, then `num_samples`."""
    if num_samples == 1:
        return [Phase(tfgen.losses.ELBO(estimator="stl"), 1.0)]
    if backward_samples is None and num_samples >= 10:
        backward_samples = 1
    if backward_samples == num_samples:
        backward_samples = None  # each once, and none drawn
    last = tfgen.losses.IWLB(
        num_samples, estimator="dreg", backward_samples=backward_samples
    )
    if not raise_k:
        return [Phase(last, 1.0)]
    phases = [Phase(tfgen.losses.ELBO(estimator="stl"), 0.25)]
    if num_samples > 5:
        phases += [Phase(tfgen.losses.IWLB(5, estimator="dreg"), 0.7)]
    return [*phases, Phase(last, 1.0)]


def _late(part: float) -> float:
    """How far the learning rate has decayed, from 0 to 1."""
    return max(0.0, part - _DECAY_FROM) / (1.0 - _DECAY_FROM)


class Course(keras.callbacks.Callback):
    """Controls a training by its progress, from 0 to 1: rate, averaging, choice, end.

    Args:
        progress: returns how far the training is, from 0 to 1.
        learning_rate: the largest learning rate.
        x_valid: the images on which weights are chosen.
    """

    def __init__(
        self, progress: Callable[[], float], learning_rate: float, x_valid: np.ndarray
    ) -> None:
        super().__init__()
        self.progress = progress
        self.learning_rate = learning_rate
        self.x_valid = x_valid
        self.phase_end = 1.0
        self.best = -math.inf
        self.best_weights: list[np.ndarray] = []
        self._average: list[np.ndarray] = []
        self._count = 0
        self._validated = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets the rate and the weight of the KL."""
        part = min(self.progress(), 1.0)
        late = _late(part)
        rate = 0.5 * (1 + math.cos(math.pi * late)) * min(1.0, part / _WARM_UP)
        self.model.optimizer.learning_rate = self.learning_rate * rate
        if isinstance(self.model.bound, tfgen.losses.ELBO):
            self.model.bound.beta.assign(min(1.0, part / _KL_WARM_UP))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Averages the weights, validates the average, ends the phase."""
        self._count += 1
        weights = [w.numpy() for w in self.model.trainable_weights]
        if not self._average:
            self._average = weights
        # Weights of the last tenth or so, whatever the number of steps.
        share = min(1.0, 10.0 / self._count)
        for average, weight in zip(self._average, weights, strict=True):
            average += share * (weight - average)
        part = self.progress()
        if _late(part) * _VALIDATIONS >= self._validated + 1 or part >= 1.0:
            self._validated = int(_late(part) * _VALIDATIONS)
            self._validate(weights, part)
        if part >= self.phase_end:
            self.model.stop_training = True

    def _validate(self, weights: list[np.ndarray], part: float) -> None:
        variables = self.model.trainable_weights
        for variable, average in zip(variables, self._average, strict=True):
            variable.assign(average)
        value = float(
            np.mean(self.model.log_prob(self.x_valid, _VALIDATION_SAMPLES, seed=0))
        )
        if value > self.best:
            self.best = value
            self.best_weights = [average.copy() for average in self._average]
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)
        steps = int(self.model.optimizer.iterations)
        print(f"  {part:4.0%}, {steps:>8,} steps: valid {value:.2f} nats", flush=True)


def train(
    model: tfgen.models.VAE,
    x: np.ndarray,
    phases: list[Phase],
    course: Course,
    batch_size: int,
) -> None:
    """Trains through the phases; the model has the chosen weights at the end."""
    optimizer = keras.optimizers.AdamW(
        course.learning_rate, weight_decay=_WEIGHT_DECAY.value
    )
    for phase in phases:
        print(f"{phase.loss!r}, up to {phase.end:.0%}", flush=True)
        model.compile(optimizer, phase.loss)
        course.phase_end = phase.end
        model.fit(x, batch_size=batch_size, epochs=10**6, callbacks=[course], verbose=0)
    for variable, best in zip(model.trainable_weights, course.best_weights, strict=True):
        variable.assign(best)


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(_SEED.value)
    images = tfgen.datasets.load_static_mnist(_DATA.value)
    x_train, x_valid, x_test = (x.reshape(len(x), -1) for x in images)
    model = make_model()
    begin = time.perf_counter()
    seconds = 60 * _MINUTES.value
    course = Course(
        lambda: (time.perf_counter() - begin) / seconds, _LEARNING_RATE.value, x_valid
    )
    phases = make_phases(_NUM_SAMPLES.value, _BACKWARD_SAMPLES.value, _RAISE_K.value)
    train(model, x_train, phases, course, _BATCH_SIZE.value)
    trained = time.perf_counter() - begin
    epochs = int(model.optimizer.iterations) * _BATCH_SIZE.value / len(x_train)

    result = tfgen.evaluation.log_likelihood(model, x_test, _TEST_SAMPLES.value, seed=0)
    log_prob = result.log_prob.numpy().astype("float64")
    tested = time.perf_counter() - begin - trained
    bound = np.mean(model.log_prob(x_test, _NUM_SAMPLES.value, seed=1))
    error = log_prob.std() / math.sqrt(len(log_prob))
    active = tfgen.evaluation.active_units(model, x_valid).num_active
    published = PUBLISHED.get(_NUM_SAMPLES.value, math.nan)
    print(
        f"trained {trained / 60:.1f} minutes, {epochs:.0f} epochs; tested in "
        f"{tested / 60:.1f} minutes\n\n"
        "| K | minutes | seed | active units | valid, L_20 | test L_K | test log p(x) | "
        "published |\n|---|---|---|---|---|---|---|---|\n"
        f"| {_NUM_SAMPLES.value} | {_MINUTES.value:g} | {_SEED.value} | {active} | "
        f"{course.best:.2f} | {bound:.2f} | {log_prob.mean():.2f} ± {error:.2f} | "
        f"{published:.2f} |"
    )


if __name__ == "__main__":
    app.run(main)
