"""The penalties that a model is compiled with, and the metrics they are logged by."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfgen.layers import sample
from tfgen.losses import Penalty

__all__ = ["BatchPenalties"]


class BatchPenalties:
    """Evaluates, adds up and logs penalties.

    Args:
        penalties: penalties, each with a different name.
    """

    def __init__(self, penalties: Sequence[Penalty] = ()) -> None:
        self.penalties = tuple(penalties)
        self.metrics = [keras.metrics.Mean(name=penalty.label) for penalty in penalties]

    def check(self, posterior: Any, prior: Any) -> None:
        """Raises a ValueError if one does not apply to such distributions."""
        for penalty in self.penalties:
            penalty.check(posterior, prior)

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a ValueError if batches are too small for one."""
        for penalty in self.penalties:
            penalty.check_batch_size(batch_size)

    def evaluate(self, posterior: Any, prior: Any, key: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """The value of each penalty for a batch, scalars.

        z is drawn with the key of the bound's first sample, so its value is the same, but
        its gradient is not changed by the bound's estimator.
        """
        if not self.penalties:
            return ()
        z = sample(posterior, key)
        return tuple(penalty(posterior, prior, z, key) for penalty in self.penalties)

    def weighted(self, values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """The values times their weights, which are added to the loss."""
        pairs = zip(self.penalties, values, strict=True)
        return [penalty.weight * value for penalty, value in pairs]

    def update(self, values: Sequence[tf.Tensor], batch_size: tf.Tensor) -> None:
        """Updates the metrics with the values of a batch."""
        for metric, value in zip(self.metrics, values, strict=True):
            metric.update_state(value, sample_weight=batch_size)
