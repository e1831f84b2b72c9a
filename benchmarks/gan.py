r"""Every GAN objective on the ring and on two Gaussians, by the examples' recipes.

    python benchmarks/gan.py --seeds=3 --likelihood_seeds=10

Networks, data, optimizers and steps are the same for all; only the objective differs,
and a Wasserstein or a pairing critic has the penalty that it can't do without. Printed, as
Markdown: on the ring, in how many seeds all 8 modes are covered, the least number of
modes of any seed, and the share of samples within 3 standard deviations of a mode; on
two Gaussians, where one Gaussian goes. Seconds are of the whole fit, compilation
included. A run that the model itself stops is counted as such.
"""

import os
import platform
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "examples")]

import gan_recipes  # noqa: E402 - after the path is set

import tfgen  # noqa: E402

_SEEDS = flags.DEFINE_integer("seeds", 3, "Seeds of an objective.", lower_bound=1)
_LIKELIHOOD_SEEDS = flags.DEFINE_integer(
    "likelihood_seeds", 10, "Seeds of maximum likelihood, both kinds.", lower_bound=1
)
_DATASET = flags.DEFINE_multi_enum(
    "dataset", ["ring", "two_gaussians"], ["ring", "two_gaussians"], "Which tables."
)
_LOSS = flags.DEFINE_multi_string("loss", [], "Only these objectives; by default all.")

# A critic has to be Lipschitz; the weight is that of arXiv 1704.00028 for toy data. Pairs
# converge with both penalties, arXiv 2501.05441, which sets the weight by the data.
SETTINGS = {
    "wasserstein": {"gradient_penalty": "wgan_gp", "gradient_penalty_weight": 0.1},
    "relativistic_pairing": {"gradient_penalty": "r1_r2", "gradient_penalty_weight": 0.1},
}


def train(dataset: str, loss: str, seed: int) -> tuple[np.ndarray | None, float]:
    """10,000 samples of a trained model, None where it diverged; and seconds."""
    recipe = gan_recipes.RECIPES[dataset](seed)
    gan = recipe.compiled(loss, **SETTINGS.get(loss, {}))
    start = time.perf_counter()
    try:
        gan.fit(recipe.x, batch_size=recipe.batch_size, epochs=recipe.epochs, verbose=0)
    except FloatingPointError:
        return None, time.perf_counter() - start
    seconds = time.perf_counter() - start
    return gan.sample(10_000, seed=seed).numpy(), seconds


def ring_row(samples: list[np.ndarray]) -> list[str]:
    """All modes in so many seeds; the least number of modes; share near a mode."""
    modes, shares = zip(*map(gan_recipes.modes_and_quality, samples), strict=True)
    return [
        f"{sum(count == 8 for count in modes)} of {len(modes)}",
        str(min(modes)),
        f"{100 * np.median(shares):.1f} ({100 * min(shares):.1f})",
    ]


def two_gaussians_row(samples: list[np.ndarray]) -> list[str]:
    """Mean and variance of every seed."""
    return [
        ", ".join(f"{x.mean():.2f}" for x in samples),
        ", ".join(f"{x.var():.2f}" for x in samples),
    ]


TABLES = {
    "ring": (
        ["all 8 modes, seeds", "fewest modes", "% near a mode, median (least)"],
        ring_row,
    ),
    "two_gaussians": (["mean (data: 0)", "variance (data: 4.25)"], two_gaussians_row),
}


def main(argv: list[str]) -> None:
    del argv
    print(f"{platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    for dataset in _DATASET.value:
        columns, row = TABLES[dataset]
        columns = ["objective", *columns, "stopped, seeds", "seconds a fit, median"]
        print(f"\n{dataset}\n\n| {' | '.join(columns)} |")
        print("|---" * len(columns) + "|", flush=True)
        for loss in _LOSS.value or tfgen.losses.known_gan_losses():
            many = dataset == "ring" and loss.endswith("maximum_likelihood")
            seeds = _LIKELIHOOD_SEEDS.value if many else _SEEDS.value
            runs = [train(dataset, loss, seed) for seed in range(seeds)]
            samples = [x for x, _ in runs if x is not None]
            cells = row(samples) if samples else ["-"] * (len(columns) - 3)
            stopped = f"{len(runs) - len(samples)} of {len(runs)}"
            seconds = f"{np.median([seconds for _, seconds in runs]):.0f}"
            print(f"| {' | '.join([loss, *cells, stopped, seconds])} |", flush=True)


if __name__ == "__main__":
    app.run(main)
