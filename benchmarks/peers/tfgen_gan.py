"""tfgen: `GAN.fit` with the maximum-likelihood objective."""

import keras

import tfgen
from benchmarks.peers.task import GAN_LATENT, GAN_UNITS, PIXELS, Task, data, throughput
from benchmarks.peers.tfgen_fit import down, up

__all__ = ["run"]


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    dense = keras.layers.Dense
    convolutional = task.network == "convolutional"
    if convolutional:
        generator = [*up(), keras.layers.Activation("sigmoid")]
        discriminator = [*down(), dense(1)]
    else:
        hidden = lambda: [dense(GAN_UNITS, "relu") for _ in range(2)]
        generator = [*hidden(), dense(PIXELS, "sigmoid")]
        discriminator = [*hidden(), dense(1)]
    gan = tfgen.models.GAN(
        keras.Sequential([keras.Input([GAN_LATENT]), *generator]),
        keras.Sequential([keras.Input([PIXELS]), *discriminator]),
        GAN_LATENT,
    )
    adam = lambda: keras.optimizers.Adam(2e-4, beta_1=0.5)
    loss = "normalized_maximum_likelihood"
    jit_compile = "auto" if convolutional else True  # see `tfgen_fit`
    gan.compile(adam(), adam(), loss=loss, jit_compile=jit_compile)
    x = data(task.num_examples)

    def run_epochs(epochs: int) -> None:
        gan.fit(x, batch_size=task.batch_size, epochs=epochs, verbose=0)

    return throughput(run_epochs, task.num_examples, seconds)
