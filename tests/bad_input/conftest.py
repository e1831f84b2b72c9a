"""Small models and data, made once, and what must not change in them."""

import os
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions


def _encoder(inputs, layer, name=None):
    hidden = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    params = keras.layers.Dense(layer._params_size())(hidden)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], layer(params), name=name)


class World:
    """Models of x `[N, 4]`, compiled to run eagerly, and a directory to write to."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        layers = tfgen.layers
        self.x = np.tile([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]], [4, 1])
        self.x = self.x.astype("float32")
        self.c = np.tile([[0.0], [1.0]], [4, 1]).astype("float32")
        self.index = np.arange(8)
        x, z = keras.Input([4], name="x"), keras.Input([2], name="z")
        c = keras.Input([1], name="c")
        self.encoder = _encoder([x], layers.MultivariateNormalDiag(2))
        self.decoder = _encoder([z], layers.IndependentBernoulli(4))
        self.vae = tfgen.models.VAE(self.encoder, self.decoder)
        self.conditional = tfgen.models.VAE(
            _encoder([x, c], layers.MultivariateNormalDiag(2)),
            _encoder([z, c], layers.IndependentBernoulli(4)),
        )
        self.counts = tfgen.models.VAE(
            _encoder([x], layers.MultivariateNormalDiag(2)),
            _encoder([z], layers.IndependentPoisson(4)),
        )
        self.joint = tfgen.models.VAE(
            layers.JointDistribution(
                {
                    "a": _encoder([x], layers.MultivariateNormalDiag(2)),
                    "b": _encoder([x], layers.MultivariateNormalDiag(1)),
                }
            ),
            _encoder(
                [keras.Input([2], name="a"), keras.Input([1], name="b")],
                layers.IndependentBernoulli(4),
            ),
        )
        self.mean_field = tfgen.models.MeanFieldVAE(8, self.decoder)
        self.iwae = tfgen.models.IWAE(
            _encoder([x], layers.MultivariateNormalDiag(2)),
            _encoder([z], layers.IndependentBernoulli(4)),
        )
        for model in (self.vae, self.conditional, self.counts, self.joint, self.iwae):
            model.compile("sgd", run_eagerly=True)
        self.mean_field.compile("sgd", run_eagerly=True)
        self.generator = keras.Sequential([keras.Input([3]), keras.layers.Dense(4)])
        self.discriminator = keras.Sequential([keras.Input([4]), keras.layers.Dense(1)])
        self.gan = tfgen.models.GAN(self.generator, self.discriminator, 3)
        self.gan.compile("sgd", "sgd", run_eagerly=True)
        named = keras.layers.Concatenate()
        noise = keras.Input([3], name="z")
        self.conditional_gan = tfgen.models.GAN(
            keras.Model([noise, c], keras.layers.Dense(4)(named([noise, c]))),
            keras.Model([x, c], keras.layers.Dense(1)(named([x, c]))),
            3,
        )
        self.conditional_gan.compile("sgd", "sgd", run_eagerly=True)
        self.q = self.vae.encode(self.x)
        self.p = tfd.MultivariateNormalDiag(tf.zeros([2]))
        self.log_weights = tf.zeros([3, 8])
        self.models = [m for m in vars(self).values() if isinstance(m, keras.Model)]
        self.directory: pathlib.Path | None = None

    def dataset(self, *arrays, batch=4):
        """A `tf.data.Dataset` of batches of arrays; of single examples for `batch=None`."""
        data = tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0])
        return data if batch is None else data.batch(batch)

    def state(self):
        """All weights, and the names and contents of all files."""
        weights = [v.numpy().tobytes() for model in self.models for v in model.weights]
        files = {
            os.path.join(root, name): pathlib.Path(root, name).read_bytes()
            for root, _, names in os.walk(self.directory)
            for name in names
        }
        directories = [root for root, _, _ in os.walk(self.directory)]
        return weights, files, directories


@pytest.fixture(scope="session")
def session_world() -> World:
    return World()


@pytest.fixture
def world(session_world, tmp_path, monkeypatch) -> World:
    """The session's models, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    session_world.directory = tmp_path
    return session_world
