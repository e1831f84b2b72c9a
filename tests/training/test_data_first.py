"""Where only its end tells how long a dataset is, no step is counted that was not run."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen

ROWS, BATCH, EPOCHS, STEPS = 10, 4, 2, 3  # batches of 4, 4 and 2 in an epoch
X = (np.random.default_rng(0).random([ROWS, 6]) < 0.5).astype("float32")


def decoder():
    layers = [keras.layers.Dense(6), tfgen.layers.IndependentBernoulli([6])]
    return keras.Sequential([keras.Input([2]), *layers])


def vae():
    posterior = tfgen.layers.MultivariateNormalDiag
    layers = [keras.layers.Dense(posterior.params_size(2)), posterior(2)]
    model = tfgen.models.VAE(keras.Sequential([keras.Input([6]), *layers]), decoder())
    model.compile(keras.optimizers.Adam(), jit_compile=False)
    return model, X, [model.optimizer]


def mean_field():
    model = tfgen.models.MeanFieldVAE(ROWS, decoder())
    model.compile(keras.optimizers.Adam(), jit_compile=False)
    return model, (np.arange(ROWS), X), [model.optimizer]


def gan():
    generator = keras.Sequential([keras.Input([3]), keras.layers.Dense(6)])
    discriminator = keras.Sequential([keras.Input([6]), keras.layers.Dense(1)])
    model = tfgen.models.GAN(generator, discriminator, latent_dim=3)
    model.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), jit_compile=False)
    return model, X, [model.generator_optimizer, model.discriminator_optimizer]


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # Keras's, in epoch 1
@pytest.mark.parametrize("make", [vae, mean_field, gan])
def test_the_end_of_the_data_counts_no_step(make):
    model, data, optimizers = make()
    batches = tf.data.Dataset.from_tensor_slices(data).batch(BATCH)
    unknown = batches.filter(lambda *batch: True)
    assert int(unknown.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    model.fit(unknown, epochs=EPOCHS, verbose=0)
    counters = [model._train_step_number, *(o.iterations for o in optimizers)]
    assert {int(counter.value) for counter in counters} == {EPOCHS * STEPS}
