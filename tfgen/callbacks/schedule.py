"""Schedules: they set a number in the loss as a function of the epochs so far."""

from typing import Any

import keras

from tfgen.losses import ELBO

__all__ = ["KLSchedule", "Schedule", "check_ends"]


class Schedule(keras.callbacks.Callback):
    """Base of the schedules: calls `set_at(epochs)` during the training.

    It is called once in each execution (`steps_per_execution` steps), or once in each epoch
    if the epoch's length is unknown.
    """

    def set_at(self, epochs: float) -> None:
        """Sets the scheduled value after `epochs` epochs."""
        raise NotImplementedError

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the value for the epoch's first step."""
        self._epoch = epoch
        self.set_at(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets the value for the next execution."""
        steps = self.params.get("steps")
        if steps:
            self.set_at(self._epoch + batch / steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Sets the value for all the epochs that were run."""
        self.set_at(epoch + 1)


class KLSchedule(Schedule):
    """Base of the schedules of `ELBO.beta`, which define `beta_at(epochs)`."""

    def beta_at(self, epochs: float) -> float:
        """Beta after `epochs` epochs."""
        raise NotImplementedError

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that the model's loss has a beta."""
        received = getattr(self.model, "bound", self.model)
        if isinstance(received, ELBO):
            return
        name = type(self).__name__
        if received is self.model:
            raise TypeError(
                f"`{name}` changes the beta of `tfgen.losses.ELBO`; received a "
                f"{type(self.model).__name__}, which has no KL. Leave the callback out."
            )
        raise TypeError(
            f"`{name}` changes the beta of `tfgen.losses.ELBO`; received a model compiled "
            f"with {received!r}, in which the KL is no term of its own. Train the first "
            f"epochs by compile(optimizer, loss='elbo') with `{name}`; then compile with "
            f"{received!r} and call `fit` again, without it: the weights stay."
        )

    def set_at(self, epochs: float) -> None:
        """Sets beta."""
        self.model.bound.beta.assign(self.beta_at(epochs))


def check_ends(num_epochs: float, params: dict[str, Any]) -> None:
    """Raises a ValueError if a schedule ends after the training."""
    epochs = params.get("epochs")
    if epochs is not None and num_epochs > epochs:
        raise ValueError(
            "`num_epochs` of a schedule must be at most the `epochs` of `fit`, or it does "
            f"not end; received {num_epochs:g} with {epochs} epochs. Train for longer, or "
            "make the schedule shorter."
        )
