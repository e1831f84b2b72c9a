"""A linear-Gaussian model given c, whose log p(x|c) and posterior are known.

    z|c ~ N(A c, I), x|z,c ~ N(W z + B c, s^2 I), so that
    x|c ~ N((W A + B) c, W W^T + s^2 I).

c is made a Gaussian variable too, since given it nothing depends on its law.
"""

import keras
import numpy as np
import tensorflow_probability as tfp

import tfgen
from tests.gaussian import Gaussian
from tests.linear_gaussian import SharedScale, softplus_inverse

tfd = tfp.distributions


class ConditionalGaussian:
    """The model, with random weights, in float64; networks of it in Keras's precision."""

    def __init__(self, event_size=6, latent_size=2, condition_size=2, sigma=0.5, seed=0):
        rng = np.random.default_rng(seed)
        self.a = rng.normal(size=[latent_size, condition_size])
        self.w = rng.normal(size=[event_size, latent_size]) / np.sqrt(latent_size)
        self.b = rng.normal(size=[event_size, condition_size])
        self.sigma = sigma
        self.sizes = {"c": condition_size, "z": latent_size, "x": event_size}
        self.joint = Gaussian().add("c", 1.0, condition_size)
        self.joint.add("z", 1.0, latent_size, c=self.a)
        self.joint.add("x", sigma, event_size, z=self.w, c=self.b)

    def sample(self, num, seed=1):
        """Pairs {"x": x, "c": c}, float32."""
        rng = np.random.default_rng(seed)
        c = rng.normal(size=[num, self.sizes["c"]])
        z = c @ self.a.T + rng.normal(size=[num, self.sizes["z"]])
        noise = self.sigma * rng.normal(size=[num, self.sizes["x"]])
        x = z @ self.w.T + c @ self.b.T + noise
        return {"x": x.astype("float32"), "c": c.astype("float32")}

    def log_prob(self, data):
        return self.joint.conditional("x", "c").log_prob(data["x"], data["c"])

    def vae(self, layer=tfgen.layers.MultivariateNormalTriL, **off):
        """The true decoder and prior; the true posterior, or one that is off."""
        diagonal = tfgen.layers.MultivariateNormalDiag
        return tfgen.models.VAE(
            self.joint.conditional("z", "x", "c").network(layer, **off),
            self.joint.conditional("x", "z", "c").network(tfgen.layers.IndependentNormal),
            self.joint.conditional("z", "c").network(diagonal),
        )

    def untrained(self):
        """Random networks of the model's shape: s is trained, p(z|c) of unit scale."""
        x, c = (keras.Input([self.sizes[name]], name=name) for name in "xc")
        z = keras.Input([self.sizes["z"]], name="z")
        size, event = self.sizes["z"], self.sizes["x"]
        dense, layers = keras.layers.Dense, tfgen.layers
        joined = keras.layers.Concatenate()
        q = layers.MultivariateNormalTriL(size)
        q = q(dense(q.params_size(size))(joined([x, c])))
        unit = SharedScale(softplus_inverse(1.0))
        unit.trainable = False
        p_z = layers.MultivariateNormalDiag(size)(unit(dense(size, name="mean")(c)))
        p_x = SharedScale(0.5)(dense(event, name="mean")(joined([z, c])))
        p_x = layers.IndependentNormal([event])(p_x)
        return tfgen.models.VAE(
            keras.Model([x, c], q), keras.Model([z, c], p_x), keras.Model(c, p_z)
        )


def fitted_log_prob(vae, data):
    """log p(x|c) of a trained `untrained()`, `[B]`, in closed form from its weights."""
    gain, offset = vae.prior.get_layer("mean").get_weights()
    kernel, bias = vae.decoder.get_layer("mean").get_weights()
    w, b = np.split(kernel.astype("float64"), [len(offset)])
    (raw,) = (v for v in vae.decoder.trainable_variables if v.name == "raw_scale")
    loc = data["c"].astype("float64") @ (gain @ w + b) + offset @ w + bias
    variance = np.log1p(np.exp(np.float64(raw))) ** 2
    covariance = w.T @ w + variance * np.eye(len(bias))
    law = tfd.MultivariateNormalTriL(loc, np.linalg.cholesky(covariance))
    return law.log_prob(data["x"].astype("float64")).numpy()


def maximum_log_likelihood(data, latent_size):
    """max over A, B, W, s of mean log p(x|c), in closed form.

    W A + B is free (B alone makes it so), so least squares gives it whatever the
    covariance; the residuals' covariance S has then the answer of probabilistic PCA
    (Tipping and Bishop 1999): s^2 is the mean of the smallest D - L eigenvalues of S,
    and the largest L are S's own. There is an intercept, as the networks have one.
    """
    x, c = (data[name].astype("float64") for name in "xc")
    design = np.concatenate([c, np.ones([len(c), 1])], -1)
    residual = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
    spectrum, vectors = np.linalg.eigh(residual.T @ residual / len(x))
    rest = len(spectrum) - latent_size
    spectrum[:rest] = spectrum[:rest].mean()
    law = tfd.MultivariateNormalTriL(
        np.zeros(len(spectrum)), np.linalg.cholesky(vectors * spectrum @ vectors.T)
    )
    return law.log_prob(residual).numpy().mean()
