"""Raises the weight of the KL in several cycles."""

from typing import Any

from tfgen.callbacks.schedule import KLSchedule, check_ends
from tfgen.layers.arguments import number_between, positive_integer
from tfgen.models import checks

__all__ = ["CyclicalKL"]


class CyclicalKL(KLSchedule):
    """Raises the weight of the KL, `ELBO.beta`, from 0 to `end` in each cycle.

        beta = end min(1, t / ramp), t in [0, 1) is the finished part of the cycle

    Each new cycle begins with a decoder that has learned to use z, and with beta 0 the
    posterior is free to leave the prior again. After the last cycle beta stays at `end`.

    Args:
        num_epochs: epochs of all cycles together, a number above 0.
        num_cycles: the number of cycles.
        ramp: the share of a cycle in which beta rises, in (0, 1].
        end: beta at the end of each ramp, at least 0.

    Raises:
        TypeError: if an argument is not a number, or (in `fit`) if the model was not
            compiled with an `ELBO`.
        ValueError: if one is out of range, or (in `fit`) if `num_epochs` exceeds the epochs
            of the training.

    >>> [CyclicalKL(10, num_cycles=2).beta_at(epochs) for epochs in (0, 1.25, 4, 5, 10)]
    [0.0, 0.5, 1.0, 0.0, 1.0]

    Source: Fu et al. Cyclical annealing schedule. arXiv 1903.10145.
    """

    def __init__(
        self, num_epochs: float, num_cycles: int = 4, ramp: float = 0.5, end: float = 1.0
    ) -> None:
        super().__init__()
        self.num_epochs = checks.positive_number(num_epochs, "num_epochs")
        self.num_cycles = positive_integer(num_cycles, "num_cycles")
        self.ramp = number_between(ramp, 0.0, 1.0, "ramp")
        if self.ramp == 0.0:
            raise ValueError("`ramp` must be above 0; received 0. Use 0.5, say.")
        self.end = checks.positive_number(end, "end", or_zero=True)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that the model's loss has a beta, and that the cycles fit in."""
        super().on_train_begin(logs)
        check_ends(self.num_epochs, self.params)

    def beta_at(self, epochs: float) -> float:
        """Beta after `epochs` epochs."""
        cycles = self.num_cycles * epochs / self.num_epochs
        if cycles >= self.num_cycles:
            return self.end
        return self.end * min(1.0, cycles % 1.0 / self.ramp)
