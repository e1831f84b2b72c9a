"""Lowers the temperature of relaxed latents over the first epochs."""

import math
from typing import Any

import keras

from tfgen.models import checks

__all__ = ["TemperatureAnnealing"]


class TemperatureAnnealing(keras.callbacks.Callback):
    """Moves the temperature of every relaxed layer of the encoder, and of the prior.

        temperature = start (end / start)^min(1, epochs so far / num_epochs)

    The temperature is a variable of `tfgen.layers.RelaxedBernoulli` and
    `RelaxedOneHotCategorical`: changing it recompiles nothing. It changes once in each
    execution (`steps_per_execution` steps), or once in each epoch if the epoch's length is
    unknown.

    Args:
        start: the temperature at the beginning, above 0.
        end: the temperature at the end, above 0.
        num_epochs: epochs after which the temperature is `end`; a number above 0.

    Raises:
        TypeError: if an argument is not a number.
        ValueError: if one is not above 0, or (in `fit`) if the model has no such layer.

    >>> import numpy as np
    >>> import tfgen
    >>> relaxed = tfgen.layers.RelaxedBernoulli([2], temperature=1.0)
    >>> encoder = keras.Sequential([keras.Input([4]), keras.layers.Dense(2), relaxed])
    >>> decoder = keras.Sequential([
    ...     keras.Input([2]), keras.layers.Dense(4),
    ...     tfgen.layers.IndependentBernoulli([4]),
    ... ])
    >>> prior = tfgen.layers.LearnedPrior(tfgen.layers.IndependentBernoulli([2]))
    >>> vae = tfgen.models.VAE(encoder, decoder, prior)
    >>> vae.compile("adam", "elbo")
    >>> annealing = TemperatureAnnealing(start=1.0, end=0.5, num_epochs=2)
    >>> history = vae.fit(np.zeros([8, 4]), epochs=3, callbacks=[annealing], verbose=0)
    >>> float(relaxed.temperature.numpy())
    0.5

    Source: Jang, Gu, Poole. Categorical reparameterization with Gumbel-softmax.
    arXiv 1611.01144.
    """

    def __init__(self, start: float, end: float, num_epochs: float) -> None:
        super().__init__()
        self.start = checks.positive_number(start, "start")
        self.end = checks.positive_number(end, "end")
        self.num_epochs = checks.positive_number(num_epochs, "num_epochs")
        self._temperatures: list[keras.Variable] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Finds the layers."""
        layers = self.model._flatten_layers()
        self._temperatures = [
            layer.temperature for layer in layers if hasattr(layer, "discrete_layer")
        ]
        if not self._temperatures:
            raise ValueError(
                "`TemperatureAnnealing` changes the temperature of relaxed layers; "
                f"received a {type(self.model).__name__} without one. End the encoder in "
                "`tfgen.layers.RelaxedBernoulli` or `RelaxedOneHotCategorical`."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the temperature for the epoch's first step."""
        self._epoch = epoch
        self._set(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets the temperature for the next execution."""
        steps = self.params.get("steps")
        if steps:
            self._set(self._epoch + batch / steps)

    def on_train_end(self, logs: Any = None) -> None:
        """Sets the temperature for all the epochs that were run."""
        self._set(self._epoch + 1)

    def _set(self, epochs: float) -> None:
        share = min(1.0, epochs / self.num_epochs)
        value = self.start * math.exp(share * math.log(self.end / self.start))
        for temperature in self._temperatures:
            temperature.assign(value)
