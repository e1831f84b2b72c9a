"""What a GAN logs while it trains, and the watch on its divergence."""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.losses import GANLoss
from tfgen.losses.gan_likelihood import log_count

__all__ = ["DivergenceGuard", "Monitor"]

# A mean share of the largest weight above this leaves one sample a batch to learn from.
_LARGEST_SHARE = 0.99


class Monitor:
    """The means over an epoch, one Keras metric each.

    Args:
        loss: says whether a logit is a log-ratio, and so which metrics have a meaning.
        has_penalty: whether there is a gradient penalty to log.
    """

    def __init__(self, loss: GANLoss, has_penalty: bool) -> None:
        self._is_log_ratio = loss.logits_are_log_ratio
        names = ["discriminator_loss", "generator_loss"]
        if self._is_log_ratio:
            names += ["accuracy", "mean_ratio", "ess"]
        if has_penalty:
            names += ["gradient_penalty"]
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        # Σ of the largest weight's share of each batch: watched, not logged.
        self._largest_share = keras.metrics.Mean(name="largest_share")

    @property
    def metrics(self) -> list[keras.Metric]:
        """Every metric, to be reset."""
        return [*self._means.values(), self._largest_share]

    @property
    def logs(self) -> dict[str, tf.Tensor]:
        """The means so far, by name."""
        return {name: mean.result() for name, mean in self._means.items()}

    @property
    def largest_share(self) -> float:
        """The part of exp(a) that the largest sample of a batch has, averaged."""
        return float(self._largest_share.result())

    def track_discriminator(
        self, loss: tf.Tensor, real_logits: tf.Tensor, fake_logits: tf.Tensor
    ) -> None:
        """Takes in a batch that the discriminator saw."""
        size = tf.shape(real_logits)[0]
        self._track(size, discriminator_loss=loss)
        if self._is_log_ratio:
            right = tf.concat([real_logits > 0, fake_logits < 0], axis=0)
            self._track(size, accuracy=tf.reduce_mean(tf.cast(right, tf.float32)))

    def track_penalty(self, penalty: tf.Tensor) -> None:
        """Takes in the gradient penalty of a batch."""
        self._track(1, gradient_penalty=penalty)

    def track_generator(self, loss: tf.Tensor, fake_logits: tf.Tensor) -> None:
        """Takes in a batch that the generator made."""
        size = tf.shape(fake_logits)[0]
        self._track(size, generator_loss=loss)
        if not self._is_log_ratio:
            return
        logits = tf.reshape(tf.cast(fake_logits, tf.float32), [-1])
        total = tf.reduce_logsumexp(logits)
        log_ess = 2.0 * total - tf.reduce_logsumexp(2.0 * logits)
        count = log_count(logits)
        self._track(size, mean_ratio=tf.exp(total - count), ess=tf.exp(log_ess - count))
        share = tf.exp(tf.reduce_max(logits) - total)
        self._largest_share.update_state(share, sample_weight=size)

    def _track(self, size: Any, **values: tf.Tensor) -> None:
        for name, value in values.items():
            self._means[name].update_state(value, sample_weight=size)


class DivergenceGuard(keras.callbacks.Callback):
    """Reports what makes a GAN diverge: `GAN.fit` adds one by itself.

    A loss or penalty that is not finite stops `fit` with a `FloatingPointError`. An
    epoch whose weights exp(a) lie on one sample of each batch, while the objective
    weighs samples by them, gives a warning.
    """

    _epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the epoch, for the report."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops `fit` at the first loss that is not finite."""
        for name, value in (logs or {}).items():
            if name.endswith(("loss", "penalty")) and not np.isfinite(value):
                raise FloatingPointError(
                    f"`{name}` is {float(value)} by step {batch + 1} of epoch "
                    f"{self._epoch + 1}: {_cause(self.model.loss)}"
                )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Warns where one sample a batch has all the weight."""
        share = self.model.monitor.largest_share
        if self.model.loss.weighs_by_ratio and share > _LARGEST_SHARE:
            warnings.warn(
                f"Epoch {epoch + 1}: on average {share:.1%} of a batch's weights exp(a) "
                "lie on one sample, which leaves one sample to learn from. The "
                "discriminator is far ahead: use gradient_penalty='r1', a larger batch "
                "or fewer discriminator_steps; or an objective that does not weigh by "
                "exp(a), such as 'non_saturating' or 'reverse_kl'.",
                RuntimeWarning,
                stacklevel=2,
            )


def _cause(loss: GANLoss) -> str:
    if loss.can_overflow:
        return (
            f"the objective, {type(loss).__name__}, holds an exponential of the logit, "
            "which overflows float32 (exp does from a = 88.7). Compile with "
            "loss=tfgen.losses.MaximumLikelihood(normalize=True), which cannot overflow, "
            "or with one that grows no faster than the logit, such as 'reverse_kl' or "
            "'non_saturating'."
        )
    return (
        f"training by {type(loss).__name__}, which cannot overflow by itself, diverged. "
        "Lower the learning rates, set `clipnorm` on the optimizers, or use "
        "gradient_penalty='r1'."
    )
