r"""Trains a GAN by any objective, prints measures of it, draws samples and exports it.

    python examples/train_gan.py --dataset=ring --loss=maximum_likelihood
    python examples/train_gan.py --dataset=two_gaussians \
        --loss=maximum_likelihood --loss=reverse_kl

Several `--loss` are trained in turn, from the same start. On `two_gaussians`, where the
generator can only make one Gaussian, the picture shows what each divergence prefers:
maximum likelihood covers both modes, the reverse Kullback-Leibler divergence one of them.

The networks and their settings are in `gan_recipes.py`: copy both files and change them.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

import gan_recipes
import numpy as np
from absl import app, flags

import tfgen

_DATASET = flags.DEFINE_enum(
    "dataset", "two_gaussians", sorted(gan_recipes.RECIPES), "What to train on."
)
_LOSS = flags.DEFINE_multi_enum(
    "loss",
    ["maximum_likelihood"],
    tfgen.losses.known_gan_losses(),
    "What the generator optimises; may be given several times.",
)
_EPOCHS = flags.DEFINE_integer("epochs", None, "Passes over the data.", lower_bound=1)
_DISCRIMINATOR_STEPS = flags.DEFINE_integer(
    "discriminator_steps", None, "Updates of it to one of the generator.", lower_bound=1
)
_GRADIENT_PENALTY = flags.DEFINE_enum(
    "gradient_penalty", None, ["r1", "r1_r2", "wgan_gp"], "Of the discriminator."
)
_GRADIENT_PENALTY_WEIGHT = flags.DEFINE_float(
    "gradient_penalty_weight", None, "What the penalty is multiplied by.", lower_bound=0.0
)
_SEED = flags.DEFINE_integer("seed", 0, "Of data, weights and noise.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", "out/train_gan", "Where pictures go.")
_EXPORT_DIR = flags.DEFINE_string(
    "export_dir", None, "Base directory of the SavedModel; not exported unless given."
)


def train(loss: str) -> tuple[tfgen.models.GAN, np.ndarray]:
    """A trained model, and its data."""
    recipe = gan_recipes.RECIPES[_DATASET.value](_SEED.value)
    recipe.epochs = _EPOCHS.value or recipe.epochs
    given = {
        "discriminator_steps": _DISCRIMINATOR_STEPS.value,
        "gradient_penalty": _GRADIENT_PENALTY.value,
        "gradient_penalty_weight": _GRADIENT_PENALTY_WEIGHT.value,
    }
    gan = recipe.compiled(loss, **{k: v for k, v in given.items() if v is not None})
    gan.fit(recipe.x, batch_size=recipe.batch_size, epochs=recipe.epochs)
    return gan, recipe.x


def report(samples: np.ndarray, x: np.ndarray) -> None:
    """Prints measures of the samples, and what perfect samples would get."""
    if _DATASET.value == "two_gaussians":
        print(f"  mean {samples.mean():.3f}, variance {samples.var():.3f}", end="")
        print("; of the data 0, 4.25; of the right-hand mode 2, 0.25")
    elif _DATASET.value == "ring":
        modes, quality = gan_recipes.modes_and_quality(samples)
        print(
            f"  {modes} of 8 modes, {quality:.1%} of samples near one; of the data ", end=""
        )
        print(f"8, {gan_recipes.modes_and_quality(x)[1]:.1%}")


def draw(samples: dict[str, np.ndarray], x: np.ndarray) -> list[str]:
    """Writes a picture of every loss's samples; returns their paths."""
    folder = os.path.join(_OUTPUT_DIR.value, _DATASET.value)
    if _DATASET.value == "two_gaussians":
        path = os.path.join(folder, "densities.png")
        curves = {
            name: _density(values) for name, values in [("data", x), *samples.items()]
        }
        tfgen.plots.save_curves(path, curves, "x", "density")
        return [path]
    paths = []
    for name, values in samples.items():
        paths.append(os.path.join(folder, f"{name}.png"))
        if _DATASET.value == "ring":
            pictures = np.stack([_picture(x), _picture(values)])
            tfgen.plots.image_grid(
                pictures, num_columns=2, titles=["data", name], filepath=paths[-1]
            )
        else:
            tfgen.plots.save_image_grid(paths[-1], values[:100], num_columns=10, zoom=3)
    return paths


def _density(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    heights, edges = np.histogram(x, bins=60, range=(-6.0, 6.0), density=True)
    return 0.5 * (edges[1:] + edges[:-1]), heights


def _picture(x: np.ndarray) -> np.ndarray:
    """Points of the plane as an image: the densest place is white."""
    counts, _, _ = np.histogram2d(x[:, 1], x[:, 0], bins=96, range=[[-3, 3], [-3, 3]])
    return np.minimum(counts[::-1] / np.quantile(counts[counts > 0], 0.95), 1.0)


def main(argv: list[str]) -> None:
    del argv
    samples = {}
    for loss in _LOSS.value:
        start = time.perf_counter()
        gan, x = train(loss)
        print(f"{_DATASET.value} by {loss}: {time.perf_counter() - start:.0f} s")
        samples[loss] = gan.sample(10_000, seed=_SEED.value).numpy()
        report(samples[loss], x)
        if _EXPORT_DIR.value:
            print("exported:", gan.export(_EXPORT_DIR.value))
    print("wrote:", *draw(samples, x), sep="\n  ")


if __name__ == "__main__":
    app.run(main)
