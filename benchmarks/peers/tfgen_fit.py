"""tfgen: `VAE.fit` and `MeanFieldVAE.fit` as in the README, `log_prob` and `sample`."""

import keras
import numpy as np

import tfgen
from benchmarks.peers.task import CHANNELS, LATENT, PIXELS, SIDE, Task, data, throughput

__all__ = ["down", "make_model", "run", "up"]

_CONVOLUTION = {"kernel_size": 4, "strides": 2, "padding": "same"}


def down() -> list[keras.layers.Layer]:
    """From `[784]` through two convolutions to features."""
    layers = keras.layers
    return [
        layers.Reshape([SIDE, SIDE, 1]),
        layers.Conv2D(CHANNELS, activation="relu", **_CONVOLUTION),
        layers.Conv2D(2 * CHANNELS, activation="relu", **_CONVOLUTION),
        layers.Flatten(),
    ]


def up() -> list[keras.layers.Layer]:
    """From features through two transposed convolutions to `[784]`."""
    layers, side = keras.layers, SIDE // 4
    return [
        layers.Dense(side * side * 2 * CHANNELS, "relu"),
        layers.Reshape([side, side, 2 * CHANNELS]),
        layers.Conv2DTranspose(CHANNELS, activation="relu", **_CONVOLUTION),
        layers.Conv2DTranspose(1, **_CONVOLUTION),
        layers.Flatten(),
    ]


def _hidden(task: Task) -> list[keras.layers.Layer]:
    return [keras.layers.Dense(task.units, "tanh") for _ in range(2)]


def make_model(task: Task, backward_samples: int | None = None) -> tfgen.models.VAE:
    """The task's model, compiled."""
    dense, layers = keras.layers.Dense, tfgen.layers
    convolutional = task.network == "convolutional"
    full = task.posterior == "full"
    posterior = layers.MultivariateNormalTriL if full else layers.MultivariateNormalDiag
    decoder = keras.Sequential(
        [
            keras.layers.Input([LATENT]),
            *(up() if convolutional else [*_hidden(task), dense(PIXELS)]),
            layers.IndependentBernoulli([PIXELS]),
        ]
    )
    if task.kind == "mean_field":
        model = tfgen.models.MeanFieldVAE(task.num_examples, decoder)
    else:
        encoder = keras.Sequential(
            [
                keras.layers.Input([PIXELS]),
                *(down() if convolutional else _hidden(task)),
                dense(posterior.params_size(LATENT)),
                posterior(LATENT),
            ]
        )
        model = tfgen.models.VAE(encoder, decoder)
    if task.num_samples == 1:
        loss: tfgen.losses.Bound = tfgen.losses.ELBO()
    else:
        loss = tfgen.losses.IWLB(task.num_samples, backward_samples=backward_samples)
    # From the first epoch on: "auto" would compile in the midst of the timed ones. With
    # convolutions it never compiles on a CPU.
    jit_compile = "auto" if convolutional else True
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=jit_compile)
    return model


def run(
    task: Task, seconds: float, backward_samples: int | None = None
) -> tuple[float, float]:
    """Examples, sample-images or samples a second, and the first call's seconds."""
    model = make_model(task, backward_samples)
    if task.kind == "sample":

        def draw(count: int) -> None:
            for seed in range(count):
                model.sample(task.num_examples, seed=seed).numpy()

        return throughput(draw, task.num_examples, seconds)
    if task.kind == "log_prob":
        x = data(task.batch_size)

        def evaluate(count: int) -> None:
            for seed in range(count):
                model.log_prob(x, task.num_samples, seed=seed).numpy()

        return throughput(evaluate, task.batch_size * task.num_samples, seconds)
    x = data(task.num_examples)
    arrays = (np.arange(len(x)), x) if task.kind == "mean_field" else (x,)

    def run_epochs(epochs: int) -> None:
        model.fit(*arrays, batch_size=task.batch_size, epochs=epochs, verbose=0)

    return throughput(run_epochs, task.num_examples, seconds)
