r"""Compares traditional mean-field inference with an encoder as the data set grows.

    python examples/mean_field_vs_amortized.py --sizes=1000,4000,16000

Both fit the same decoder with the same family of posteriors. The mean field has a row of
parameters for every example, the encoder one network for all. For every N the program
prints the cost of each (parameters, seconds until the training bound converges) and its
quality (the ELBO of training and of held-out digits, in nats), and plots the bound against
time and the time against N.

Three things can be seen:

- The encoder does not outperform the mean field on the training set: rows that start at
  the encoder's output, with the decoder frozen, end above it ("from the encoder").
- The table grows with N, the encoder does not, and every row needs its own updates.
- A held-out digit costs the encoder one forward pass, and the mean field gradient steps
  (`refine`).

scikit-learn's digits are 1,437 for training; larger N are filled with the same digits moved
by a pixel or two.
"""

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags, logging

import tfgen
from tfgen.evaluation.table import format_table

_SIZES = flags.DEFINE_list("sizes", ["1000", "4000", "16000"], "N: how many examples.")
_LATENT_DIM = flags.DEFINE_integer("latent_dim", 8, "The size of z.", lower_bound=1)
_UNITS = flags.DEFINE_integer("units", 128, "Units in a hidden layer.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 100, "Examples a step.", lower_bound=1)
_MAX_EPOCHS = flags.DEFINE_integer("max_epochs", 300, "At most so many.", lower_bound=1)
_REFINE_STEPS = flags.DEFINE_integer("refine_steps", 300, "Of held-out digits.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "out/mean_field_vs_amortized", "Where pictures go."
)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")

_LEARNING_RATE = 2e-3
_TOLERANCE = 0.5  # nats; within this of its last value, a bound has converged


def load(size: int, digits: np.ndarray) -> np.ndarray:
    """`size` digits `[size, 64]`: real ones, then the same ones moved by a pixel or two."""
    moves = sorted(
        ((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)),
        key=lambda move: move[0] ** 2 + move[1] ** 2,
    )
    moved = [np.roll(digits, move, axis=(1, 2)) for move in moves]
    examples = np.concatenate(moved)[:size]
    if len(examples) < size:
        raise app.UsageError(f"--sizes must be at most {25 * len(digits)}; got {size}.")
    return examples.reshape(size, -1)


def make_encoder() -> keras.Model:
    """q(z|x): two hidden layers, then a diagonal Gaussian."""
    layer = tfgen.layers.MultivariateNormalDiag
    return keras.Sequential(
        [
            keras.layers.Input([64]),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(layer.params_size(_LATENT_DIM.value)),
            layer(_LATENT_DIM.value),
        ]
    )


def make_decoder() -> keras.Model:
    """p(x|z): two hidden layers, a Bernoulli for each pixel; every call gives the same."""
    keras.utils.set_random_seed(_SEED.value)
    return keras.Sequential(
        [
            keras.layers.Input([_LATENT_DIM.value]),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(64),
            tfgen.layers.IndependentBernoulli([64]),
        ]
    )


class Curve(keras.callbacks.Callback):
    """The training ELBO against the seconds spent training."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.elbo: list[float] = []

        self._begin: float | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Notes the epoch's ELBO and when it was reached."""
        if self._begin is None:  # the first epoch compiles
            self._begin = time.perf_counter()
        self.seconds.append(time.perf_counter() - self._begin)
        self.elbo.append(logs["elbo"])

    def seconds_to_converge(self) -> float:
        """Seconds until the bound is within a tolerance of its last value."""
        end = np.mean(self.elbo[-5:])
        reached = np.array(self.elbo) > end - _TOLERANCE
        return self.seconds[int(reached.argmax())]


def train(model: tfgen.models.VAE, *data: np.ndarray) -> Curve:
    """Trains until the bound converges; returns its curve."""
    curve = Curve()
    stop = keras.callbacks.EarlyStopping("elbo", 0.05, patience=40, mode="max")
    model.fit(
        *data,
        batch_size=_BATCH_SIZE.value,
        epochs=_MAX_EPOCHS.value,
        callbacks=[curve, stop],
        verbose=0,
    )
    return curve


def elbo(model: tfgen.models.VAE, inputs: np.ndarray, x: np.ndarray) -> float:
    """The ELBO, on 64 samples an example; `inputs` are x, or indices for a table."""
    blocks = [slice(start, start + 1000) for start in range(0, len(x), 1000)]
    log_weights = [model.log_weights(inputs[b], 64, seed=1, y=x[b]) for b in blocks]
    return float(np.mean(np.concatenate(log_weights, axis=1)))


def timed(function: Callable[[], Any], count: int) -> tuple[Any, float]:
    """A function's result, and its microseconds per example once it is compiled."""
    function()
    began = time.perf_counter()
    result = function()
    return result, 1e6 * (time.perf_counter() - began) / count


def mean_field(
    decoder: keras.Model, posterior: tfgen.layers.TensorDistribution
) -> tfgen.models.MeanFieldVAE:
    """A table that starts at the rows of `posterior`."""
    size = posterior.batch_shape[0]
    model = tfgen.models.MeanFieldVAE(size, decoder)
    model.assign(np.arange(size), posterior)
    return model


def row(
    name: str,
    size: int,
    parameters: int,
    curve: Curve,
    train_elbo: float,
    test_elbo: float,
    microseconds: float,
) -> list[str]:
    """A row of the table."""
    return [
        f"{size:>6,} {name}",
        f"{parameters:,}",
        f"{curve.seconds_to_converge():.1f}",
        f"{train_elbo:.2f}",
        f"{test_elbo:.2f}",
        f"{microseconds:,.0f}",
    ]


def compare(size: int, x: np.ndarray, x_test: np.ndarray) -> tuple[list[list[str]], dict]:
    """Rows of the table for N = `size`, and the two curves."""
    index = np.arange(size)

    vae = tfgen.models.VAE(make_encoder(), make_decoder())
    vae.compile(keras.optimizers.Adam(_LEARNING_RATE), "elbo")
    amortized = train(vae, x)
    _, encoding = timed(lambda: vae.encode(x_test), len(x_test))

    table = tfgen.models.MeanFieldVAE(size, make_decoder())
    # Untrained rows take a few steps before each step of the decoder.
    table.compile(keras.optimizers.Adam(_LEARNING_RATE), "elbo", posterior_steps=3)
    fitted = train(table, index, x)
    steps = _REFINE_STEPS.value
    refined, climbing = timed(lambda: table.refine(x_test, steps, seed=0), len(x_test))
    held_out = mean_field(table.decoder, refined)

    # On the training set no encoder beats the best rows for the same decoder.
    started = mean_field(vae.decoder, vae.encode(x))
    started.decoder.trainable = False
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 60 * len(x) / _BATCH_SIZE.value)
    started.compile(loss="elbo", posterior_learning_rate=schedule)
    started.fit(index, x, batch_size=_BATCH_SIZE.value, epochs=60, verbose=0)

    encoder_bounds = elbo(vae, x, x), elbo(vae, x_test, x_test)
    table_bounds = elbo(table, index, x), elbo(held_out, np.arange(len(x_test)), x_test)
    encoder_size, table_size = vae.encoder.count_params(), np.prod(table.table.rows.shape)
    rows = [
        row("encoder", size, encoder_size, amortized, *encoder_bounds, encoding),
        row("mean field", size, table_size, fitted, *table_bounds, climbing),
        [
            f"{size:>6,} mean field, from the encoder",
            "",
            "",
            f"{elbo(started, index, x):.2f}",
        ],
    ]
    return rows, {"encoder": amortized, "mean field": fitted}


