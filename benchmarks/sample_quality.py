r"""Measures samples of GANs, a VAE and an IWAE, without downloading a network.

    python benchmarks/sample_quality.py --dataset=digits
    python benchmarks/sample_quality.py --dataset=fashion_mnist --minutes=15 \
        --model=normalized_maximum_likelihood --model=non_saturating \
        --model=relativistic_pairing --model=pytorch

A classifier is trained on the real training images; its last hidden layer, of 64 units,
gives the features in which samples are compared with the same number of real test
images. All generators have the same network (for VAE and IWAE it ends in the
logits of a Bernoulli a pixel, and a sample is its mean: a draw would be binary noise on
grey images). The row of the training images shows what perfect samples would get.

With `--minutes` GANs train for that many minutes of CPU time on one thread, compilation
included, at constant learning rates, and `pytorch` is the same GAN written in PyTorch with
the non-saturating loss, trained for as long. The samples of each GAN are also corrected by
rejection, with a logit calibrated on 5,000 training images that were held out. A row that
is in the file of results is not run again.
"""

import json
import os
import pathlib
import platform
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
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

STEPS_PER_EXECUTION = 20
WIDTHS = {"digits": 64, "fashion_mnist": 32}  # of the networks in `gan_recipes`
PENALTIES = {"relativistic_pairing": {"gradient_penalty": "r1_r2"}}  # that is R3GAN

_DATASET = flags.DEFINE_multi_enum("dataset", ["digits"], sorted(LOADERS), "Real data.")
_MODEL = flags.DEFINE_multi_string(
    "model",
    ["maximum_likelihood", "non_saturating", "elbo", "iwlb"],
    "GAN objectives and bounds.",
)
_EPOCHS = flags.DEFINE_integer("epochs", None, "Of every generator; by default by recipe.")
_MINUTES = flags.DEFINE_float(
    "minutes", None, "CPU minutes that each GAN trains for; by default by epochs."
)
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", None, "Samples and test images compared; by default all test images."
)
_RESULTS = flags.DEFINE_string(
    "results", "out/sample_quality.jsonl", "Where finished rows are kept."
)
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


class StopByCPUTime(keras.callbacks.Callback):
    """Stops after so many seconds of the process's CPU time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.end = time.process_time() + seconds
        self.steps = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Counts steps, and asks Keras to stop."""
        self.steps += STEPS_PER_EXECUTION
        if time.process_time() > self.end:
            self.model.stop_training = True


