"""Logs the learning rates of a GAN's two optimizers, and lets Keras callbacks set both."""

from typing import Any

import keras

__all__ = ["ForDiscriminator", "LearningRates"]


class LearningRates(keras.callbacks.Callback):
    """Logs `generator_learning_rate` and `discriminator_learning_rate` after each epoch.

    They are in the history, and in what `CSVLogger` and `TensorBoard` write if those come
    after it in the list of callbacks. For a Keras schedule, its current value is logged.

    >>> LearningRates() is not None
    True
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Logs both rates."""
        for role in ("generator", "discriminator"):
            optimizer = getattr(self.model, f"{role}_optimizer")
            logs[f"{role}_learning_rate"] = float(optimizer.learning_rate)


class ForDiscriminator(keras.callbacks.Callback):
    """Runs one of Keras's callbacks on the discriminator's optimizer of a GAN.

    Keras's callbacks use `model.optimizer`, which is the generator's. Wrapped in this one,
    they use the discriminator's, and the names of what they log begin with
    `discriminator_`:

        callbacks=[
            keras.callbacks.LearningRateScheduler(schedule),  # the generator's
            ForDiscriminator(keras.callbacks.LearningRateScheduler(schedule)),
        ]

    Args:
        callback: a callback such as `LearningRateScheduler` or `ReduceLROnPlateau`.

    Raises:
        TypeError: if it is not a Keras callback.

    >>> keras.callbacks.ReduceLROnPlateau(monitor="discriminator_loss").patience
    10
    """

    def __init__(self, callback: keras.callbacks.Callback) -> None:
        super().__init__()
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(f"`callback` must be a Keras callback; received {callback!r}.")
        self.callback = callback

    def set_params(self, params: Any) -> None:
        """Passes Keras's parameters on."""
        super().set_params(params)
        self.callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Gives the callback a view of the model whose optimizer is the discriminator's."""
        if not hasattr(model, "discriminator_optimizer"):
            raise TypeError(
                "`ForDiscriminator` needs a `tfgen.models.GAN`, which has a "
                f"`discriminator_optimizer`; received {type(model).__name__}."
            )
        super().set_model(model)
        self.callback.set_model(_DiscriminatorsView(model))

    def on_train_begin(self, logs: Any = None) -> None:
        """Passed on."""
        self.callback.on_train_begin(logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Passed on."""
        self.callback.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Passed on."""
        self.callback.on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Passed on."""
        self.callback.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Passed on."""
        self.callback.on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Passed on; what the callback logs is renamed."""
        logs = {} if logs is None else logs
        seen = dict(logs)
        seen.pop("learning_rate", None)  # the generator's
        before = set(seen)
        self.callback.on_epoch_end(epoch, seen)
        for name in seen.keys() - before:
            logs[f"discriminator_{name}"] = seen[name]


class _DiscriminatorsView:
    """A view of a GAN whose `optimizer` is the discriminator's."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @property
    def optimizer(self) -> Any:
        return self._model.discriminator_optimizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
