"""The last layer of a discriminator that is given a class."""

from typing import Any

import keras
import tensorflow as tf

from tfgen.layers.arguments import canonical_size
from tfgen.layers.base import register

__all__ = ["ProjectionLogit"]


@register
class ProjectionLogit(keras.layers.Layer):
    """The logit of a projection discriminator [1], given a class.

    Of features phi(x) and a class c it is

        a(x, c) = v_c . phi(x) + w . phi(x) + b.

    The second part is log p_data(x) - log p_gen(x) whatever the class, the first what the
    class adds to it, log p_data(c|x) - log p_gen(c|x), for classes of a log-linear law.

    Args:
        num_classes: how many classes there are.
        embeddings_initializer: of v, a Keras initializer or its name. At 0, the default,
            the discriminator starts without regard to the class.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: a pair, of features `[batch, F]` and classes `[batch]` or `[batch, 1]`, of
            an integer type, each in 0, ..., num_classes - 1.

    Returns:
        Logits `[batch, 1]`.

    Raises:
        TypeError: if `num_classes` is no integer, or classes are not of an integer type.
        ValueError: if `num_classes` is below 1, or, called eagerly, a class is out of
            range. `tfgen.models.GAN` checks that before it trains.

    >>> layer = ProjectionLogit(3)
    >>> layer([tf.ones([2, 4]), tf.constant([0, 2])]).shape.as_list()
    [2, 1]

    [1] Miyato, Koyama. cGANs with projection discriminator. arXiv 1802.05637.
    """

    def __init__(
        self,
        num_classes: int,
        embeddings_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes = canonical_size(num_classes, "num_classes")
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape: Any) -> None:
        """Makes v `[num_classes, F]`, w and b."""
        try:
            (_, size), _ = input_shape
        except (TypeError, ValueError):
            raise ValueError(
                "`inputs` must be a pair, of features [B, F] and of classes [B]; received "
                f"shape {input_shape}. Call the layer on `[features, classes]`."
            ) from None
        self.embeddings = self.add_weight(
            shape=(self.num_classes, size),
            initializer=self.embeddings_initializer,
            name="embeddings",
        )
        self.kernel = self.add_weight(
            shape=(size, 1), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")
        self.built = True

    def call(self, inputs: Any) -> tf.Tensor:
        """The logits."""
        features, classes = inputs
        self._check(classes)
        classes = tf.reshape(tf.cast(classes, tf.int32), [-1])
        embedded = tf.gather(tf.cast(self.embeddings, features.dtype), classes)
        of_class = tf.reduce_sum(embedded * features, axis=-1, keepdims=True)
        return of_class + tf.matmul(features, self.kernel) + self.bias

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """[batch, 1]."""
        return (input_shape[0][0], 1)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "embeddings_initializer": serialize(self.embeddings_initializer),
        }

    def _check(self, classes: Any) -> None:
        if not tf.as_dtype(classes.dtype).is_integer:
            raise TypeError(
                "`inputs[1]` must be classes of an integer type; received "
                f"{tf.as_dtype(classes.dtype).name}. Pass labels, not one-hot vectors: "
                "`keras.Input([], dtype='int32', name='c')`."
            )
        values = tf.get_static_value(classes) if tf.is_tensor(classes) else None
        if values is not None and values.size:
            least, greatest = values.min(), values.max()
            if least < 0 or greatest >= self.num_classes:
                raise ValueError(
                    f"`inputs[1]` must hold classes from 0 to {self.num_classes - 1}; "
                    f"received classes from {least} to {greatest}. Set `num_classes`."
                )
