"""tfgen: `VAE.fit`, as in the README."""

import keras

import tfgen
from benchmarks.peers.task import LATENT, PIXELS, UNITS, Task, data, throughput

__all__ = ["make_model", "run"]


def make_model(num_samples: int, backward_samples: int | None = None) -> tfgen.models.VAE:
    """The task's model, compiled."""
    dense, layers = keras.layers.Dense, tfgen.layers
    encoder = keras.Sequential(
        [
            keras.layers.Input([PIXELS]),
            dense(UNITS, "tanh"),
            dense(UNITS, "tanh"),
            dense(2 * LATENT),
            layers.MultivariateNormalDiag(LATENT),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.layers.Input([LATENT]),
            dense(UNITS, "tanh"),
            dense(UNITS, "tanh"),
            dense(PIXELS),
            layers.IndependentBernoulli([PIXELS]),
        ]
    )
    model = tfgen.models.VAE(encoder, decoder)
    if num_samples == 1:
        loss: tfgen.losses.Bound = tfgen.losses.ELBO()
    else:
        loss = tfgen.losses.IWLB(num_samples, backward_samples=backward_samples)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    return model


def run(
    task: Task, seconds: float, backward_samples: int | None = None
) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    model = make_model(task.num_samples, backward_samples)
    x = data(task.num_examples)

    def run_epoch():
        model.fit(x, batch_size=task.batch_size, verbose=0)

    return throughput(run_epoch, task.num_examples, seconds)
