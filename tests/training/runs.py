"""Small runs for tests to interrupt, and what each of them ends with."""

import dataclasses
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfgen
from tfgen.callbacks import BackupAndRestore, KLWarmup
from tfgen.training import FusedModel, checkpoint_file, run_state

BATCH_SIZE = 4
OPTIONS = {"jit_compile": False, "steps_per_execution": 2}
X = np.random.default_rng(0).integers(0, 2, [24, 6]).astype("float32")
HELD_OUT = X[:8]


def vae(loss="elbo", dropout=False, **options):
    layer = tfgen.layers.MultivariateNormalDiag
    encoder = [keras.layers.Input([6]), keras.layers.Dense(4), layer(2)]
    if dropout:
        encoder.insert(1, keras.layers.Dropout(0.3))
    decoder = [
        keras.layers.Input([2]),
        keras.layers.Dense(6),
        tfgen.layers.IndependentBernoulli([6]),
    ]
    model = tfgen.models.VAE(keras.Sequential(encoder), keras.Sequential(decoder))
    model.compile(keras.optimizers.Adam(3e-2), loss, **{**OPTIONS, **options})
    return model


class Line(FusedModel):
    """A line with dropout, whose steps are quick even when they run eagerly."""

    def __init__(self):
        super().__init__()
        self.dropout = keras.layers.Dropout(0.3)
        self.dense = keras.layers.Dense(1)
        self.build([None, 6])

    def build(self, shape):
        self.dense.build(shape)
        self.built = True

    def call(self, x, training=False):
        return self.dense(self.dropout(x, training=training))


def line():
    model = Line()
    model.compile(keras.optimizers.Adam(1e-2), "mse", metrics=["mae"], run_eagerly=True)
    return model


def gan():
    generator = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(6)])
    discriminator = keras.Sequential([keras.layers.Input([6]), keras.layers.Dense(1)])
    model = tfgen.models.GAN(generator, discriminator, 2)
    optimizers = keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2)
    model.compile(*optimizers, generator_ema=0.9, **OPTIONS)
    return model


def mean_field():
    model = tfgen.models.MeanFieldVAE(len(X), vae().decoder)
    model.compile(keras.optimizers.Adam(1e-2), **OPTIONS)
    return model


def counters():
    """Callbacks that count, in front of and behind the backup."""
    return [
        keras.callbacks.EarlyStopping(
            "val_loss", patience=1, min_delta=0.05, restore_best_weights=True
        ),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=10.0),
    ]


def dataset(*arrays):
    """In a seeded order, with a last batch of 3."""
    data = tf.data.Dataset.from_tensor_slices(tuple(a[:23] for a in arrays))
    return data.shuffle(23, seed=5).batch(BATCH_SIZE)


@dataclasses.dataclass
class Run:
    """One kind of run: a model, `fit`'s arguments, how often it is saved."""

    model: Callable[[], Any]
    save_freq: Any = "epoch"
    callbacks: Callable[[], list[Any]] = list
    fit: Callable[[], dict[str, Any]] = lambda: {"x": X, "batch_size": BATCH_SIZE}
    epochs: int = 6
    seed_to_go_on: int = 2

    def train(self, directory=None, others=(), epochs=None, **options):
        """Trains; saved in `directory`, where one is given. The model, with `history`.

        A run that goes on has another seed: it must take nothing from that. But the order
        of a `tf.data.Dataset` goes by TensorFlow's seed, beside its own.
        """
        goes_on = directory is not None and any(
            pathlib.Path(directory).glob("*.checkpoint")
        )
        keras.utils.set_random_seed(self.seed_to_go_on if goes_on else 1)
        model = self.model()
        callbacks = [*self.callbacks(), *others]
        if directory is not None:
            options = {"save_freq": self.save_freq, "delete_checkpoint": False, **options}
            callbacks.insert(len(callbacks) // 2, BackupAndRestore(directory, **options))
        fit = {"validation_data": (HELD_OUT,), **self.fit()}
        epochs = epochs or self.epochs
        model.fit(**fit, epochs=epochs, callbacks=callbacks, verbose=0)
        return model


RUNS = {
    "iwae": Run(lambda: vae("iwlb"), "epoch", counters),
    "gan": Run(gan, 2),
    "mean_field": Run(
        mean_field,
        3,
        fit=lambda: {
            "index": np.arange(len(X)),
            "x": X,
            "batch_size": BATCH_SIZE,
            "validation_data": (np.arange(8), HELD_OUT),
        },
    ),
    "dropout": Run(lambda: vae(dropout=True, metrics=["mse"]), 1),
    "kl_warmup": Run(vae, "epoch", lambda: [KLWarmup(4), *counters()], epochs=20),
    "dataset": Run(lambda: vae("iwlb"), 2, fit=lambda: {"x": dataset(X)}, seed_to_go_on=1),
}


class Slow(keras.callbacks.Callback):
    """Makes an epoch take a tenth of a second, and says what is being done.

    It is silent until programs are compiled, which takes longer than all epochs.
    """

    def __init__(self, say, seconds=0.02):
        super().__init__()
        self.say, self.seconds = say, seconds

    def on_train_batch_end(self, batch, logs=None):
        self.say("t")
        time.sleep(self.seconds)

    def on_test_batch_end(self, batch, logs=None):
        self.say("e")
        time.sleep(self.seconds)


def slow_writing(say, seconds=0.002):
    """Makes every piece of a checkpoint take a while, and says when it is written."""
    quick = checkpoint_file._pieces

    def pieces(*args):
        for piece in quick(*args):
            say("w")
            time.sleep(seconds)
            yield piece

    checkpoint_file._pieces = pieces


def outcome(model):
    """History, and values of all variables but of metrics'."""
    variables = run_state.read_variables(run_state.run_variables(model))
    values = {k: v for k, v in variables.items() if not k.startswith(run_state.METRIC)}
    return {"history": model.history.history, "epochs": model.history.epoch}, values


def save_outcome(model, path):
    header, values = outcome(model)
    checkpoint_file.write(pathlib.Path(path), header, values)


def differences(a, b):
    """What two outcomes don't share, bit for bit."""
    found = [f"{k}: {a[0][k]} and {b[0][k]}" for k in a[0] if a[0][k] != b[0][k]]
    names = set(a[1]) | set(b[1])
    none = np.zeros([0])
    pairs = {k: (a[1].get(k, none), b[1].get(k, none)) for k in sorted(names)}
    found += [k for k, (u, v) in pairs.items() if u.tobytes() != v.tobytes()]
    return found
