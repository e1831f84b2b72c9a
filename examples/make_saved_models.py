r"""Makes `saved_models/`: small trained models, ready to serve, and the server's files.

    python examples/make_saved_models.py

Each model is trained on scikit-learn's 8x8 digits, in about half a minute, and written
as `saved_models/NAME/1`, a version directory as TensorFlow Serving reads it, beside
`saved_models/NAME/NAME.keras`, the same model as Keras reads it. Run again, it replaces
them. `saved_models/README.md` says how to serve them.
"""

import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags, logging

import tfgen

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "saved_models", "Where to write.")
_EPOCHS = flags.DEFINE_integer("epochs", 100, "Passes over the data.", lower_bound=1)
_MODELS = flags.DEFINE_multi_enum(
    "model", ["vae_digits", "iwae_digits"], ["vae_digits", "iwae_digits"], "What to make."
)

SHAPE = (8, 8, 1)
LATENT_DIM = 8
UNITS = 128


def dense_layers() -> list[keras.layers.Layer]:
    """Two hidden layers."""
    return [keras.layers.Dense(UNITS, activation="relu") for _ in range(2)]


def make_vae(kind: type[tfgen.models.VAE]) -> tfgen.models.VAE:
    """A Gaussian posterior with a full covariance, a Bernoulli a pixel."""
    posterior = tfgen.layers.MultivariateNormalTriL
    likelihood = tfgen.layers.IndependentBernoulli
    encoder = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Flatten(),
            *dense_layers(),
            keras.layers.Dense(posterior.params_size(LATENT_DIM)),
            posterior(LATENT_DIM),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.layers.Input([LATENT_DIM]),
            *dense_layers(),
            keras.layers.Dense(likelihood.params_size(SHAPE)),
            likelihood(SHAPE),
        ]
    )
    return kind(encoder, decoder)


def train_vae(kind: type[tfgen.models.VAE], loss: str) -> tfgen.models.VAE:
    """Trains on four fifths of the digits, and says what it makes of the others."""
    x_train, x_test = tfgen.datasets.load_digits()
    steps = _EPOCHS.value * (len(x_train) // 64 + 1)
    model = make_vae(kind)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)), loss
    )
    model.fit(x_train, batch_size=64, epochs=_EPOCHS.value, verbose=0)
    log_likelihood = np.mean(model.log_prob(x_test, 5000, seed=0))
    print(
        f"  held-out log p(x) {log_likelihood:.2f} nats a digit, by 5,000 samples of q(z|x)"
    )
    trained = make_vae(kind)  # without the optimizer's state, which is twice the weights
    trained.build((None, *SHAPE))
    trained.set_weights(model.get_weights())
    return trained


MAKERS = {
    "vae_digits": lambda: train_vae(tfgen.models.VAE, "elbo"),
    "iwae_digits": lambda: train_vae(tfgen.models.IWAE, "iwlb"),
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
