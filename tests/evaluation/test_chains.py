"""Annealed importance sampling of functions, against integrals that are known.

The expected values are closed forms or quadratures in float64 numpy. E[w / p(x)] = 1 is
checked on many chains of one x, each a row with a key of its own.
"""

import math

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.evaluation import chains

tfd = tfp.distributions

NUM_LEAPFROG = 5


@tf.function(autograph=False)
def _traced(densities, state, pilot, keys, num_steps, backwards):
    return chains.annealed_log_weights(
        densities, state, pilot, keys, num_steps, NUM_LEAPFROG, backwards
    )


def log_weights(densities, state, pilot, num_steps, backwards=False, dtype="float32"):
    keys = random.row_keys(0, 0, tf.range(state.shape[1]))
    state, pilot = (tf.constant(v, dtype) for v in (state, pilot))
    return _traced(densities, state, pilot, keys, num_steps, backwards).numpy()


def normal(shape, seed, loc=0.0, scale=1.0):
    return loc + scale * np.random.default_rng(seed).normal(size=shape)


class Bernoulli:
    """One latent: z ~ N(0, 1), x_d ~ Bernoulli(sigmoid(a_d z + b_d)), q = N(0, 9)."""

    size, q_scale = 1, 3.0
    a, b = np.array([2.0, -1.5, 1.0, 3.0]), np.array([0.5, 0.0, -1.0, 0.2])
    x = np.array([1.0, 0.0, 1.0, 1.0])

    def __init__(self):
        self.grid = np.linspace(-12.0, 12.0, 48_001)
        joint = np.exp(self.log_joint_of(self.grid))
        self.log_p = math.log(joint.sum() * (self.grid[1] - self.grid[0]))
        self.cdf = joint.cumsum() / joint.sum()

    def log_joint_of(self, z):
        logits = self.a * z[:, None] + self.b
        likelihood = self.x * logits - np.logaddexp(0, logits)
        return likelihood.sum(-1) - 0.5 * z**2 - 0.5 * np.log(2 * np.pi)

    def posterior(self, shape, seed):
        uniform = np.random.default_rng(seed).uniform(size=shape)
        return np.interp(uniform, self.cdf, self.grid)[..., None]

    def densities(self, z):
        a, b, x = (tf.constant(v, z.dtype) for v in (self.a, self.b, self.x))
        likelihood = tfd.Independent(tfd.Bernoulli(a * z + b), 1).log_prob(x)
        prior = tfd.Normal(tf.constant(0, z.dtype), 1).log_prob(z[..., 0])
        q = tfd.Normal(tf.constant(0, z.dtype), self.q_scale).log_prob(z[..., 0])
        return q, likelihood + prior


class LinearGaussian:
    """Two latents, x = W z + noise of 0.5, q = N(0, I): everything in closed form."""

    size, q_scale, noise = 2, 1.0, 0.5
    w = np.array([[1.0, 0.3], [-0.5, 0.8], [0.2, -1.0]])
    x = np.array([1.2, -0.9, 0.4])

    def __init__(self):
        covariance = self.w @ self.w.T + self.noise**2 * np.eye(3)
        inverse = np.linalg.inv(covariance)
        self.log_p = -0.5 * (
            self.x @ inverse @ self.x
            + np.linalg.slogdet(covariance)[1]
            + 3 * np.log(2 * np.pi)
        )
        precision = np.eye(2) + self.w.T @ self.w / self.noise**2
        self.mean = np.linalg.solve(precision, self.w.T @ self.x / self.noise**2)
        self.factor = np.linalg.cholesky(np.linalg.inv(precision))

    def posterior(self, shape, seed):
        return self.mean + normal([*shape, 2], seed) @ self.factor.T

    def densities(self, z):
        w, x = (tf.constant(v, z.dtype) for v in (self.w, self.x))
        mean = tf.linalg.matvec(w, z)
        likelihood = tfd.Independent(tfd.Normal(mean, self.noise), 1).log_prob(x)
        prior = tfd.Independent(tfd.Normal(tf.zeros_like(z), 1), 1).log_prob(z)
        return prior, likelihood + prior


class GammaPoisson:
    """z = log(rate), rate ~ Gamma(3, 2), counts x ~ Poisson(rate): negative binomial."""

    size, q_scale = 1, 1.5
    shape, rate, x = 3.0, 2.0, np.array([0.0, 2.0, 1.0, 3.0])

    def __init__(self):
        total, count = self.x.sum(), len(self.x)
        self.log_p = (
            self.shape * math.log(self.rate)
            - math.lgamma(self.shape)
            + math.lgamma(self.shape + total)
            - (self.shape + total) * math.log(self.rate + count)
            - sum(math.lgamma(v + 1) for v in self.x)
        )

    def posterior(self, shape, seed):
        rng = np.random.default_rng(seed)
        scale = 1 / (self.rate + len(self.x))
        rate = rng.gamma(self.shape + self.x.sum(), scale, size=shape)
        return np.log(rate)[..., None]

    def densities(self, z):
        log_rate = z[..., 0]
        prior = tfd.Gamma(tf.constant(self.shape, z.dtype), self.rate)
        x = tf.constant(self.x, z.dtype)
        likelihood = tfd.Independent(tfd.Poisson(log_rate=z + 0 * x), 1).log_prob(x)
        q = tfd.Normal(tf.constant(0, z.dtype), self.q_scale).log_prob(log_rate)
        return q, likelihood + prior.log_prob(tf.exp(log_rate)) + log_rate


