"""How many steps of a program are still to come, as known from a call's arguments."""

import dataclasses
import math

__all__ = ["Ahead"]


@dataclasses.dataclass(frozen=True)
class Ahead:
    """The passes over the data that were planned, including those of the running call.

    It depends on how a call was planned and not on how far it got, so that a resumed run
    counts the same steps as an uninterrupted one.

    Args:
        epochs: passes over the data.
        batches: batches in a pass; `None` if the number is known only at the end of the
            data.
        steps_per_execution: steps in a program.

    >>> Ahead(epochs=3, batches=46, steps_per_execution=46).steps(46)
    138
    >>> Ahead(epochs=3, batches=46, steps_per_execution=46).steps(1)  # a partial last batch
    3
    """

    epochs: int
    batches: int | None
    steps_per_execution: int

    def steps(self, length: int) -> float:
        """The number of steps of programs whose stacks hold `length` batches.

        A single batch, where others come in stacks, is the partial last batch of an epoch.
        """
        if self.batches is None:
            return math.inf
        if length == 1 and self.steps_per_execution > 1:
            return self.epochs
        return self.epochs * self.batches
