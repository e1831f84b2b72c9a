"""Small models that the tests of this folder share."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

import tfgen

SHAPE = (8, 8, 1)


def dense_encoder(layer, latent_dim, shape=SHAPE):
    return keras.Sequential(
        [
            keras.layers.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(layer.params_size(latent_dim)),
            layer(latent_dim),
        ]
    )


def dense_decoder(latent_dim, shape=SHAPE, likelihood=tfgen.layers.IndependentBernoulli):
    return keras.Sequential(
        [
            keras.layers.Input([latent_dim]),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(likelihood.params_size(shape)),
            likelihood(shape),
        ]
    )


def conv_encoder(layer, latent_dim):
    image = keras.Input(SHAPE)
    hidden = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(image)
    hidden = keras.layers.BatchNormalization()(hidden)
    hidden = keras.layers.Flatten()(hidden)
    params = keras.layers.Dense(layer.params_size(latent_dim))(hidden)
    return keras.Model(image, layer(latent_dim)(params))


def conv_decoder(latent_dim):
    z = keras.Input([latent_dim])
    hidden = keras.layers.Dense(4 * 4 * 4, activation="relu")(z)
    hidden = keras.layers.Reshape([4, 4, 4])(hidden)
    hidden = keras.layers.Conv2DTranspose(1, 4, strides=2, padding="same")(hidden)
    logits = keras.layers.Flatten()(hidden)
    return keras.Model(z, tfgen.layers.IndependentBernoulli(SHAPE)(logits))


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """128 binary digits, `[128, 8, 8, 1]`."""
    return tfgen.datasets.load_digits()[0][:128]


@pytest.fixture
def make_vae() -> Callable[..., tfgen.models.VAE]:
    """Makes a small model of digits: `make_vae(cls, layer, latent_dim)`."""

    def make(
        cls=tfgen.models.VAE,
        layer=tfgen.layers.MultivariateNormalTriL,
        latent_dim=3,
        convolutional=False,
        **kwargs,
    ):
        if convolutional:
            return cls(conv_encoder(layer, latent_dim), conv_decoder(latent_dim), **kwargs)
        return cls(dense_encoder(layer, latent_dim), dense_decoder(latent_dim), **kwargs)

    return make
