"""Raises the weight of the KL over the first epochs."""

import warnings
from typing import Any

from tfgen.callbacks.schedule import KLSchedule
from tfgen.models import checks
from tfgen.training import TrainingWarning

__all__ = ["KLWarmup"]


class KLWarmup(KLSchedule):
    """Raises the weight of the KL, `ELBO.beta`, linearly over the first epochs.

        beta = start + (end - start) min(1, epochs so far / num_epochs)

    A small weight at the beginning lets the decoder learn to use z before the KL pulls the
    posterior towards the prior. Beta is a variable: changing it recompiles nothing, and the
    logged `elbo` stays the bound, at beta = 1. It changes once in each execution
    (`steps_per_execution` steps), or once in each epoch if the epoch's length is unknown.

    If the training will end before beta is `end`, `fit` starts with a
    `tfgen.training.TrainingWarning`.

    Args:
        num_epochs: epochs after which beta is `end`; a number above 0.
        start: beta at the beginning, at least 0.
        end: beta at the end, at least 0.

    Raises:
        TypeError: if an argument is not a number, or (in `fit`) if the model was not
            compiled with an `ELBO`.
        ValueError: if one is out of range.

    >>> import keras
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
        """Checks that the model's loss has a beta; warns if it does not reach its end."""
        super().on_train_begin(logs)
        epochs = self.params.get("epochs")
        if epochs is not None and self.beta_at(epochs) != self.end:
            warnings.warn(
                f"`num_epochs` of `KLWarmup` is {self.num_epochs:g}, and `fit` ends after "
                f"{epochs} epochs, with beta at {self.beta_at(epochs):.3g} and not at "
                f"{self.end:g}: what it has maximised is not the bound. Train for longer, "
                f"or warm up for less, such as KLWarmup({max(1, epochs // 2)}).",
                TrainingWarning,
                stacklevel=2,
            )

    def beta_at(self, epochs: float) -> float:
        """Beta after `epochs` epochs."""
        share = min(1.0, epochs / self.num_epochs)
        return self.start + (self.end - self.start) * share
