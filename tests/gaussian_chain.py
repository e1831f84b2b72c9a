"""A chain z2 -> z1 -> x of Gaussians, whose log p(x) and posteriors are known.

z2 ~ N(0, I), z1|z2 ~ N(A z2 + a, r^2 I), x|z1 ~ N(W z1 + b, s^2 I).
"""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.gaussian import Gaussian
from tfgen.layers import IndependentNormal, JointDistribution, MultivariateNormalDiag

tfd = tfp.distributions

# Each order of drawing, as (latent, what its factor takes); both write the same joint
# posterior: z2 depends on x through z1 alone, and z1 on all.
ORDERS = {
    "chain": {"z1": ["x"], "z2": ["z1"]},
    "ladder": {"z2": ["x"], "z1": ["z2", "x"]},
}


class GaussianChain:
    """The model, with random weights, in float64; networks of it in Keras's precision."""

    def __init__(self, event_size=5, sizes=(3, 2), noise=0.7, sigma=0.6, seed=0):
        rng = np.random.default_rng(seed)
        size1, size2 = sizes
        self.joint = Gaussian().add("z2", 1.0, size2)
        gain, offset = rng.normal(size=[size1, size2]), 0.3 * rng.normal(size=size1)
        self.joint.add("z1", noise, size1, offset, z2=gain)
        gain, offset = rng.normal(size=[event_size, size1]), rng.normal(size=event_size)
        self.joint.add("x", sigma, event_size, offset, z1=gain)
        self.event_size, self.size2 = event_size, size2

    def sample(self, num, seed=1):
        """x, float32."""
        law = self.joint.conditional("x")
        rng = np.random.default_rng(seed)
        x = rng.multivariate_normal(law.offset, law.covariance, size=num)
        return x.astype("float32")

    def log_prob(self, x):
        return self.joint.conditional("x").log_prob(x)

    def posterior(self, order, layer=tfgen.layers.MultivariateNormalTriL, **off):
        """The true posterior in one of `ORDERS`, or one of which every factor is off."""
        return JointDistribution(
            {
                name: self.joint.conditional(name, *given).network(layer, **off)
                for name, given in ORDERS[order].items()
            }
        )

    def prior(self):
        z1 = self.joint.conditional("z1", "z2").network(MultivariateNormalDiag)
        zeros = tf.zeros([self.size2], keras.config.dtype_policy().variable_dtype)
        return JointDistribution({"z2": tfd.MultivariateNormalDiag(zeros), "z1": z1})

    def decoder(self):
        return self.joint.conditional("x", "z1").network(IndependentNormal)

    def vae(self, order="chain", **off):
        encoder = self.posterior(order, **off)
        return tfgen.models.VAE(encoder, self.decoder(), self.prior())
