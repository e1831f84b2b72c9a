"""What a GAN logs during training, and its messages if training goes wrong."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfgen.losses import GANLoss
from tfgen.losses.gan.exponentials import log_count
from tfgen.models.loss_guard import LossWatch
from tfgen.training import TrainingWarning, of_all_replicas

__all__ = ["Monitor", "OneSampleWarning", "explain_divergence"]

# A mean share of the largest weight above this leaves one sample a batch to learn from.
_LARGEST_SHARE = 0.99

_REAL, _FAKE = "a(x) of the data", "a(G(z)) of the samples"
_PENALTY, _LOSSES = "the gradient penalty", ("the discriminator's loss", "the generator's")


class Monitor:
    """The means over an epoch, one Keras metric each, and the watch on the losses.

    Args:
        loss: the loss; it determines whether the logit is a log-ratio, and so which metrics
            are meaningful.
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
        # The largest weight's share of each batch: watched, not logged.
        self._largest_share = keras.metrics.Mean(name="largest_share")
        self.watch = LossWatch([_REAL, _FAKE, _PENALTY, *_LOSSES])

    @property
    def metrics(self) -> list[keras.Metric]:
        """Every metric, to be reset."""
        return [*self._means.values(), self._largest_share, self.watch]

    @property
    def logs(self) -> dict[str, tf.Tensor]:
        """The means so far, by name."""
        return {name: mean.result() for name, mean in self._means.items()}

    @property
    def largest_share(self) -> float:
        """The share of a batch's sum of exp(a) in its largest sample, averaged."""
        return float(self._largest_share.result())

    def track_discriminator(
        self,
        loss: tf.Tensor,
        real_logits: tf.Tensor,
        fake_logits: tf.Tensor,
        penalty: tf.Tensor | None = None,
    ) -> list[tf.Tensor]:
        """Updates the metrics with a batch of the discriminator.

        Args:
            loss: what it minimises, without the penalty.
            real_logits: a(x), `[batch, 1]` or `[batch]`.
            fake_logits: a(G(z)), of the same shape.
            penalty: the gradient penalty, before its weight.

        Returns:
            The values to watch: logits of data and samples, the penalty, the loss.
        """
        size = tf.shape(real_logits)[0]
        self._track(size, discriminator_loss=loss)
        if self._is_log_ratio:
            right = tf.concat([real_logits > 0, fake_logits < 0], axis=0)
            self._track(size, accuracy=tf.reduce_mean(tf.cast(right, tf.float32)))
        if penalty is None:
            return [real_logits, fake_logits, tf.zeros([]), loss]
        self._track(size, gradient_penalty=penalty)
        return [real_logits, fake_logits, penalty, loss]

    def track_generator(self, loss: tf.Tensor, fake_logits: tf.Tensor) -> list[tf.Tensor]:
        """Updates the metrics with a batch of the generator.

        Args:
            loss: what the generator minimises.
            fake_logits: a(G(z)), `[batch, 1]` or `[batch]`.

        Returns:
            The values to watch: logits of the samples, the loss.
        """
        size = tf.shape(fake_logits)[0]
        self._track(size, generator_loss=loss)
        if self._is_log_ratio:
            self._track_weights(tf.reshape(fake_logits, [-1]), size)
        return [fake_logits, loss]

    def track_step(
        self, by_discriminator: list[list[tf.Tensor]], by_generator: list[tf.Tensor]
    ) -> None:
        """Watches whether a step's losses are finite.

        Args:
            by_discriminator: what `track_discriminator` returned, once an update.
            by_generator: what `track_generator` returned.
        """
        real, fake, penalty, loss = zip(*by_discriminator, strict=True)
        terms = [real, (*fake, by_generator[0]), penalty, loss, by_generator[1:]]
        sums = [tf.add_n([_sum(value) for value in values]) for values in terms]
        self.watch.update_state(tf.stack(sums[2:]), sums)

    def _track(self, size: Any, **values: tf.Tensor) -> None:
        for name, value in values.items():
            self._means[name].update_state(value, sample_weight=size)

    def _track_weights(self, logits: tf.Tensor, size: tf.Tensor) -> None:
        """How the weights exp(a) are spread over the global batch."""
        if logits.dtype.size < 4:
            logits = tf.cast(logits, tf.float32)
        here = [
            tf.reduce_logsumexp(logits),
            tf.reduce_logsumexp(2.0 * logits),
            log_count(logits),
            tf.reduce_max(logits),
        ]
        by_replica = of_all_replicas(tf.stack(here))
        total, total_of_squares, count = tf.unstack(
            tf.reduce_logsumexp(by_replica[:, :3], axis=0)
        )
        largest = tf.reduce_max(by_replica[:, 3])
        ess = tf.exp(2.0 * total - total_of_squares - count)
        self._track(size, mean_ratio=tf.exp(total - count), ess=ess)
        self._largest_share.update_state(tf.exp(largest - total), sample_weight=size)


def _sum(value: tf.Tensor) -> tf.Tensor:
    """Finite, in float64, if and only if each element is."""
    return tf.reduce_sum(tf.cast(value, tf.float64))


class OneSampleWarning(keras.callbacks.Callback):
    """Warns after an epoch whose weights exp(a) lay on one sample of each batch.

    `GAN.fit` adds one by itself. It warns only if the objective's weights are exp(a).
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Warns if one sample in each batch has all the weight."""
        share = self.model.monitor.largest_share
        if self.model.loss.weighs_by_ratio and share > _LARGEST_SHARE:
            warnings.warn(
                f"Epoch {epoch + 1}: on average {share:.1%} of a batch's weights exp(a) "
                "belong to one sample, so the generator learns from that sample alone. "
                "The discriminator is too strong: use gradient_penalty='r1', a larger "
                "batch or fewer discriminator_steps; or an objective that does not weight "
                "samples by exp(a), such as 'non_saturating' or 'reverse_kl'.",
                TrainingWarning,
                stacklevel=2,
            )


def explain_divergence(loss: GANLoss) -> Callable[[list[str]], str]:
    """Says why a GAN's loss is not finite.

    Args:
        loss: what the GAN was compiled with.

    Returns:
        A function from the terms that were not finite, by their names in the watch, to
        sentences on the cause and the remedy.
    """

    def explain(terms: list[str]) -> str:
        text = f"not finite: {', '.join(terms)}. " if terms else ""
        if loss.can_overflow and _FAKE not in terms:
            return (
                f"{text}The objective, {type(loss).__name__}, contains the exponential of "
                "the logit a, which overflows float32 where a exceeds 88.7. Compile with "
                "loss=tfgen.losses.MaximumLikelihood(normalize=True), which cannot "
                "overflow, or with one that grows no faster than the logit, such as "
                "'reverse_kl' or 'non_saturating'."
            )
        return (
            f"{text}Training by {type(loss).__name__} diverged: the weights, or rows of a "
            "dataset, were not finite. Lower the learning rates, set `clipnorm` on the "
            "optimizers, or use gradient_penalty='r1'."
        )

    return explain
