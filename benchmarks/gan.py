r"""Every GAN objective on the ring and on two Gaussians, by the examples' recipes.

    python benchmarks/gan.py --seeds=3 --likelihood_seeds=10 --results=out/gan.jsonl

Networks, data, optimizers and steps are the same for all; only the objective differs,
and a Wasserstein or a pairing critic has the penalty that it needs. Printed, as Markdown,
for the ring: in how many seeds all 8 modes are covered; the share of samples within 3
standard deviations of a mode; the parts of these on the rarest and the most frequent mode,
in eighths; and the same for samples corrected by rejection with 100 proposals and a logit
calibrated on 10,000 further data, if the logit is a log-ratio. For two Gaussians: the mean
and the variance of the one Gaussian. Seconds are process CPU time of the whole fit,
compilation included, on one thread. A run that diverges is counted as stopped.

Each run is a line of `--results`, and is not repeated if it is there: a benchmark that was
stopped continues where it was.
"""

import json
import os
import pathlib
import platform
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
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

_RESULTS = flags.DEFINE_string("results", "out/gan.jsonl", "Where finished runs are kept.")

# A critic has to be Lipschitz; the weight is that of arXiv 1704.00028 for toy data. Pairs
# converge with both penalties, arXiv 2501.05441, which sets the weight by the data.
SETTINGS = {
    "wasserstein": {"gradient_penalty": "wgan_gp", "gradient_penalty_weight": 0.1},
    "relativistic_pairing": {"gradient_penalty": "r1_r2", "gradient_penalty_weight": 0.1},
}


def train(dataset: str, loss: str, seed: int) -> dict:
    """Measures of 10,000 samples of a trained model; `stopped` if it diverged."""
    recipe = gan_recipes.RECIPES[dataset](seed)
    gan = recipe.compiled(loss, **SETTINGS.get(loss, {}))
    start = time.process_time()
    run = {"dataset": dataset, "loss": loss, "seed": seed, "stopped": False}
    try:
        gan.fit(recipe.x, batch_size=recipe.batch_size, epochs=recipe.epochs, verbose=0)
    except FloatingPointError:
        run["stopped"] = True
    run["seconds"] = time.process_time() - start
    if run["stopped"]:
        return run
    samples = gan.sample(10_000, seed=seed).numpy()
    if dataset == "two_gaussians":
        return {**run, "mean": float(samples.mean()), "variance": float(samples.var())}
    run["plain"] = on_ring(samples)
    objective = tfgen.losses.get_gan_loss(loss)
    if objective.logits_are_log_ratio or objective.logits_are_log_ratio_up_to_constant:
        run |= corrected(gan, seed)
    return run


def on_ring(samples: np.ndarray) -> dict:
    """Modes covered, share near a mode, and each mode's part of those, in eighths."""
    modes, quality = gan_recipes.modes_and_quality(samples)
    centres = tfgen.datasets.ring_distribution().components_distribution.loc.numpy()
    distances = np.linalg.norm(samples[:, np.newaxis] - centres, axis=-1)
    counts = np.bincount(distances.argmin(1)[distances.min(1) < 0.3], minlength=8)
    parts = 8.0 * counts / max(1, counts.sum())
    return {"modes": modes, "near": quality, "parts": [parts.min(), parts.max()]}


def corrected(gan: tfgen.models.GAN, seed: int) -> dict:
    """The same for corrected samples, and the rate of acceptance."""
    held_out = tfgen.datasets.ring_of_gaussians(10_000, seed=1000 + seed)
    try:
        calibration = gan.calibrate(held_out, seed=1000 + seed)
        correction = tfgen.models.RejectionSampling(
            num_proposals=100, calibration=calibration
        )
        samples, report = gan.sample(
            10_000, seed=seed, correction=correction, return_info=True
        )
    except (ValueError, RuntimeError) as error:
        return {"refused": str(error)}
    return {
        "corrected": on_ring(samples.numpy()),
        "acceptance_rate": report.acceptance_rate,
        "slope": calibration.slope,
        "errors": [calibration.error_before, calibration.error_after],
    }


def ring_row(runs: list[dict]) -> list[str]:
    """Modes, share near a mode and parts, plain; then corrected, and the rate."""
    plain = [run["plain"] for run in runs]
    cells = [
        f"{sum(x['modes'] == 8 for x in plain)} of {len(plain)}",
        _near(plain),
        _parts(plain),
    ]
    done = [run for run in runs if "corrected" in run]
    if not done:
        return [*cells, "-", "-", "-"]
    mended = [run["corrected"] for run in done]
    rate = np.median([run["acceptance_rate"] for run in done])
    return [*cells, _near(mended), _parts(mended), f"{rate:.2f} in {len(done)}"]


def _near(rows: list[dict]) -> str:
    near = [100 * x["near"] for x in rows]
    return f"{np.median(near):.1f} ({min(near):.1f})"


def _parts(rows: list[dict]) -> str:
    least, greatest = zip(*(x["parts"] for x in rows), strict=True)
    return f"{min(least):.2f}-{max(greatest):.2f}"


def two_gaussians_row(runs: list[dict]) -> list[str]:
    """Mean and variance of every seed."""
    return [
        ", ".join(f"{run['mean']:.2f}" for run in runs),
        ", ".join(f"{run['variance']:.2f}" for run in runs),
    ]


TABLES = {
    "ring": (
        [
            "all 8 modes, seeds",
            "% near a mode, median (least)",
            "parts in eighths, all seeds",
            "corrected: % near a mode",
            "corrected: parts",
            "acceptance rate, seeds",
        ],
        ring_row,
    ),
    "two_gaussians": (["mean (data: 0)", "variance (data: 4.25)"], two_gaussians_row),
}


def finished() -> dict[tuple, dict]:
    """The runs in the file of results, by data, objective and seed."""
    path = pathlib.Path(_RESULTS.value)
    lines = path.read_text().splitlines() if path.exists() else []
    runs = [json.loads(line) for line in lines]
    return {(run["dataset"], run["loss"], run["seed"]): run for run in runs}


def run_once(dataset: str, loss: str, seed: int) -> dict:
    """A run, from the file of results if it is there."""
    known = finished().get((dataset, loss, seed))
    if known is not None:
        return known
    run = train(dataset, loss, seed)
    os.makedirs(os.path.dirname(_RESULTS.value) or ".", exist_ok=True)
    with open(_RESULTS.value, "a", encoding="utf-8") as file:
        file.write(json.dumps(run) + "\n")
    return run


def main(argv: list[str]) -> None:
    del argv
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print(f"{platform.machine()}, one thread, {time.strftime('%Y-%m-%d')}")
    for dataset in _DATASET.value:
        columns, row = TABLES[dataset]
        columns = ["objective", *columns, "stopped, seeds", "CPU s a fit, median"]
        print(f"\n{dataset}\n\n| {' | '.join(columns)} |")
        print("|---" * len(columns) + "|", flush=True)
        for loss in _LOSS.value or tfgen.losses.known_gan_losses():
            many = dataset == "ring" and loss.endswith("maximum_likelihood")
            seeds = _LIKELIHOOD_SEEDS.value if many else _SEEDS.value
            runs = [run_once(dataset, loss, seed) for seed in range(seeds)]
            good = [run for run in runs if not run["stopped"]]
            cells = row(good) if good else ["-"] * (len(columns) - 3)
            stopped = f"{len(runs) - len(good)} of {len(runs)}"
            seconds = f"{np.median([run['seconds'] for run in runs]):.0f}"
            print(f"| {' | '.join([loss, *cells, stopped, seconds])} |", flush=True)


if __name__ == "__main__":
    app.run(main)
