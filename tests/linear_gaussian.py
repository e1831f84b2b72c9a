"""A latent-variable model whose log p(x) and posterior are known in closed form.

Probabilistic PCA: z ~ N(0, I), x|z ~ N(W z + b, sigma^2 I), so that

    p(x) = N(b, W W^T + sigma^2 I),
    p(z|x) = N(M^-1 W^T (x - b), sigma^2 M^-1),   M = W^T W + sigma^2 I.
"""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions


@keras.saving.register_keras_serializable("tests")
class SharedScale(keras.layers.Layer):
    """Means `[B, D]` with one raw scale for all dimensions, `[B, 2 D]`."""

    def __init__(self, raw_scale=0.0, **kwargs):
        super().__init__(**kwargs)
        self.raw_scale = raw_scale

    def build(self, input_shape):
        self.scale = self.add_weight(
            (), keras.initializers.Constant(self.raw_scale), name="raw_scale"
        )

    def call(self, mean):
        return tf.concat([mean, tf.fill(tf.shape(mean), self.scale.value)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "raw_scale": self.raw_scale}


def softplus_inverse(value):
    return np.log(np.expm1(value))


class LinearGaussian:
    """The model, with random weights; in float64 but for the networks."""

    def __init__(self, event_size=10, latent_size=3, sigma=0.5, seed=0):
        rng = np.random.default_rng(seed)
        self.w = rng.normal(size=[event_size, latent_size]) / np.sqrt(latent_size)
        self.b = rng.normal(size=event_size)
        self.sigma = sigma
        self.event_size, self.latent_size = event_size, latent_size
        m = self.w.T @ self.w + sigma**2 * np.eye(latent_size)
        self.gain = np.linalg.solve(m, self.w.T)  # [latent, event]
        self.posterior_covariance = sigma**2 * np.linalg.inv(m)

    def marginal(self):
        return marginal(self.w, self.b, self.sigma)

    def log_prob(self, x):
        return self.marginal().log_prob(np.asarray(x, "float64")).numpy()

    def sample(self, num, seed=1):
        """Pairs (z, x), float32."""
        rng = np.random.default_rng(seed)
        z = rng.normal(size=[num, self.latent_size])
        noise = self.sigma * rng.normal(size=[num, self.event_size])
        return z.astype("float32"), (z @ self.w.T + self.b + noise).astype("float32")

    def posterior_mean(self, x):
        return (np.asarray(x, "float64") - self.b) @ self.gain.T

    def decoder(self):
        decoder = keras.Sequential(
            [
                keras.layers.Input([self.latent_size]),
                keras.layers.Dense(self.event_size),
                SharedScale(softplus_inverse(self.sigma)),
                tfgen.layers.IndependentNormal([self.event_size]),
            ]
        )
        decoder.layers[0].set_weights([self.w.T, self.b])
        return decoder

    def encoder(self, shift=0.0, stretch=1.0):
        """q(z|x) = N(mean + shift, stretch^2 covariance), of the posterior's."""
        size = self.latent_size
        layer = tfgen.layers.MultivariateNormalTriL(size)
        encoder = keras.Sequential(
            [
                keras.layers.Input([self.event_size]),
                keras.layers.Dense(layer.params_size(size)),
                layer,
            ]
        )
        factor = stretch * np.linalg.cholesky(self.posterior_covariance)
        raw = tfp.bijectors.FillScaleTriL(diag_shift=np.float64(1e-5)).inverse(factor)
        kernel = np.zeros([self.event_size, layer.params_size(size)])
        kernel[:, :size] = self.gain.T
        bias = np.concatenate([shift - self.gain @ self.b, raw])
        encoder.layers[0].set_weights([kernel, bias])
        return encoder

    def vae(self, shift=0.0, stretch=1.0):
        return tfgen.models.VAE(self.encoder(shift, stretch), self.decoder())


def marginal(w, b, sigma):
    """N(b, W W^T + sigma^2 I), in float64."""
    w = np.asarray(w, "float64")
    covariance = w @ w.T + float(sigma) ** 2 * np.eye(len(w))
    return tfd.MultivariateNormalTriL(
        np.asarray(b, "float64"), np.linalg.cholesky(covariance)
    )
