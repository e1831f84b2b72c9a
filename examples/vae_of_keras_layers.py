r"""A VAE of plain Keras models and distribution layers, without tfgen's model classes.

    python examples/vae_of_keras_layers.py

The encoder ends in a posterior whose KL divergence from the prior is a regularizer, the
decoder in a likelihood, and the loss is the negative log-likelihood: together the negative
ELBO. After TFP's "Variational autoencoder with probabilistic layers". `train_vae.py` does
the same by `tfgen.models.VAE`, which also has importance-weighted bounds, log p(x) and
export. Use this way for a model of another structure.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

_LATENT_DIM = flags.DEFINE_integer("latent_dim", 8, "The size of z.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 60, "Passes over the data.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "out/vae_of_keras_layers", "Where pictures and the model go."
)


def make_encoder(shape: tuple[int, ...], prior: tfd.Distribution) -> keras.Model:
    size = int(prior.event_shape[0])
    return keras.Sequential(
        [
            keras.layers.Input(shape),
            keras.layers.Conv2D(32, 3, 2, "same", activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(tfl.MultivariateNormalTriL.params_size(size)),
            tfl.MultivariateNormalTriL(
                size,
                activity_regularizer=tfl.KLDivergenceRegularizer(prior, use_exact_kl=True),
            ),
        ],
        name="encoder",
    )


def make_decoder(shape: tuple[int, ...], size: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.layers.Input([size]),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dense(tfl.IndependentBernoulli.params_size(shape)),
            tfl.IndependentBernoulli(shape),
        ],
        name="decoder",
    )


def main(argv: list[str]) -> None:
    del argv
    keras.utils.set_random_seed(_SEED.value)
    x_train, x_test = tfgen.datasets.load_digits()
    shape = x_train.shape[1:]
    prior = tfd.MultivariateNormalDiag(tf.zeros([_LATENT_DIM.value]))
    encoder = make_encoder(shape, prior)
    decoder = make_decoder(shape, _LATENT_DIM.value)
    # The decoder gets the tensor that q(z|x) converts to: one draw for each example.
    model = keras.Model(encoder.inputs[0], decoder(encoder.outputs[0]), name="vae")
    model.compile(keras.optimizers.Adam(1e-3), tfgen.losses.NegativeLogLikelihood())
    history = model.fit(
        x_train,
        x_train,
        batch_size=64,
        epochs=_EPOCHS.value,
        validation_data=(x_test, x_test),
        verbose=0,
    ).history
    print("ELBO, nats an example:")
    for name, key in (("training", "loss"), ("held out", "val_loss")):
        values = -np.array(history[key])
        print(f"  {name:<10} {values[0]:8.2f} -> {values[-1]:8.2f}")
    z = prior.sample(64, seed=(0, _SEED.value))
    samples = os.path.join(_OUTPUT_DIR.value, "samples.png")
    tfgen.plots.save_image_grid(samples, decoder(z).mean(), zoom=6)
    saved = os.path.join(_OUTPUT_DIR.value, "vae.keras")
    model.save(saved)
    print("wrote:", samples, saved, sep="\n  ")


if __name__ == "__main__":
    app.run(main)