def train_gan(dataset: str, loss: str) -> tuple[tfgen.models.GAN, np.ndarray, int]:
    """A GAN by its recipe, the data held out from it, and its steps."""
    recipe = gan_recipes.RECIPES[dataset](_SEED.value)
    order = np.random.default_rng(_SEED.value).permutation(len(recipe.x))
    held_out = recipe.x[order[: len(order) // 12]]
    recipe.x = recipe.x[order[len(order) // 12 :]]
    recipe.epochs = _EPOCHS.value or recipe.epochs
    settings = PENALTIES.get(loss, {})
    options = {"batch_size": recipe.batch_size, "verbose": 0}
    if _MINUTES.value is None:
        gan = recipe.compiled(loss, **settings)
        gan.fit(recipe.x, epochs=recipe.epochs, **options)
        return gan, held_out, recipe.epochs * -(-len(recipe.x) // recipe.batch_size)
    gan = tfgen.models.GAN(recipe.generator, recipe.discriminator, recipe.latent_dim)
    adams = [
        keras.optimizers.Adam(rate, beta_1=0.5)
        for rate in (recipe.generator_rate, recipe.discriminator_rate)
    ]
    stop = StopByCPUTime(60 * _MINUTES.value)
    settings = {**recipe.settings, **settings, "steps_per_execution": STEPS_PER_EXECUTION}
    gan.compile(*adams, loss=loss, **settings)
    gan.fit(recipe.x, epochs=10_000, callbacks=[stop], **options)
    return gan, held_out, stop.steps


def sample_gan(dataset: str, loss: str, num_samples: int) -> dict[str, tuple]:
    """Samples and a remark, plain and corrected, of a GAN by its recipe."""
    gan, held_out, steps = train_gan(dataset, loss)
    plain = gan.sample(num_samples, seed=_SEED.value).numpy()
    rows = {"": (plain, f"{steps} steps")}
    try:
        calibration = gan.calibrate(held_out, seed=_SEED.value + 1, bound_quantile=0.95)
        correction = tfgen.models.RejectionSampling(
            num_proposals=64, calibration=calibration
        )
        samples, info = gan.sample(
            num_samples, seed=_SEED.value, correction=correction, return_info=True
        )
    except (ValueError, RuntimeError) as error:
        print(f"not corrected: {error}")
        return rows
    remark = (
        f"slope {calibration.slope:.2f}, calibration error {calibration.error_before:.3f} "
        f"to {calibration.error_after:.3f}, accepted {info.acceptance_rate:.2f}, "
        f"{np.mean(info.num_accepted == 0):.1%} of rows nothing"
    )
    return {**rows, ", corrected": (samples.numpy(), remark)}


def sample_torch(dataset: str, num_samples: int) -> dict[str, tuple]:
    """Samples and a remark of the same GAN written in PyTorch."""
    from benchmarks.peers import torch_gan

    recipe = gan_recipes.RECIPES[dataset](_SEED.value)
    order = np.random.default_rng(_SEED.value).permutation(len(recipe.x))
    samples, steps = torch_gan.train_and_sample(
        recipe.x[order[len(order) // 12 :]],
        latent_dim=recipe.latent_dim,
        width=WIDTHS[dataset],
        batch_size=recipe.batch_size,
        rate=recipe.generator_rate,
        penalty_weight=recipe.settings["gradient_penalty_weight"],
        decay=recipe.settings["generator_ema"],
        cpu_seconds=60 * _MINUTES.value,
        num_samples=num_samples,
        seed=_SEED.value,
    )
    return {"": (samples, f"{steps} steps")}


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
    extrapolated = "-"  # too few rows to split
    if len(real) >= 10 * real.shape[1]:
        limit, error = evaluation.extrapolated_frechet_distance(real, samples)
        extrapolated = f"{limit:.2f} ± {error:.2f}"
    return [
        f"{evaluation.frechet_distance(real, samples):.2f}",
        extrapolated,
        f"{evaluation.kernel_distance(real, samples):.3f}",
        *(f"{value:.2f}" for value in (precision, recall, density, coverage)),
    ]


COLUMNS = [
    "samples",
    "Fréchet",
    "Fréchet, N to infinity",
    "kernel",
    "precision",
    "recall",
    "density",
    "coverage",
    "CPU s",
    "remark",
]


def rows_of(dataset: str, model: str, features: keras.Model, real: np.ndarray) -> dict:
    """The table's rows of one model, by name."""
    start = time.process_time()
    if model == "pytorch":
        sets = sample_torch(dataset, len(real))
    elif model in ("elbo", "iwlb"):
        sets = {"": (sample_vae(dataset, model, len(real)), "")}
    else:
        sets = sample_gan(dataset, model, len(real))
    seconds = f"{time.process_time() - start:.0f}"
    kind = {"elbo": "VAE", "iwlb": "IWAE", "pytorch": "PyTorch, non_saturating"}
    rows = {}
    for suffix, (samples, remark) in sets.items():
        path = os.path.join(_OUTPUT_DIR.value, dataset, f"{model}{suffix}.png")
        tfgen.plots.save_image_grid(path, samples[:100], num_columns=10, zoom=3)
        cells = measures(real, features.predict(samples, verbose=0))
        name = kind.get(model, f"GAN, {model}") + suffix
        rows[name] = [*cells, seconds, remark]
    return rows


def finished() -> dict[str, dict]:
    """Rows by dataset, minutes, seed and model, from the file of results."""
    path = pathlib.Path(_RESULTS.value)
    lines = path.read_text().splitlines() if path.exists() else []
    return {row["key"]: row["rows"] for row in map(json.loads, lines)}


def keep(key: str, rows: dict) -> None:
    """Adds rows to the file of results."""
    os.makedirs(os.path.dirname(_RESULTS.value) or ".", exist_ok=True)
    with open(_RESULTS.value, "a", encoding="utf-8") as file:
        file.write(json.dumps({"key": key, "rows": rows}) + "\n")


def main(argv: list[str]) -> None:
    del argv
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if _MINUTES.value is None and "pytorch" in _MODEL.value:
        raise ValueError("`--model=pytorch` trains by `--minutes`, which must be given.")
    print(f"{platform.machine()}, one thread, {time.strftime('%Y-%m-%d')}")
    for dataset in _DATASET.value:
        features, x, x_test, accuracy = train_classifier(dataset)
        x_test = x_test[: _NUM_SAMPLES.value]
        size = len(x_test)
        print(f"\n{dataset}: {size} samples; the classifier is right on {accuracy:.1%}\n")
        print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|", flush=True)
        real = features.predict(x_test, verbose=0)
        chosen = np.random.default_rng(0).choice(len(x), size, replace=False)
        row = measures(real, features.predict(x[chosen], verbose=0))
        print(f"| training images | {' | '.join(row)} | | |", flush=True)
        for model in _MODEL.value:
            key = f"{dataset} {model} {_MINUTES.value} {_EPOCHS.value} {_SEED.value}"
            rows = finished().get(key)
            if rows is None:
                rows = rows_of(dataset, model, features, real)
                keep(key, rows)
            for name, cells in rows.items():
                print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    app.run(main)
