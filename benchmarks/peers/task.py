"""The tasks of `benchmarks.train`: by default Burda et al.'s one-layer model of MNIST."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable

import numpy as np

__all__ = [
    "CHANNELS",
    "GAN_LATENT",
    "GAN_UNITS",
    "LATENT",
    "PIXELS",
    "SIDE",
    "Task",
    "data",
    "flops_per_example",
    "throughput",
]

PIXELS, LATENT, SIDE = 784, 50, 28
CHANNELS = 16  # of the first convolution; the second has twice as many
GAN_LATENT, GAN_UNITS = 64, 256


@dataclasses.dataclass(frozen=True)
class Task:
    """What is trained or computed; the contenders' networks are the same.

    Attributes:
        num_samples: K of the bound, or importance samples of an example for `log_prob`.
        batch_size: examples a step; those of a call for `log_prob` and `sample`.
        num_examples: in memory.
        units: of a dense layer.
        kind: `vae`, `mean_field` or `gan` train; `log_prob` and `sample` compute.
        network: `dense`, or `convolutional` with `CHANNELS`.
        posterior: of a VAE, with a `diagonal` or a `full` covariance.
    """

    num_samples: int
    batch_size: int
    num_examples: int = 20_000
    units: int = 200
    kind: str = "vae"
    network: str = "dense"
    posterior: str = "diagonal"

    @property
    def unit(self) -> str:
        """What the speeds count."""
        return "sample-images" if self.kind == "log_prob" else "examples"

    @property
    def params_size(self) -> int:
        """The encoder's outputs."""
        scale = LATENT * (LATENT + 1) // 2 if self.posterior == "full" else LATENT
        return LATENT + scale


def data(num_examples: int) -> np.ndarray:
    """Binary MNIST from ../shared/data where it is, else noise of the same shape."""
    for parent in pathlib.Path(__file__).resolve().parents:
        path = parent / "shared" / "data" / "static_mnist.npz"
        if path.exists():
            packed = np.load(path)["train"][:num_examples]
            return np.unpackbits(packed, axis=1).astype("float32")
    rng = np.random.default_rng(0)
    return (rng.random([num_examples, PIXELS]) < 0.13).astype("float32")


def flops_per_example(task: Task) -> float:
    """Operations of the matrix products alone, of training forward and backward."""
    units = task.units
    encoder = PIXELS * units + units * units + units * task.params_size
    decoder = LATENT * units + units * units + units * PIXELS
    if task.kind == "mean_field":
        return 6.0 * decoder
    if task.kind in ("log_prob", "sample"):
        return 2.0 * decoder
    return 6.0 * (encoder + task.num_samples * decoder) - 2.0 * PIXELS * units


def throughput(
    run_epochs: Callable[[int], None], num_examples: int, seconds: float
) -> tuple[float, float]:
    """Examples a second over `seconds` or more, and the first epoch's seconds.

    Args:
        run_epochs: trains for so many epochs, as one call of `fit` does.
        num_examples: of an epoch.
        seconds: how long to measure, after an epoch to warm up and one to plan by, which
            is the measurement if it lasts as long itself.
    """

    def timed(epochs: int) -> float:
        start = time.perf_counter()
        run_epochs(epochs)
        return time.perf_counter() - start

    first, second = timed(1), timed(1)
    if second >= seconds:
        return num_examples / second, first
    epochs = math.ceil(seconds / second)
    return epochs * num_examples / timed(epochs), first
