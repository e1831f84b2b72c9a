"""Stops a GAN's `fit` when it diverges, and says why."""

import warnings

import keras
import numpy as np

from tfgen.losses import MaximumLikelihood

__all__ = ["DivergenceGuard"]

# A mean share of the largest weight above this leaves one sample a batch to learn from.
_LARGEST_SHARE = 0.99


class DivergenceGuard(keras.callbacks.Callback):
    """Reports what makes a GAN diverge: `GAN.fit` adds one by itself.

    A loss or penalty that is not finite stops `fit` with a `FloatingPointError`. An
    epoch whose weights exp(a) lie on one sample of each batch, while the objective
    weighs samples by them, gives a warning.
    """

    def __init__(self):
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        """Remembers the epoch, for the report."""
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        """Stops `fit` at the first loss that is not finite."""
        for name, value in (logs or {}).items():
            if name.endswith(("loss", "penalty")) and not np.isfinite(value):
                raise FloatingPointError(
                    f"`{name}` is {float(value)} at step {batch + 1} of epoch "
                    f"{self._epoch + 1}: {self._cause()}"
                )

    def on_epoch_end(self, epoch, logs=None):
        """Warns where one sample a batch has all the weight."""
        loss, share = self.model.loss, self.model.largest_share
        if share is None or not loss.weighs_by_ratio:
            return
        if float(share.result()) > _LARGEST_SHARE:
            warnings.warn(
                f"Epoch {epoch + 1}: on average {float(share.result()):.1%} of the "
                "generator's weights exp(a) lie on one sample of the batch, which "
                "leaves one sample to learn from. The discriminator is far ahead: use "
                "a larger batch, gradient_penalty='r1' or fewer discriminator_steps, "
                "or an objective that does not weigh by exp(a), such as "
                "'non_saturating' or 'reverse_kl'.",
                RuntimeWarning,
                stacklevel=2,
            )

    def _cause(self):
        loss = self.model.loss
        name = type(loss).__name__
        if not loss.can_overflow:
            return (
                "training diverged. Lower the learning rates, set `clipnorm` on the "
                "optimizers or use gradient_penalty='r1'; compile again with the "
                "networks' last good weights."
            )
        way_out = "tfgen.losses.MaximumLikelihood(normalize=True)"
        return (
            f"{name} holds an exponential of the logit, which overflows float32 (exp "
            f"does from a = 88.7). Use loss={way_out}, which cannot overflow"
            + (
                "."
                if isinstance(loss, MaximumLikelihood)
                else ", or one that grows no faster than the logit, such as "
                "'reverse_kl' or 'non_saturating'."
            )
        )
