"""Raises the capacity to which the KL is constrained."""

from typing import Any

from tfgen.callbacks.schedule import Schedule, check_ends
from tfgen.losses import KLCapacity
from tfgen.models import checks

__all__ = ["CapacityWarmup"]


class CapacityWarmup(Schedule):
    """Raises `KLCapacity.capacity` linearly over the first epochs.

        capacity = start + (end - start) min(1, epochs so far / num_epochs)

    Args:
        num_epochs: epochs after which the capacity is `end`; a number above 0.
        end: the capacity at the end, in nats, at least 0.
        start: the capacity at the beginning, at least 0.

    Raises:
        TypeError: if an argument is not a number, or (in `fit`) if the model was compiled
            without the penalty.
        ValueError: if one is out of range, or (in `fit`) if `num_epochs` exceeds the epochs
            of the training.

    Source: Burgess et al. Understanding disentangling in beta-VAE. arXiv 1804.03599.

    >>> CapacityWarmup(num_epochs=10, end=25.0).capacity_at(2)
    5.0
    """

    def __init__(self, num_epochs: float, end: float, start: float = 0.0) -> None:
        super().__init__()
        self.num_epochs = checks.positive_number(num_epochs, "num_epochs")
        self.end = checks.positive_number(end, "end", or_zero=True)
        self.start = checks.positive_number(start, "start", or_zero=True)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that the model has the penalty, and that the schedule fits in."""
        penalties = getattr(self.model, "penalties", None)
        if penalties is None:
            raise TypeError(
                "`CapacityWarmup` changes the capacity of `tfgen.losses.KLCapacity`; "
                f"received a {type(self.model).__name__}, which has no KL. Leave the "
                "callback out."
            )
        found = [penalty for penalty in penalties if isinstance(penalty, KLCapacity)]
        if not found:
            raise TypeError(
                "`CapacityWarmup` changes the capacity of `tfgen.losses.KLCapacity`; "
                f"received a model compiled with penalties={list(penalties)!r}. Compile it "
                "with penalties=[tfgen.losses.KLCapacity(0.0)]."
            )
        self._penalty = found[0]
        check_ends(self.num_epochs, self.params)

    def capacity_at(self, epochs: float) -> float:
        """The capacity after `epochs` epochs, in nats."""
        share = min(1.0, epochs / self.num_epochs)
        return self.start + (self.end - self.start) * share

    def set_at(self, epochs: float) -> None:
        """Sets the capacity."""
        self._penalty.capacity.assign(self.capacity_at(epochs))
