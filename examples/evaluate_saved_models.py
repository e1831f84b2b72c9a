r"""Evaluates the models of `saved_models/` on held-out digits, and draws their samples.

    python examples/evaluate_saved_models.py --output_dir=docs/images

log p(x) is estimated by 5,000 importance samples from each example's refined posterior.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import keras
import numpy as np
from absl import app, flags

import tfgen

_MODELS_DIR = flags.DEFINE_string("models_dir", "saved_models", "Where the models are.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "out/saved_models", "Where pictures go.")
_NUM_SAMPLES = flags.DEFINE_integer(
    "num_samples", 5000, "Importance samples an example.", lower_bound=2
)
_REFINEMENT_STEPS = flags.DEFINE_integer(
    "refinement_steps", 200, "Of each example's posterior.", lower_bound=0
)
_NAMES = ("vae_digits", "iwae_digits", "conditional_digits", "gan_digits")


def load(name: str) -> keras.Model:
    """A model of `saved_models/`, as it was trained."""
    return keras.saving.load_model(os.path.join(_MODELS_DIR.value, name, f"{name}.keras"))


def report_vae(name: str, model: tfgen.models.VAE) -> None:
    """Prints the bound and log p(x) of held-out digits, and draws samples."""
    _, (x, c) = tfgen.datasets.load_digits(labels=True)
    given = {"x": x, "c": c} if model.structure.conditions else x
    elbo = np.asarray(model.log_prob(given, 1, seed=0))
    refined = model.refine(given, _REFINEMENT_STEPS.value, seed=1)
    estimate = tfgen.evaluation.log_likelihood(
        model, given, _NUM_SAMPLES.value, seed=2, posterior=refined
    )
    for label, values in (("ELBO", elbo), ("log p(x)", np.asarray(estimate.log_prob))):
        error = values.std(ddof=1) / np.sqrt(len(values))
        print(f"  {label:<10} {values.mean():8.3f} ± {error:.3f} nats a digit")
    if model.structure.conditions:
        classes = np.repeat(np.arange(10), 10)
        images = model.sample_mean(seed=0, condition={"c": classes})
        labels = [f"c = {c}" for c in range(10)]
    else:
        images, labels = model.sample_mean(50, seed=0), None
    draw(name, images, labels)


def report_gan(name: str, model: tfgen.models.GAN) -> None:
    """Prints how samples compare with held-out digits, and draws samples."""
    _, x = tfgen.datasets.load_digits("unit")
    samples = model.sample(len(x), seed=0).numpy()
    near = tfgen.evaluation.precision_recall(*(v.reshape(-1, 64) for v in (x, samples)))
    print(f"  precision {near.precision:.3f}, recall {near.recall:.3f}")
    draw(name, samples[:50], None)


def draw(name: str, images: np.ndarray, labels: list[str] | None) -> None:
    """Writes a grid of samples, ten in a row."""
    path = os.path.join(_OUTPUT_DIR.value, f"{name}.png")
    tfgen.plots.image_grid(images, num_columns=10, row_labels=labels, filepath=path)
    print(f"  wrote {path}")


def main(argv: list[str]) -> None:
    del argv
    for name in _NAMES:
        print(name)
        model = load(name)
        report = report_gan if isinstance(model, tfgen.models.GAN) else report_vae
        report(name, model)


if __name__ == "__main__":
    app.run(main)
