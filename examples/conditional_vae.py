r"""Trains a VAE of images given their class, and one without the class.

    python examples/conditional_vae.py --dataset=fashion_mnist --epochs=20

Both have the same networks, with inputs named x, z and c, the class. `fit` takes
`{"x": x, "c": c}`; encoder, decoder and prior each take the entries that their inputs are
named after. The program prints log p(x | c) of held-out images and, summed over the ten
classes, their log p(x) by both models, and draws samples, one row for each class.

Copy this file and change it: the three networks are in three functions.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags, logging
from scipy.special import logsumexp

import tfgen

_DATASETS = {
    "digits": tfgen.datasets.load_digits,
    "mnist": tfgen.datasets.load_mnist,
    "fashion_mnist": tfgen.datasets.load_fashion_mnist,
}
_DATASET = flags.DEFINE_enum("dataset", "digits", sorted(_DATASETS), "What to train on.")
_LATENT_DIM = flags.DEFINE_integer("latent_dim", 16, "The size of z.", lower_bound=1)
_UNITS = flags.DEFINE_integer("units", 256, "Units in a hidden layer.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 60, "Passes over the data.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples a step.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 2e-3, "Adam's, at the start.")
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", 500, "Importance samples an image for log p(x).", lower_bound=2
)
_NUM_EVALUATED = flags.DEFINE_integer(
    "num_evaluated", 1000, "Held-out images to evaluate.", lower_bound=2
)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", "out/conditional_vae", "Where the picture goes."
)
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir", None, "Base directory of the SavedModel; not exported unless given."
)

NUM_CLASSES = 10


def hidden(inputs: list) -> keras.KerasTensor:
    """Two hidden layers on the concatenated inputs; an integer c is embedded first."""
    flat = [
        keras.layers.Embedding(NUM_CLASSES, 32)(tensor)
        if tensor.dtype.startswith("int")
        else keras.layers.Flatten()(tensor)
        for tensor in inputs
    ]
    h = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    h = keras.layers.Dense(_UNITS.value, activation="relu")(h)
    return keras.layers.Dense(_UNITS.value, activation="relu")(h)


def make_encoder(shape: tuple[int, ...], conditions: list) -> keras.Model:
    """q(z|x, c)."""
    layer = tfgen.layers.MultivariateNormalDiag
    inputs = [keras.Input(shape, name="x"), *conditions]
    params = keras.layers.Dense(layer.params_size(_LATENT_DIM.value))(hidden(inputs))
    return keras.Model(inputs, layer(_LATENT_DIM.value)(params), name="encoder")


def make_decoder(shape: tuple[int, ...], conditions: list) -> keras.Model:
    """p(x|z, c): a Bernoulli for each pixel."""
    layer = tfgen.layers.IndependentBernoulli
    inputs = [keras.Input([_LATENT_DIM.value], name="z"), *conditions]
    params = keras.layers.Dense(layer.params_size(shape))(hidden(inputs))
    return keras.Model(inputs, layer(shape)(params), name="decoder")


def make_prior(condition: keras.KerasTensor) -> keras.Model:
    """p(z|c): a Gaussian for each class."""
    layer = tfgen.layers.MultivariateNormalDiag
    size = layer.params_size(_LATENT_DIM.value)
    params = keras.layers.Embedding(NUM_CLASSES, size)(condition)
    return keras.Model(condition, layer(_LATENT_DIM.value)(params), name="prior")


def make_vae(shape: tuple[int, ...], conditional: bool) -> tfgen.models.VAE:
    """The model, with the class as a condition or without it."""
    if not conditional:
        return tfgen.models.IWAE(make_encoder(shape, []), make_decoder(shape, []))
    c = keras.Input([], dtype="int64", name="c")
    return tfgen.models.IWAE(
        make_encoder(shape, [c]), make_decoder(shape, [c]), make_prior(c)
    )


def train(model: tfgen.models.VAE, data: object, count: int) -> None:
    """Trains by the importance-weighted bound, K = 5."""
    steps = _EPOCHS.value * -(-count // _BATCH_SIZE.value)
    schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE.value, steps)
    model.compile(keras.optimizers.Adam(schedule), tfgen.losses.IWLB(5))
    model.fit(data, batch_size=_BATCH_SIZE.value, epochs=_EPOCHS.value, verbose=0)


def print_row(name: str, values: np.ndarray) -> None:
    error = values.std(ddof=1) / np.sqrt(len(values))
    print(f"  {name:<46} {values.mean():9.3f} ± {error:.3f}")


def report(plain: tfgen.models.VAE, conditional: tfgen.models.VAE, test: tuple) -> None:
    """Prints log p(x | c) and log p(x) on held-out images."""
    chosen = np.random.default_rng(0).permutation(len(test[0]))[: _NUM_EVALUATED.value]
    x, c = test[0][chosen], test[1][chosen]
    k = _NUM_SAMPLES.value
    by_class = np.stack(
        [
            conditional.log_prob({"x": x, "c": np.full_like(c, i)}, k, seed=1)
            for i in range(NUM_CLASSES)
        ]
    )
    print(f"held-out {_DATASET.value}, {len(x)} images, {k} samples, nats an image")
    print_row("log p(x), not told the class", np.asarray(plain.log_prob(x, k, seed=1)))
    print_row("log p(x | c), told the class", by_class[c, np.arange(len(c))])
    marginal = logsumexp(by_class, axis=0) - np.log(NUM_CLASSES)
    print_row("log p(x) = log mean_c p(x | c), the same model", marginal)
    right = (by_class.argmax(axis=0) == c).mean()
    print(f"  class with the largest p(x | c) is right for {right:.1%}")


def main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    start = time.perf_counter()
    keras.utils.set_random_seed(_SEED.value)
    (x, c), test = _DATASETS[_DATASET.value](labels=True)
    plain = make_vae(x.shape[1:], conditional=False)
    train(plain, x, len(x))
    conditional = make_vae(x.shape[1:], conditional=True)
    train(conditional, {"x": x, "c": c}, len(x))
    report(plain, conditional, test)
    rows = np.repeat(np.arange(NUM_CLASSES), 12)
    means = conditional.sample_mean(seed=_SEED.value, condition={"c": rows})
    path = os.path.join(_OUTPUT_DIR.value, "samples_by_class.png")
    labels = [f"c = {label}" for label in range(NUM_CLASSES)]
    tfgen.plots.image_grid(means, num_columns=12, row_labels=labels, filepath=path)
    print(f"wrote {path}, in all {time.perf_counter() - start:.0f} s")
    if _EXPORT_DIR.value:
        print("wrote", conditional.export(_EXPORT_DIR.value))


if __name__ == "__main__":
    app.run(main)
