"""The log-ratio of two distributions that are too far apart for one classifier."""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.layers.arguments import positive_integer
from tfgen.models.checks import check_array, check_optimizer

__all__ = ["TelescopingRatio", "telescoping_ratio"]

# A bridge whose cross-entropy, in nats, is below this learns from few examples only.
_TOO_EASY = 0.05


class TelescopingRatio:
    """log p_real(x) - log p_generated(x) as the sum of K log-ratios.

    Attributes:
        network: the network, from x to the K log-ratios, `[B, K]`.
        losses: the cross-entropy of each bridge, `[K]`, in nats: log 2 = 0.69 if its two
            ends are equal, 0 if they don't overlap, in which case its ratio is unreliable.
    """

    def __init__(self, network: keras.Model, losses: np.ndarray) -> None:
        self.network = network
        self.losses = losses

    def bridges(self, x: Any, batch_size: int = 1024) -> tf.Tensor:
        """The log-ratios of neighbouring waymarks, `[B, K]`, from the real end."""
        x = tf.convert_to_tensor(x)
        parts = [x[i : i + batch_size] for i in range(0, len(x), batch_size)]
        return tf.concat([self.network(part, training=False) for part in parts], axis=0)

    def log_ratio(self, x: Any, batch_size: int = 1024) -> tf.Tensor:
        """log p_real(x) - log p_generated(x), `[B]`, in nats."""
        return tf.reduce_sum(self.bridges(x, batch_size), axis=1)


def telescoping_ratio(
    network: keras.Model,
    real: Any,
    generated: Any,
    optimizer: str | keras.Optimizer = "adam",
    batch_size: int = 256,
    epochs: int = 10,
) -> TelescopingRatio:
    """Estimates log p_real(x) - log p_generated(x) through distributions in between [1].

    Waymarks lead from data to samples in K steps of equal angle,

        x_k = cos(t_k) x_real + sin(t_k) x_generated,  t_k = k pi / (2 K),  k = 0, ..., K,

    a classifier a_k separates waymark k from waymark k + 1, and the sum of their logits is
    the log-ratio. From about 5 nats on, a single classifier of the two ends would be right
    about every example, and so could not learn the ratio; each of the K classifiers
    compares distributions that are closer. All are trained at once.

    Args:
        network: a Keras model from x to K logits, `[B, K]`, such as shared layers and
            `keras.layers.Dense(K)`. It is trained, and learns faster if x is centred and
            scaled, as by `keras.layers.Normalization`.
        real: data, `[N, ...]`.
        generated: samples, `[N, ...]`.
        optimizer: a Keras optimizer or its name.
        batch_size: rows in a step.
        epochs: passes over the rows.

    Returns:
        A `TelescopingRatio`.

    Raises:
        ValueError: if the two have different shapes, or the network does not return K
            logits.

    Warns:
        RuntimeWarning: if a bridge's classifier is almost always right, so that K is too
            small.

    >>> x = np.random.default_rng(0).normal(size=[64, 1]).astype("float32")
    >>> network = keras.Sequential([keras.Input([1]), keras.layers.Dense(3)])
    >>> ratio = telescoping_ratio(network, x + 1, x, epochs=1)
    >>> ratio.log_ratio(x).shape.as_list()
    [64]

    [1] Rhodes, Xu, Gutmann. Telescoping density-ratio estimation. arXiv 2006.12204.
    """
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            "`network` must be a Keras model that returns K logits; received "
            f"{network!r}. End one in `keras.layers.Dense(K)`."
        )
    check_optimizer(optimizer, "optimizer")
    positive_integer(batch_size, "batch_size")
    positive_integer(epochs, "epochs")
    real, generated = np.asarray(real), np.asarray(generated)
    if real.shape != generated.shape:
        raise ValueError(
            "`generated` must have the shape of `real`, since rows are paired; received "
            f"{generated.shape} and {real.shape}. Draw as many samples as there are data."
        )
    check_array(real, "real")
    check_array(generated, "generated")
    shape = tuple(network.compute_output_shape((None, *real.shape[1:])))
    if len(shape) != 2 or shape[1] is None:
        raise ValueError(
            "`network` must return K logits, [batch, K]; received an output of shape "
            f"{shape}. End it in `keras.layers.Dense(K)`."
        )
    bridges = _Bridges(network, shape[1])
    bridges.compile(optimizer=optimizer)
    rows = {"real": real, "generated": generated}
    bridges.fit(rows, batch_size=batch_size, epochs=epochs, verbose=0)
    losses = np.mean([bridges.losses_of(part) for part in _parts(rows, batch_size)], axis=0)
    if losses.min() < _TOO_EASY:
        warnings.warn(
            f"Bridge {int(losses.argmin())} of {shape[1]} has a cross-entropy of "
            f"{losses.min():.3f} nats: its classifier is almost certain, so its ratio is "
            "unreliable. Give `network` more outputs, which means more bridges.",
            RuntimeWarning,
            stacklevel=2,
        )
    return TelescopingRatio(network, losses)


def _parts(rows: dict[str, np.ndarray], size: int) -> list[dict[str, tf.Tensor]]:
    count = max(1, len(rows["real"]) // size)
    return [
        {name: tf.constant(x[i * size : (i + 1) * size]) for name, x in rows.items()}
        for i in range(count)
    ]


class _Bridges(keras.Model):
    """Trains the network on the waymarks between rows of two kinds."""

    def __init__(self, network: keras.Model, count: int) -> None:
        super().__init__(name="bridges")
        self.network = network
        self.count = count
        self.built = True

    def call(self, rows: dict[str, tf.Tensor]) -> tf.Tensor:
        """The loss of each bridge, `[K]`; their sum is what is minimised."""
        losses = self.losses_of(rows)
        self.add_loss(tf.reduce_sum(losses))
        return losses

    def losses_of(self, rows: dict[str, tf.Tensor]) -> tf.Tensor:
        """The cross-entropy of each bridge, `[K]`, in nats."""
        real, generated = rows["real"], rows["generated"]
        angles = 0.5 * np.pi * np.arange(self.count + 1) / self.count
        # Rolled, so that neighbouring waymarks hold different pairs and there are many
        # pairs.
        waymarks = [
            np.cos(angle) * real + np.sin(angle) * tf.roll(generated, k, axis=0)
            for k, angle in enumerate(angles.tolist())
        ]
        logits = self.network(tf.concat(waymarks, axis=0))
        logits = tf.reshape(logits, [self.count + 1, -1, self.count])
        numbers = range(self.count)
        nearer = tf.stack([logits[k, :, k] for k in numbers])
        farther = tf.stack([logits[k + 1, :, k] for k in numbers])
        each = tf.math.softplus(-nearer) + tf.math.softplus(farther)
        return 0.5 * tf.reduce_mean(each, axis=1)
