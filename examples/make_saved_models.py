r"""Makes `saved_models/`: small trained models, ready to serve, and the server's files.

    python examples/make_saved_models.py

Each model is trained on scikit-learn's 8x8 digits, in about half a minute, and written
as `saved_models/NAME/1`, a version directory as TensorFlow Serving reads it, beside
`saved_models/NAME/NAME.keras`, the same model as Keras reads it. A second run replaces
them. `saved_models/README.md` says how to serve them.
"""

import os
import shutil
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags, logging

import tfgen

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "saved_models", "Where to write.")
_NAMES = ("vae_digits", "iwae_digits", "conditional_digits", "gan_digits")
_MODELS = flags.DEFINE_multi_enum("model", _NAMES, _NAMES, "What to make; all by default.")
_EPOCHS = flags.DEFINE_integer(
    "epochs", 100, "Passes over the data; four times as many for the GAN.", lower_bound=1
)

SHAPE = (8, 8, 1)
UNITS = 128


def network(shape: tuple[int, ...], last: list, activation: str = "relu") -> keras.Model:
    """Two hidden layers, then `last`."""
    hidden = [keras.layers.Dense(UNITS, activation=activation) for _ in range(2)]
    return keras.Sequential(
        [keras.layers.Input(shape), keras.layers.Flatten(), *hidden, *last]
    )


def make_vae(kind: type[tfgen.models.VAE]) -> tfgen.models.VAE:
    """A Gaussian posterior with a full covariance, a Bernoulli for each pixel."""
    posterior, latent_dim = tfgen.layers.MultivariateNormalTriL, 8
    likelihood = tfgen.layers.IndependentBernoulli
    q_size, p_size = posterior.params_size(latent_dim), likelihood.params_size(SHAPE)
    encoder = network(SHAPE, [keras.layers.Dense(q_size), posterior(latent_dim)])
    decoder = network([latent_dim], [keras.layers.Dense(p_size), likelihood(SHAPE)])
    return kind(encoder, decoder)


def make_conditional() -> tfgen.models.VAE:
    """The same networks, given the class: q(z|x, c), p(x|z, c), and N(0, I) for z."""
    posterior, latent_dim = tfgen.layers.MultivariateNormalDiag, 8
    likelihood = tfgen.layers.IndependentBernoulli
    x, z = keras.Input(SHAPE, name="x"), keras.Input([latent_dim], name="z")
    c = keras.Input([], dtype="int64", name="c")

    def params(value: keras.KerasTensor, size: int) -> keras.KerasTensor:
        label = keras.layers.Embedding(10, 16)(c)
        h = keras.layers.Concatenate()([keras.layers.Flatten()(value), label])
        for _ in range(2):
            h = keras.layers.Dense(UNITS, activation="relu")(h)
        return keras.layers.Dense(size)(h)

    q = posterior(latent_dim)(params(x, posterior.params_size(latent_dim)))
    p = likelihood(SHAPE)(params(z, likelihood.params_size(SHAPE)))
    return tfgen.models.IWAE(keras.Model([x, c], q), keras.Model([z, c], p))


def train_vae(make: Callable[[], tfgen.models.VAE], loss: str) -> tfgen.models.VAE:
    """Trains on four fifths of the digits, and prints its bound on the others."""
    (x_train, c_train), (x_test, c_test) = tfgen.datasets.load_digits(labels=True)
    steps = _EPOCHS.value * (len(x_train) // 64 + 1)
    model = make()
    conditional = bool(model.structure.conditions)
    train, test = (
        {"x": x, "c": c} if conditional else x
        for x, c in ((x_train, c_train), (x_test, c_test))
    )
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)), loss
    )
    model.fit(train, batch_size=64, epochs=_EPOCHS.value, verbose=0)
    log_likelihood = np.mean(model.log_prob(test, 5000, seed=0))
    print(
        f"  held-out log p(x{'|c' if conditional else ''}) {log_likelihood:.2f} nats a "
        "digit, by 5,000 samples of q"
    )
    trained = make()  # without the optimizer's state, which is twice the weights
    trained.set_weights(model.get_weights())
    return trained


def make_gan() -> tfgen.models.GAN:
    """A generator of intensities in [0, 1], and a discriminator that ends in a logit."""
    pixels = keras.layers.Dense(64, activation="sigmoid")
    generator = network([16], [pixels, keras.layers.Reshape(SHAPE)])
    discriminator = network(SHAPE, [keras.layers.Dense(1)], activation="leaky_relu")
    return tfgen.models.GAN(generator, discriminator, latent_dim=16)


def train_gan() -> tfgen.models.GAN:
    """Trains by maximum likelihood, and prints how its samples compare with digits."""
    x_train, x_test = tfgen.datasets.load_digits("unit")
    model = make_gan()
    model.compile(
        keras.optimizers.Adam(3e-4, beta_1=0.5),
        keras.optimizers.Adam(6e-4, beta_1=0.5),
        loss=tfgen.losses.MaximumLikelihood(normalize=True),
        gradient_penalty="r1",
        gradient_penalty_weight=0.3,
        generator_ema=0.999,
    )
    model.fit(x_train, batch_size=128, epochs=4 * _EPOCHS.value, verbose=0)
    samples = model.sample(len(x_test), seed=0).numpy()
    near = tfgen.evaluation.precision_recall(
        *(x.reshape(-1, 64) for x in (x_test, samples))
    )
    print(f"  precision {near.precision:.2f}, recall {near.recall:.2f} of held-out digits")
    trained = make_gan()
    trained.generator.set_weights(model.averaged_generator.get_weights())
    trained.discriminator.set_weights(model.discriminator.get_weights())
    return trained


MAKERS = {
    "vae_digits": lambda: train_vae(lambda: make_vae(tfgen.models.VAE), "elbo"),
    "iwae_digits": lambda: train_vae(lambda: make_vae(tfgen.models.IWAE), "iwlb"),
    "conditional_digits": lambda: train_vae(make_conditional, "iwlb"),
    "gan_digits": train_gan,
}


def main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    for name in _MODELS.value:
        print(name)
        keras.utils.set_random_seed(0)
        model = MAKERS[name]()
        base = os.path.join(_OUTPUT_DIR.value, name)
        shutil.rmtree(base, ignore_errors=True)
        path = model.export(base)
        model.save(os.path.join(base, f"{name}.keras"))
        print(f"  wrote {path}")
    served = tfgen.serving.write_config(_OUTPUT_DIR.value)
    print("models.config lists", *served)


if __name__ == "__main__":
    app.run(main)
