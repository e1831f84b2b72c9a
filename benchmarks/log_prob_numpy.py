"""log p(x) of a one-layer model of `static_mnist`, by NumPy alone: checks the evaluation.

    python -m benchmarks.log_prob_numpy --model=static_mnist_k50 --num_images=200

Reads the weights from the `.keras` file and computes, in float64 and with NumPy's random
numbers, importance samples of the test images. Nothing of TensorFlow or tfgen is imported.
`python -m benchmarks.static_mnist --evaluate=NAME --check_images=200` should print the same
for these images, within the errors.
"""

import io
import pathlib
import zipfile

import h5py
import numpy as np
from absl import app, flags

__all__ = ["log_prob"]

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_MODEL = flags.DEFINE_string(
    "model", None, "A `.keras` file, or a name in `saved_models/`.", required=True
)
_NUM_IMAGES = flags.DEFINE_integer("num_images", 200, "Drawn from the test images.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 5000, "For each image.", lower_bound=2)
_DATA = flags.DEFINE_string(
    "data", str(_ROOT.parent / "shared" / "data" / "static_mnist.npz"), "The images."
)


def _layers(path: str) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """The dense layers of encoder and decoder, (weights, bias) each, in order."""
    content = zipfile.ZipFile(path).read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as file:
        return {
            part: [
                tuple(
                    np.asarray(file[f"{part}/layers/{name}/vars/{i}"], float)
                    for i in (0, 1)
                )
                for name in ("dense", "dense_1", "dense_2")
            ]
            for part in ("encoder", "decoder")
        }


def _apply(layers: list[tuple[np.ndarray, np.ndarray]], x: np.ndarray) -> np.ndarray:
    for weights, bias in layers[:-1]:
        x = np.tanh(x @ weights + bias)
    return x @ layers[-1][0] + layers[-1][1]


def log_prob(
    path: str, x: np.ndarray, num_samples: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """log p(x) of each image `[N, 784]`, and its standard error over samples, in nats."""
    layers, rng = _layers(path), np.random.default_rng(seed)
    values, errors = [], []
    for image in x:
        mu, raw = np.split(_apply(layers["encoder"], image), 2)
        sigma = np.logaddexp(0.0, raw)
        eps = rng.normal(size=[num_samples, len(mu)])
        z = mu + sigma * eps
        logits = _apply(layers["decoder"], z)
        log_likelihood = np.sum(image * logits - np.logaddexp(0.0, logits), axis=1)
        log_w = log_likelihood + np.sum((eps**2 - z**2) / 2 + np.log(sigma), axis=1)
        w = np.exp(log_w - log_w.max())
        values.append(log_w.max() + np.log(w.mean()))
        errors.append(w.std(ddof=1) / w.mean() / np.sqrt(num_samples))
    return np.array(values), np.array(errors)


def main(argv: list[str]) -> None:
    del argv
    name = _MODEL.value
    kept = _ROOT / "saved_models" / name / f"{name}.keras"
    x = np.unpackbits(np.load(_DATA.value)["test"], axis=1)
    chosen = np.random.default_rng(0).choice(len(x), _NUM_IMAGES.value, replace=False)
    path = str(kept) if kept.exists() else name
    values, errors = log_prob(path, x[chosen].astype(float), _NUM_SAMPLES.value)
    noise = np.sqrt(np.mean(errors**2) / len(errors))
    print(f"images {sorted(chosen.tolist())[:5]}..., {_NUM_SAMPLES.value} samples")
    print(f"log p(x) {values.mean():.3f} nats, +- {noise:.3f} by the samples")


if __name__ == "__main__":
    app.run(main)
