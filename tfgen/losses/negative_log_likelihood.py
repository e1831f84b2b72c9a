"""The loss of a Keras model that ends in a distribution: -log p(y)."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

__all__ = ["NegativeLogLikelihood"]


@keras.saving.register_keras_serializable("tfgen")
class NegativeLogLikelihood(keras.losses.Loss):
    """-log p(y_true), p the distribution that the model returned, in nats an example.

    For any `keras.Model` whose output is a layer of `tfgen.layers`:
    `model.compile(optimizer, loss=NegativeLogLikelihood())`.

    Args:
        reduction: as Keras's: `"sum_over_batch_size"`, the mean over the batch, where
            `sample_weight` multiplies each example; `"sum"`, `"mean"`,
            `"mean_with_sample_weight"`, or `None` for a value an example.
        name: the loss's name.

    Call arguments:
        y_true: `[*batch, *event]`.
        y_pred: a distribution of such batch and event shapes.
        sample_weight: `[*batch]`, or what broadcasts with it, or `None`.

    Returns:
        A scalar, or `[*batch]` where nothing is reduced.

    Raises:
        TypeError: if `y_pred` is no distribution.
        ValueError: if the shape of `y_true` is not that of the distribution's events.

    >>> p = tfd.Normal([0.0, 1.0], 1.0)
    >>> round(float(NegativeLogLikelihood()([0.0, 1.0], p)), 4)  # log(2 pi) / 2
    0.9189
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "negative_log_likelihood",
    ) -> None:
        super().__init__(name=name, reduction=reduction)

    def __call__(
        self, y_true: Any, y_pred: tfd.Distribution, sample_weight: Any = None
    ) -> tf.Tensor:
        """-log p(y_true), reduced; overridden, since Keras would make y_pred a tensor."""
        if not isinstance(y_pred, tfd.Distribution):
            raise TypeError(
                "`y_pred` must be a distribution; received "
                f"{type(y_pred).__name__} of shape {getattr(y_pred, 'shape', None)}. End "
                "the model in a layer of `tfgen.layers`."
            )
        values = -y_pred.log_prob(_as_events(y_true, y_pred))
        return super().__call__(values, values, sample_weight)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """The values that Keras is to reduce: those it was given."""
        return y_pred


def _as_events(y_true: Any, distribution: tfd.Distribution) -> tf.Tensor:
    """`y_true` as events of `distribution`, in its dtype.

    As in Keras's own losses, a last dimension of size 1 may be left out, or be too much.
    Nothing else is broadcast: `[B]` against `[B, 1]` would become `[B, B]`.
    """
    y = tf.cast(tf.convert_to_tensor(y_true), distribution.dtype)
    shape = distribution.batch_shape.concatenate(distribution.event_shape)
    if y.shape.rank is None or shape.rank is None:
        return y
    if y.shape.rank == shape.rank - 1 and shape[-1] == 1:
        y = y[..., tf.newaxis]
    elif y.shape.rank == shape.rank + 1 and y.shape[-1] == 1:
        y = y[..., 0]
    if not y.shape.is_compatible_with(shape):
        raise ValueError(
            "`y_true` must have the shape of the distribution's batch and event, "
            f"{tuple(shape)}; received {tuple(y.shape)}. Give the layer the event shape "
            "of the data."
        )
    return y
