r"""How good samples of GANs, a VAE and an IWAE are, by measures that need no download.

    python benchmarks/sample_quality.py --dataset=digits --dataset=fashion_mnist

A classifier is trained on the real training images; its last hidden layer, of 64 units,
is the space in which samples are measured against the real test images, as many of one
as of the other. All generators have the same network (for VAE and IWAE it ends in the
logits of a Bernoulli a pixel, and a sample is its mean: a draw would be binary noise on
grey images). The row of the training images is what perfect samples would get.
"""

import os
import platform
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from absl import app, flags

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "examples")]

import gan_recipes  # noqa: E402 - after the path is set

import tfgen  # noqa: E402
from tfgen import evaluation  # noqa: E402

LOADERS = {
    "digits": tfgen.datasets.load_digits,
    "fashion_mnist": tfgen.datasets.load_fashion_mnist,
}
EPOCHS = {  # of the classifier, and of VAE and IWAE
    "digits": (40, 150),
    "fashion_mnist": (4, 8),
}

_DATASET = flags.DEFINE_multi_enum("dataset", ["digits"], sorted(LOADERS), "Real data.")
_MODEL = flags.DEFINE_multi_string(
    "model",
    ["maximum_likelihood", "non_saturating", "elbo", "iwlb"],
    "GAN objectives and bounds.",
)
_EPOCHS = flags.DEFINE_integer("epochs", None, "Of every generator; by default by recipe.")
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "out/sample_quality", "Where pictures go.")

layers = keras.layers


def train_classifier(dataset: str) -> tuple[keras.Model, np.ndarray, np.ndarray, float]:
    """Images to 64 features of mean square 1; both splits' images; the test accuracy."""
    (x, y), (x_test, y_test) = LOADERS[dataset]("unit", labels=True)
    keras.utils.set_random_seed(_SEED.value)
    features = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
        ]
    )
    classifier = keras.Sequential([features, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile("adam", loss, metrics=["accuracy"])
    classifier.fit(x, y, batch_size=64, epochs=EPOCHS[dataset][0], verbose=0)
    _, accuracy = classifier.evaluate(x_test, y_test, verbose=0)
    scale = 1.0 / np.sqrt(np.mean(features.predict(x, verbose=0) ** 2))
    return keras.Sequential([features, layers.Rescaling(scale)]), x, x_test, accuracy


def sample_gan(dataset: str, loss: str, num_samples: int) -> np.ndarray:
    """Samples of a GAN by its recipe."""
    recipe = gan_recipes.RECIPES[dataset](_SEED.value)
    recipe.epochs = _EPOCHS.value or recipe.epochs
    gan = recipe.compiled(loss)
    gan.fit(recipe.x, batch_size=recipe.batch_size, epochs=recipe.epochs, verbose=0)
    return gan.sample(num_samples, seed=_SEED.value).numpy()


def sample_vae(dataset: str, bound: str, num_samples: int) -> np.ndarray:
    """Means of p(x|z), z from the prior, of a VAE or IWAE with the GAN's generator."""
    recipe = gan_recipes.RECIPES[dataset](_SEED.value)
    shape, latent_dim = recipe.x.shape[1:], recipe.latent_dim
    posterior = tfgen.layers.MultivariateNormalDiag
    likelihood = tfgen.layers.IndependentBernoulli(shape)
    encoder = keras.Sequential(
        [
            *recipe.discriminator.layers[:-1],
            layers.Dense(posterior.params_size(latent_dim)),
            posterior(latent_dim),
        ]
    )
    recipe.generator.layers[-1].activation = keras.activations.linear
    decoder = keras.Sequential([*recipe.generator.layers, layers.Flatten(), likelihood])
    kind = tfgen.models.IWAE if bound == "iwlb" else tfgen.models.VAE
    model = kind(encoder, decoder)
    epochs = _EPOCHS.value or EPOCHS[dataset][1]
    updates = epochs * -(-len(recipe.x) // recipe.batch_size)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, updates, alpha=0.01)
    model.compile(keras.optimizers.Adam(rate))
    model.fit(recipe.x, batch_size=recipe.batch_size, epochs=epochs, verbose=0)
    z = tfgen.random.normal(tfgen.random.key(_SEED.value), [num_samples, latent_dim])
    return model.decode(z).mean().numpy()


def measures(real: np.ndarray, samples: np.ndarray) -> list[str]:
    """The cells of a row."""
    precision, recall = evaluation.precision_recall(real, samples)
    density, coverage = evaluation.density_coverage(real, samples)
    return [
        f"{evaluation.frechet_distance(real, samples):.2f}",
        f"{evaluation.kernel_distance(real, samples):.3f}",
        *(f"{value:.2f}" for value in (precision, recall, density, coverage)),
    ]


def main(argv: list[str]) -> None:
    del argv
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    for dataset in _DATASET.value:
        features, x, x_test, accuracy = train_classifier(dataset)
        size = len(x_test)
        print(f"\n{dataset}: {size} samples; the classifier is right on {accuracy:.1%}\n")
        names = [
            "samples",
            "Fréchet",
            "kernel",
            "precision",
            "recall",
            "density",
            "coverage",
        ]
        print(f"| {' | '.join([*names, 'seconds'])} |\n{'|---' * 8}|", flush=True)
        real = features.predict(x_test, verbose=0)
        chosen = np.random.default_rng(0).choice(len(x), size, replace=False)
        row = measures(real, features.predict(x[chosen], verbose=0))
        print(f"| training images | {' | '.join(row)} | |", flush=True)
        for model in _MODEL.value:
            start = time.perf_counter()
            sample = sample_vae if model in ("elbo", "iwlb") else sample_gan
            samples = sample(dataset, model, size)
            seconds = time.perf_counter() - start
            path = os.path.join(_OUTPUT_DIR.value, dataset, f"{model}.png")
            tfgen.plots.save_image_grid(path, samples[:100], num_columns=10, zoom=3)
            row = measures(real, features.predict(samples, verbose=0))
            kind = {"elbo": "VAE", "iwlb": "IWAE"}.get(model, f"GAN, {model}")
            print(f"| {kind} | {' | '.join(row)} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    app.run(main)
