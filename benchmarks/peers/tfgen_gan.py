"""tfgen: `GAN.fit` with the maximum-likelihood objective."""

import keras

import tfgen
from benchmarks.peers.task import PIXELS, Task, data, throughput

__all__ = ["LATENT", "UNITS", "run"]

LATENT, UNITS = 64, 256


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    dense = keras.layers.Dense
    generator = [dense(UNITS, "relu"), dense(UNITS, "relu"), dense(PIXELS, "sigmoid")]
    discriminator = [dense(UNITS, "relu"), dense(UNITS, "relu"), dense(1)]
    gan = tfgen.models.GAN(
        keras.Sequential([keras.Input([LATENT]), *generator]),
        keras.Sequential([keras.Input([PIXELS]), *discriminator]),
        LATENT,
    )
    adam = lambda: keras.optimizers.Adam(2e-4, beta_1=0.5)
    loss = "normalized_maximum_likelihood"
    gan.compile(adam(), adam(), loss=loss, jit_compile=True)
    x = data(task.num_examples)

    def run_epochs(epochs):
        gan.fit(x, batch_size=task.batch_size, epochs=epochs, verbose=0)

    return throughput(run_epochs, task.num_examples, seconds)