def relative_weights(law, backwards, num_steps, rows=1000, num_chains=64):
    pilot = normal([16, rows, law.size], 1, scale=law.q_scale)
    if backwards:
        state = law.posterior([num_chains, rows], 2)
    else:
        state = normal([num_chains, rows, law.size], 3, scale=law.q_scale)
    log_w = log_weights(law.densities, state, pilot, num_steps, backwards=backwards)
    # A row shares its step sizes, so rows are what is independent.
    return np.exp(log_w + (law.log_p if backwards else -law.log_p)).mean(axis=0)


def forward_and_backward():
    """Every model both ways; the quick ones have each model and each way."""
    quick = [(Bernoulli, False), (LinearGaussian, True), (GammaPoisson, False)]
    for model in (Bernoulli, LinearGaussian, GammaPoisson):
        for backwards in (False, True):
            marks = () if (model, backwards) in quick else pytest.mark.slow
            name = f"{model.__name__}-{'backward' if backwards else 'forward'}"
            yield pytest.param(model, backwards, marks=marks, id=name)


@pytest.mark.parametrize(("model", "backwards"), list(forward_and_backward()))
def test_weights_are_unbiased_for_the_exact_px(model, backwards):
    # Few steps, so that a bias of the moves is not annealed away.
    w = relative_weights(model(), backwards, num_steps=60 if backwards else 10)
    error = w.std(ddof=1) / np.sqrt(len(w))
    assert error < 0.005
    assert abs(w.mean() - 1.0) < 3 * error, (w.mean(), error)


def test_a_row_depends_on_no_other_row():
    law = LinearGaussian()
    state, pilot = normal([4, 8, 2], 0), normal([16, 8, 2], 1)
    densities = law.densities  # one object, traced once
    whole = log_weights(densities, state, pilot, 5, dtype="float64")
    again = log_weights(densities, state[:, :3], pilot[:, :3], 5, dtype="float64")
    np.testing.assert_allclose(again, whole[:, :3], atol=1e-6)
    # Rows of equal numbers differ by their keys.
    same = np.repeat(state[:, :1], 8, axis=1), np.repeat(pilot[:, :1], 8, axis=1)
    apart = log_weights(densities, *same, 5, dtype="float64")
    assert len(np.unique(apart[0].round(6))) == 8


def test_one_step_is_importance_sampling():
    law = LinearGaussian()
    state = normal([4, 8, 2], 0).astype("float32")
    log_q, log_p = law.densities(tf.constant(state))
    found = log_weights(law.densities, state, normal([16, 8, 2], 1), 1)
    np.testing.assert_allclose(found, log_p - log_q, rtol=1e-5)


def test_states_of_undefined_density_are_refused_and_do_no_harm():
    # q uniform in (0, 1), p = 2 z: outside log p is NaN; the integral is 1.
    def densities(z):
        inside = (z[..., 0] > 0) & (z[..., 0] < 1)
        q = tf.where(inside, 0.0, -np.inf)
        return q, tf.math.log(2.0 * z[..., 0]) + q

    rng = np.random.default_rng(0)
    state, pilot = rng.uniform(size=[4, 2000, 1]), rng.uniform(size=[16, 2000, 1])
    w = np.exp(log_weights(densities, state, pilot, 10)).mean(axis=0)
    assert abs(w.mean() - 1.0) < 3 * w.std() / np.sqrt(2000)


def sandwich(noise, rows, num_steps, seed=0):
    """Errors of the lower and the upper bound: 20 latents, 25 dimensions, q = N(0, I)."""
    rng = np.random.default_rng(seed)
    w, b = rng.normal(size=[25, 20]) / np.sqrt(20), rng.normal(size=25)
    z = rng.normal(size=[rows, 20])
    x = z @ w.T + b + noise * rng.normal(size=[rows, 25])
    covariance = w @ w.T + noise**2 * np.eye(25)
    law = tfd.MultivariateNormalTriL(b, np.linalg.cholesky(covariance))
    exact = law.log_prob(x).numpy()
    w, b, x = (tf.constant(v, tf.float32) for v in (w, b, x))

    def densities(z):
        mean = tf.linalg.matmul(z, w, transpose_b=True) + b
        prior = tfd.MultivariateNormalDiag(tf.zeros_like(z)).log_prob(z)
        likelihood = tfd.Independent(tfd.Normal(mean, np.float32(noise)), 1).log_prob(x)
        return prior, likelihood + prior

    pilot, start = (rng.normal(size=[16, rows, 20]) for _ in range(2))
    forward = log_weights(densities, start, pilot, num_steps)
    back = np.broadcast_to(z, [16, rows, 20])
    backward = log_weights(densities, back, pilot, num_steps, backwards=True)
    log_mean = lambda v: np.logaddexp.reduce(v, axis=0) - math.log(16)
    return log_mean(forward) - exact, -log_mean(backward) - exact


def check_sandwich(noise, rows, num_steps, width):
    for bound, sign in zip(sandwich(noise, rows, num_steps), (-1, 1), strict=True):
        error = bound.std(ddof=1) / np.sqrt(rows)
        assert sign * bound.mean() > -3 * error, (noise, bound.mean(), error)
        assert abs(bound.mean()) < width, (noise, bound.mean(), error)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.5, 0.2])
def test_twenty_latents_are_enclosed_with_the_defaults(noise):
    check_sandwich(noise, rows=64, num_steps=500, width=0.5)


@pytest.mark.slow
def test_twenty_latents_are_enclosed_with_few_steps():
    check_sandwich(0.5, rows=48, num_steps=100, width=1.0)
