"""tfgen: `VAE.fit`, as in the README."""

import keras

import tfgen
from benchmarks.peers.task import LATENT, PIXELS, Task, data, throughput

__all__ = ["make_model", "run"]


def make_model(task: Task, backward_samples: int | None = None) -> tfgen.models.VAE:
    """The task's model, compiled."""
    dense, layers = keras.layers.Dense, tfgen.layers
    encoder = keras.Sequential(
        [
            keras.layers.Input([PIXELS]),
            dense(task.units, "tanh"),
            dense(task.units, "tanh"),
            dense(2 * LATENT),
            layers.MultivariateNormalDiag(LATENT),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.layers.Input([LATENT]),
            dense(task.units, "tanh"),
            dense(task.units, "tanh"),
            dense(PIXELS),
            layers.IndependentBernoulli([PIXELS]),
        ]
    )
    model = tfgen.models.VAE(encoder, decoder)
    if task.num_samples == 1:
        loss: tfgen.losses.Bound = tfgen.losses.ELBO()
    else:
        loss = tfgen.losses.IWLB(task.num_samples, backward_samples=backward_samples)
    # From the first epoch on: "auto" would compile in the midst of the timed ones.
    model.compile(keras.optimizers.Adam(1e-3), loss, jit_compile=True)
    return model


def run(
    task: Task, seconds: float, backward_samples: int | None = None
) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    model = make_model(task, backward_samples)
    x = data(task.num_examples)

    def run_epochs(epochs):
        model.fit(x, batch_size=task.batch_size, epochs=epochs, verbose=0)

    return throughput(run_epochs, task.num_examples, seconds)