def main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    sizes = [int(size) for size in _SIZES.value]
    digits, x_test = tfgen.datasets.load_digits()
    x_test = x_test.reshape(len(x_test), -1)
    rows, curves = [], {}
    for size in sizes:
        added, found = compare(size, load(size, digits), x_test)
        rows += added
        curves |= {f"{name}, N = {size:,}": curve for name, curve in found.items()}
    header = ["     N inference", "parameters", "s to converge", "ELBO", "held-out"]
    print(format_table([*header, "µs a digit"], rows))
    bound = os.path.join(_OUTPUT_DIR.value, "bound_against_time.png")
    tfgen.plots.save_curves(
        bound,
        {name: (curve.seconds, curve.elbo) for name, curve in curves.items()},
        "seconds of training",
        "training ELBO, nats an example",
    )
    cost = os.path.join(_OUTPUT_DIR.value, "time_against_size.png")
    seconds = {name: curve.seconds_to_converge() for name, curve in curves.items()}
    tfgen.plots.save_curves(
        cost,
        {
            name: (sizes, [seconds[f"{name}, N = {size:,}"] for size in sizes])
            for name in ("encoder", "mean field")
        },
        "N, examples",
        "seconds to converge",
    )
    print(f"wrote:\n  {bound}\n  {cost}")


if __name__ == "__main__":
    app.run(main)
