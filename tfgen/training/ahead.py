"""How many steps of a program are ahead, as far as a call's arguments say."""

import dataclasses
import math

__all__ = ["Ahead"]


@dataclasses.dataclass(frozen=True)
class Ahead:
    """The passes over the data that a model was given, those of the running call included.

    It depends on how a call was planned and not on how far it came, so that a run that is
    resumed counts as the one that was interrupted.

    Args:
        epochs: passes over the data.
        batches: of a pass; `None` where only the end of the data will tell.
        steps_per_execution: steps of a program.

    >>> Ahead(epochs=3, batches=46, steps_per_execution=46).steps(46)
    138
    >>> Ahead(epochs=3, batches=46, steps_per_execution=46).steps(1)  # a partial last batch
    3
    """

    epochs: int
    batches: int | None
    steps_per_execution: int

    def steps(self, length: int) -> float:
        """The steps of programs whose stacks hold `length` batches.

        A lone batch where others come in stacks is an epoch's partial last one.
        """
        if self.batches is None:
            return math.inf
        if length == 1 and self.steps_per_execution > 1:
            return self.epochs
        return self.epochs * self.batches
