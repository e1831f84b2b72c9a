r"""Trains a VAE or an IWAE on images, evaluates it, draws samples and exports it.

    python examples/train_vae.py --dataset=digits --posterior=tril --loss=iwlb

Images are binarized, and the likelihood is an independent Bernoulli for each pixel. A
pixel of `digits` counts the on-pixels of a 4x4 block, and these counts are 0 or 16 far more
often than any binomial allows: only binary pixels have a likelihood that fits, and a
log p(x) that can be compared.

Copy this file and change it: the encoder, the decoder and the data are in three functions.
"""

import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import baselines
import keras
import numpy as np
from absl import app, flags, logging

import tfgen

_DATASETS = {
    "digits": tfgen.datasets.load_digits,
    "mnist": tfgen.datasets.load_mnist,
    "fashion_mnist": tfgen.datasets.load_fashion_mnist,
}
_POSTERIORS = {
    "diag": tfgen.layers.MultivariateNormalDiag,
    "tril": tfgen.layers.MultivariateNormalTriL,
    "scale": tfgen.layers.MultivariateNormalScale,
}

_DATASET = flags.DEFINE_enum("dataset", "digits", sorted(_DATASETS), "What to train on.")
_POSTERIOR = flags.DEFINE_enum(
    "posterior", "tril", sorted(_POSTERIORS), "The family of q(z|x), a Gaussian."
)
_LOSS = flags.DEFINE_enum("loss", "iwlb", ["elbo", "iwlb"], "The bound to maximise.")
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", 5, "Posterior samples an example in training, K.", lower_bound=1
)
_LATENT_DIM = flags.DEFINE_integer("latent_dim", 16, "The size of z.", lower_bound=1)
_UNITS = flags.DEFINE_integer("units", 256, "Units in a hidden layer.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 100, "Passes over the data.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Examples a step.", lower_bound=1)
_LEARNING_RATE = flags.DEFINE_float("learning_rate", 2e-3, "Adam's, at the start.")
_EVALUATION_SAMPLES = flags.DEFINE_integer(
    "evaluation_samples", 5000, "Importance samples an example for log p(x).", lower_bound=1
)
_SEED = flags.DEFINE_integer("seed", 0, "Of weights, noise and the order of the data.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "out/train_vae", "Where pictures go.")
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir", None, "Base directory of the SavedModel; not exported unless given."
)


def make_encoder(shape: tuple[int, ...], layer: type, latent_dim: int) -> keras.Model:
    """q(z|x): two hidden layers, then a Gaussian."""
    return keras.Sequential(
        [
            keras.layers.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(layer.params_size(latent_dim)),
            layer(latent_dim),
        ],
        name="encoder",
    )


def make_decoder(shape: tuple[int, ...], latent_dim: int) -> keras.Model:
    """p(x|z): two hidden layers, then a Bernoulli for each pixel."""
    likelihood = tfgen.layers.IndependentBernoulli
    return keras.Sequential(
        [
            keras.layers.Input([latent_dim]),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(_UNITS.value, activation="relu"),
            keras.layers.Dense(likelihood.params_size(shape)),
            likelihood(shape),
        ],
        name="decoder",
    )


def train(x_train: np.ndarray) -> tuple[tfgen.models.VAE, keras.callbacks.History]:
    """Builds and trains the model; returns it with its history."""
    shape = x_train.shape[1:]
    layer = _POSTERIORS[_POSTERIOR.value]
    encoder = make_encoder(shape, layer, _LATENT_DIM.value)
    decoder = make_decoder(shape, _LATENT_DIM.value)
    if _LOSS.value == "iwlb":
        model = tfgen.models.IWAE(encoder, decoder)
        loss = tfgen.losses.IWLB(_NUM_SAMPLES.value)
    else:
        model = tfgen.models.VAE(encoder, decoder)
        loss = tfgen.losses.ELBO(_NUM_SAMPLES.value)
    steps = _EPOCHS.value * -(-len(x_train) // _BATCH_SIZE.value)
    schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE.value, steps)
    model.compile(keras.optimizers.Adam(schedule), loss)
    history = model.fit(x_train, batch_size=_BATCH_SIZE.value, epochs=_EPOCHS.value)
    return model, history


def report(model: tfgen.models.VAE, x_train: np.ndarray, x_test: np.ndarray) -> str:
    """Prints and draws the bounds on held-out data, beside those of simple baselines."""
    k = _EVALUATION_SAMPLES.value
    by_samples = {n: model.log_prob(x_test, n, seed=1) for n in (1, 5, 50)}
    estimate = tfgen.evaluation.log_likelihood(model, x_test, k, seed=1)
    bounds = {
        "ELBO": by_samples[1],
        "IWLB, K = 5": by_samples[5],
        "IWLB, K = 50": by_samples[50],
        f"log p(x), {k} importance samples": estimate.log_prob,
    }
    beaten = {
        "independent pixels": baselines.independent_pixels,
        "probabilistic PCA": baselines.probabilistic_pca,
        "Gaussian mixture": baselines.gaussian_mixture,
    }
    print(
        f"\nheld-out {_DATASET.value}, {len(x_test)} examples, nats an example, ± the "
        "standard error over examples"
    )
    for name, values in bounds.items():
        _print_row(name, np.asarray(values))
    error = np.linalg.norm(estimate.standard_error) / len(x_test)
    print(f"  {'  of which from importance sampling':<40} {'':9} ± {error:.3f}")
    for name, baseline in beaten.items():
        _print_row(f"baseline: {name}", baseline(x_train, x_test))
    path = os.path.join(_OUTPUT_DIR.value, "bounds.png")
    tfgen.plots.bounds(by_samples, estimate, filepath=path)
    return path


def _print_row(name: str, values: np.ndarray) -> None:
    error = values.std(ddof=1) / np.sqrt(len(values))
    print(f"  {name:<40} {values.mean():9.3f} ± {error:.3f}")


def draw(
    model: tfgen.models.VAE, history: keras.callbacks.History, x_test: np.ndarray
) -> list[str]:
    """Writes pictures of the training, samples and reconstructions; returns their paths."""
    paths = {
        name: os.path.join(_OUTPUT_DIR.value, f"{name}.png")
        for name in ("history", "samples", "reconstructions")
    }
    tfgen.plots.history(history, filepath=paths["history"])
    tfgen.plots.save_image_grid(paths["samples"], model.sample_mean(64, seed=0), zoom=6)
    tfgen.plots.reconstructions(
        x_test[:20],
        model.reconstruct(x_test[:20], seed=0),
        filepath=paths["reconstructions"],
    )
    return list(paths.values())


def export(model: tfgen.models.VAE) -> list[str]:
    """Exports the model and draws from the SavedModel in a process without tfgen."""
    version_dir = model.export(_EXPORT_DIR.value)
    served = os.path.join(_OUTPUT_DIR.value, "served_samples.png")
    script = os.path.join(os.path.dirname(__file__), "sample_saved_model.py")
    subprocess.run(
        [
            sys.executable,
            script,
            f"--model={version_dir}",
            f"--output={served}",
            "--num_samples=64",
            "--show=mean",
        ],
        check=True,
    )
    return [version_dir, served]


def main(argv: list[str]) -> None:
    del argv
    logging.set_verbosity(logging.WARNING)
    start = time.perf_counter()
    keras.utils.set_random_seed(_SEED.value)
    x_train, x_test = _DATASETS[_DATASET.value]()
    model, history = train(x_train)
    trained = time.perf_counter()
    written = [report(model, x_train, x_test), *draw(model, history, x_test)]
    if _EXPORT_DIR.value:
        written += export(model)
    took = time.perf_counter() - start
    print(f"\ntrained in {trained - start:.0f} s, all in {took:.0f} s")
    print("wrote:", *written, sep="\n  ")
    if _EXPORT_DIR.value:
        base = os.path.abspath(_EXPORT_DIR.value)
        name = os.path.basename(base)
        print(
            "serve it:\n  docker run --rm -p 8500:8500 -p 8501:8501 "
            f"-v {base}:/models/{name} -e MODEL_NAME={name} tensorflow/serving"
        )


if __name__ == "__main__":
    app.run(main)
