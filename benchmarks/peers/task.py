"""The task that every contender trains: Burda et al.'s one-layer model of static MNIST."""

import dataclasses
import pathlib
import time
from collections.abc import Callable

import numpy as np

__all__ = ["LATENT", "PIXELS", "UNITS", "Task", "data", "flops_per_example", "throughput"]

PIXELS, UNITS, LATENT = 784, 200, 50


@dataclasses.dataclass(frozen=True)
class Task:
    """K samples an example, examples a step, examples in memory."""

    num_samples: int
    batch_size: int
    num_examples: int = 20_000


def data(num_examples: int) -> np.ndarray:
    """Binary MNIST from ../shared/data where it is, else noise of the same shape."""
    for parent in pathlib.Path(__file__).resolve().parents:
        path = parent / "shared" / "data" / "static_mnist.npz"
        if path.exists():
            packed = np.load(path)["train"][:num_examples]
            return np.unpackbits(packed, axis=1).astype("float32")
    rng = np.random.default_rng(0)
    return (rng.random([num_examples, PIXELS]) < 0.13).astype("float32")


def flops_per_example(num_samples: int) -> float:
    """Operations of the matrix products alone, forward and backward."""
    encoder = PIXELS * UNITS + UNITS * UNITS + UNITS * 2 * LATENT
    decoder = LATENT * UNITS + UNITS * UNITS + UNITS * PIXELS
    return 6.0 * (encoder + num_samples * decoder) - 2.0 * PIXELS * UNITS


def throughput(
    run_epoch: Callable[[], None], num_examples: int, seconds: float
) -> tuple[float, float]:
    """Examples a second over `seconds`, after one epoch; and that epoch's seconds."""
    start = time.perf_counter()
    run_epoch()
    first = time.perf_counter() - start
    epochs, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        run_epoch()
        epochs += 1
    return epochs * num_examples / (time.perf_counter() - start), first
