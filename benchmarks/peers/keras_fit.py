"""Stock Keras 3 `fit` with a `train_step` as in Keras's own VAE example.

The batches come from tf.data, which Keras trains from faster than from an array.
"""

import keras
import tensorflow as tf

from benchmarks.peers.task import LATENT, PIXELS, Task, data, throughput

__all__ = ["run"]


class _KerasVAE(keras.Model):
    def __init__(self, num_samples, units):
        super().__init__()
        dense = keras.layers.Dense
        self.num_samples = num_samples
        self.encoder = keras.Sequential(
            [
                keras.layers.Input([PIXELS]),
                dense(units, "tanh"),
                dense(units, "tanh"),
                dense(2 * LATENT),
            ]
        )
        self.decoder = keras.Sequential(
            [
                keras.layers.Input([LATENT]),
                dense(units, "tanh"),
                dense(units, "tanh"),
                dense(PIXELS),
            ]
        )
        self.tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = self._loss(x)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}

    def _loss(self, x):
        k = self.num_samples
        mu, raw = tf.split(self.encoder(x), 2, axis=-1)
        sigma = tf.math.softplus(raw)
        eps = tf.random.normal([k, tf.shape(x)[0], LATENT])
        z = mu + sigma * eps
        logits = self.decoder(tf.reshape(z, [-1, LATENT]))
        logits = tf.reshape(logits, [k, -1, PIXELS])
        target = tf.broadcast_to(x, tf.shape(logits))
        log_likelihood = -tf.reduce_sum(
            tf.nn.sigmoid_cross_entropy_with_logits(target, logits), axis=-1
        )
        if k == 1:
            kl = 0.5 * tf.reduce_sum(
                mu**2 + sigma**2 - 1.0 - 2.0 * tf.math.log(sigma), axis=-1
            )
            return tf.reduce_mean(kl - log_likelihood[0])
        log_ratio = tf.reduce_sum(0.5 * eps**2 - 0.5 * z**2 + tf.math.log(sigma), axis=-1)
        return -tf.reduce_mean(tf.reduce_logsumexp(log_likelihood + log_ratio, axis=0))


def run(
    task: Task, seconds: float, jit_compile: bool, steps_per_execution: int
) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    model = _KerasVAE(task.num_samples, task.units)
    model.compile(
        keras.optimizers.Adam(1e-3),
        jit_compile=jit_compile,
        steps_per_execution=steps_per_execution,
    )
    batches = (
        tf.data.Dataset.from_tensor_slices(data(task.num_examples))
        .shuffle(task.num_examples)
        .batch(task.batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )

    def run_epochs(epochs):
        model.fit(batches, epochs=epochs, verbose=0)

    covered = task.num_examples // task.batch_size * task.batch_size
    return throughput(run_epochs, covered, seconds)
