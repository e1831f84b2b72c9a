"""Gaussians over named blocks, in float64, and Keras networks of their conditionals.

Whatever a linear-Gaussian model is, its variables have one joint Gaussian, and every
law that a test needs is a conditional of it:

    y | g ~ N(m_y + C_yg C_gg^-1 (g - m_g), C_yy - C_yg C_gg^-1 C_gy).
"""

import dataclasses

import keras
import numpy as np
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions


@dataclasses.dataclass
class Conditional:
    """y | g ~ N(gain g + offset, covariance); g is the blocks one after another."""

    sizes: dict[str, int]
    gain: np.ndarray
    offset: np.ndarray
    covariance: np.ndarray

    def mean(self, *given):
        return np.concatenate(given, -1).astype("float64") @ self.gain.T + self.offset

    def law(self, *given):
        loc = self.mean(*given) if given else self.offset
        return tfd.MultivariateNormalTriL(loc, np.linalg.cholesky(self.covariance))

    def log_prob(self, y, *given):
        return self.law(*given).log_prob(np.asarray(y, "float64")).numpy()

    def network(self, layer=tfgen.layers.MultivariateNormalTriL, shift=0.0, stretch=1.0):
        """The law as a network of its inputs' names, its mean shifted, its scale stretched.

        All weights are one Dense layer's; those of the scale are zero but for the bias.
        """
        size = len(self.offset)
        factor = stretch * np.linalg.cholesky(self.covariance)
        raw = raw_scale(layer, factor)
        kernel = np.zeros([self.gain.shape[1], size + len(raw)])
        kernel[:, :size] = self.gain.T
        bias = np.concatenate([self.offset + shift, raw])
        inputs = [keras.Input([n], name=name) for name, n in self.sizes.items()]
        joined = inputs[0] if len(inputs) == 1 else keras.layers.Concatenate()(inputs)
        dense = keras.layers.Dense(len(bias))
        event = layer([size]) if layer is tfgen.layers.IndependentNormal else layer(size)
        model = keras.Model(inputs, event(dense(joined)))
        dense.set_weights([kernel, bias])
        return model


def raw_scale(layer, factor):
    """The raw parameters that a layer maps to the scale `factor` `[D, D]`."""
    if layer is tfgen.layers.MultivariateNormalTriL:
        shift = np.float64(1e-5)
        return tfp.bijectors.FillScaleTriL(diag_shift=shift).inverse(factor).numpy()
    np.testing.assert_allclose(factor, np.diag(np.diag(factor)), atol=1e-12)
    return np.log(np.expm1(np.diag(factor)))


class Gaussian:
    """The joint law of named blocks, made variable by variable.

    `add("x", noise, z=W, offset=b)` adds x = W z + b + noise * eps.
    """

    def __init__(self):
        self.slices = {}
        self.mean, self.covariance = np.zeros(0), np.zeros([0, 0])

    def add(self, name, noise, size, offset=0.0, **gains):
        seen = len(self.mean)
        gain = np.zeros([size, seen])
        for parent, block in gains.items():
            gain[:, self.slices[parent]] = block
        cross = gain @ self.covariance
        own = cross @ gain.T + noise**2 * np.eye(size)
        self.mean = np.concatenate([self.mean, gain @ self.mean + offset])
        self.covariance = np.block([[self.covariance, cross.T], [cross, own]])
        self.slices[name] = slice(seen, seen + size)
        return self

    def conditional(self, name, *given):
        """The law of one block given others, a `Conditional`."""
        rows = np.arange(len(self.mean))
        own = rows[self.slices[name]]
        columns = np.concatenate([rows[self.slices[n]] for n in given] or [rows[:0]])
        cross = self.covariance[np.ix_(own, columns)]
        gain = cross @ np.linalg.inv(self.covariance[np.ix_(columns, columns)])
        return Conditional(
            {n: self.slices[n].stop - self.slices[n].start for n in given},
            gain,
            self.mean[own] - gain @ self.mean[columns],
            self.covariance[np.ix_(own, own)] - gain @ cross.T,
        )
