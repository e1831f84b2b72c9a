"""Raises the weight of the KL over the first epochs."""

from typing import Any

import keras

from tfgen.losses import ELBO
from tfgen.models import checks

__all__ = ["KLWarmup"]


class KLWarmup(keras.callbacks.Callback):
    """Raises the weight of the KL, `ELBO.beta`, in a line over the first epochs.

        beta = start + (end - start) min(1, epochs so far / num_epochs)

    A small weight in the beginning lets the decoder learn to use z before the prior pulls
    the posterior in. Beta is a variable: changing it compiles nothing anew, and what is
    logged as `elbo` stays the bound, at beta = 1. It changes once an execution
    (`steps_per_execution` steps), or once an epoch where its length is unknown.

    Args:
        num_epochs: after which beta is `end`; a number above 0.
        start: beta in the beginning, at least 0.
        end: beta at the end, at least 0.

    Raises:
        TypeError: if an argument is no number, or (in `fit`) if the model was not compiled
            with an `ELBO`.
        ValueError: if one is out of range.

    >>> import numpy as np
    >>> import tfgen
    >>> encoder = keras.Sequential([
    ...     keras.layers.Input([4]), keras.layers.Dense(4),
    ...     tfgen.layers.MultivariateNormalDiag(2),
    ... ])
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]), keras.layers.Dense(4),
    ...     tfgen.layers.IndependentBernoulli([4]),
    ... ])
    >>> vae = tfgen.models.VAE(encoder, decoder)
    >>> vae.compile("adam", "elbo")
    >>> warmup = KLWarmup(num_epochs=2)
    >>> history = vae.fit(np.zeros([8, 4]), epochs=3, callbacks=[warmup], verbose=0)
    >>> float(vae.bound.beta.numpy())
    1.0

    Source: Bowman et al. Generating sentences from a continuous space. arXiv 1511.06349;
    Sønderby et al. Ladder variational autoencoders. arXiv 1602.02282.
    """

    def __init__(self, num_epochs: float, start: float = 0.0, end: float = 1.0) -> None:
        super().__init__()
        self.num_epochs = checks.positive_number(num_epochs, "num_epochs")
        self.start = checks.positive_number(start, "start", or_zero=True)
        self.end = checks.positive_number(end, "end", or_zero=True)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that the model's loss has a beta."""
        if not isinstance(self.model.bound, ELBO):
            raise TypeError(
                "`KLWarmup` changes the beta of `tfgen.losses.ELBO`; received a model "
                f"compiled with {self.model.bound!r}. Compile it with loss='elbo'."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets beta for the epoch's first step."""
        self._epoch = epoch
        self._set(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets beta for the next execution."""
        steps = self.params.get("steps")
        if steps:
            self._set(self._epoch + batch / steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Sets beta for all the epochs that were run."""
        self._set(epoch + 1)

    def _set(self, epochs: float) -> None:
        share = min(1.0, epochs / self.num_epochs)
        self.model.bound.beta.assign(self.start + (self.end - self.start) * share)
