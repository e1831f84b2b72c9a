"""The task that every contender trains: Burda et al.'s one-layer model of static MNIST."""

import dataclasses
import math
import pathlib
import time
from collections.abc import Callable

import numpy as np

__all__ = ["LATENT", "PIXELS", "Task", "data", "flops_per_example", "throughput"]

PIXELS, LATENT = 784, 50


@dataclasses.dataclass(frozen=True)
class Task:
    """K samples an example (0: a GAN), examples a step and in memory, units a layer."""

    num_samples: int
    batch_size: int
    num_examples: int = 20_000
    units: int = 200

    @property
    def is_gan(self) -> bool:
        """Whether it is the GAN of `tfgen_gan.py`, which fixes its own layers."""
        return self.num_samples == 0


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
    """Operations of the matrix products alone, forward and backward."""
    units = task.units
    encoder = PIXELS * units + units * units + units * 2 * LATENT
    decoder = LATENT * units + units * units + units * PIXELS
    return 6.0 * (encoder + task.num_samples * decoder) - 2.0 * PIXELS * units


def throughput(
    run_epochs: Callable[[int], None], num_examples: int, seconds: float
) -> tuple[float, float]:
    """Examples a second over `seconds` or more, and the first epoch's seconds.

    Args:
        run_epochs: trains for so many epochs, as one call of `fit` does.
        num_examples: of an epoch.
        seconds: how long to measure, after an epoch to warm up and one to plan by.
    """

    def timed(epochs: int) -> float:
        start = time.perf_counter()
        run_epochs(epochs)
        return time.perf_counter() - start

    first, second = timed(1), timed(1)
    epochs = max(1, math.ceil(seconds / second))
    return epochs * num_examples / timed(epochs), first
