"""Checks during training whether a GAN's samples still cover the data."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.evaluation import density_coverage
from tfgen.layers.arguments import number_between, positive_integer

__all__ = ["CollapseGuard"]

_FEATURES = 8  # of the default
_ADVICE = (
    "Try gradient_penalty='r1' or 'r1_r2', lower learning rates, `generator_ema`, "
    "`tfgen.layers.DifferentiableAugmentation` before the discriminator, or an objective "
    "that covers every mode, such as 'normalized_maximum_likelihood'."
)


class CollapseGuard(keras.callbacks.Callback):
    """Logs `coverage`, the share of data near a sample, and warns if it decreases.

    After each epoch as many samples as there are data, from the same seed each time, are
    compared with the data by a few features: see `tfgen.evaluation.density_coverage`,
    with 5 neighbours. Perfect samples cover 0.97 of the data; a generator that makes a
    single image covers almost nothing. A warning says what to try when the coverage falls
    below `threshold` times its best value so far, and at the end of training if it never
    reached `threshold`.

    Args:
        x: data, `[N, ...]`, as `fit` takes them; a thousand held-out rows are enough.
        features: a Keras model or function from a batch `[B, ...]` to features `[B, F]`;
            `None` uses 8 fixed random projections.
        every: epochs between two checks.
        threshold: in (0, 1).
        seed: seed of the samples and the projections.

    Raises:
        TypeError: if an argument is not of its type.
        ValueError: if one is out of its range, or x has fewer than 6 rows.

    >>> x = np.random.default_rng(0).normal(size=[64, 2]).astype("float32")
    >>> CollapseGuard(x, every=5).every
    5
    """

    def __init__(
        self,
        x: Any,
        features: Callable[[Any], Any] | None = None,
        every: int = 1,
        threshold: float = 0.5,
        seed: int = 0,
    ) -> None:
        super().__init__()
        given = dict(x) if isinstance(x, dict) else {"x": x}
        x = given.pop("x", None)
        if x is None or np.ndim(x) == 0:
            raise TypeError(
                f"`x` must be an array of data, one row per example; received {x!r}. Give "
                "about a thousand rows."
            )
        if features is not None and not callable(features):
            raise TypeError(
                "`features` must be a function from data to features [N, F]; received "
                f"{features!r}."
            )
        self.x = np.asarray(x)
        self.condition = given or None
        if len(self.x) < 6:
            raise ValueError(
                "`x` must have at least 6 rows, 5 neighbours and itself; received "
                f"{len(self.x)}. Give about a thousand."
            )
        self.every = positive_integer(every, "every")
        self.threshold = number_between(threshold, 1e-6, 1.0 - 1e-6, "threshold")
        self.seed = seed
        self.features = self._projections() if features is None else features
        self._of_data = np.asarray(self.features(self.x))

    def _projections(self) -> Callable[[Any], Any]:
        size = math.prod(self.x.shape[1:])
        directions = random.normal(random.key(self.seed), [size, _FEATURES]).numpy()
        return lambda x: np.reshape(x, [len(x), size]) @ directions

    def on_train_begin(self, logs: Any = None) -> None:
        """Removes the state of an earlier training."""
        self._best, self._is_low = 0.0, False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Logs the coverage; warns once when it decreases."""
        if (epoch + 1) % self.every:
            return
        coverage = self._coverage()
        if logs is not None:
            logs["coverage"] = coverage
        self._best = max(self._best, coverage)
        was_low, self._is_low = self._is_low, coverage < self.threshold * self._best
        if self._is_low and not was_low:
            warnings.warn(
                f"Epoch {epoch + 1}: samples cover {coverage:.1%} of the data, where they "
                f"covered {self._best:.1%}: the generator may be collapsing. {_ADVICE}",
                RuntimeWarning,
                stacklevel=2,
            )

    def on_train_end(self, logs: Any = None) -> None:
        """Warns if the coverage was never high."""
        if 0.0 < self._best < self.threshold:
            warnings.warn(
                f"Samples never covered more than {self._best:.1%} of the data. Train for "
                f"longer if it was rising. {_ADVICE}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _coverage(self) -> float:
        samples = self.model.sample(len(self.x), seed=self.seed, condition=self.condition)
        features = self.features(tf.cast(samples, self.x.dtype).numpy())
        return density_coverage(self._of_data, np.asarray(features)).coverage
