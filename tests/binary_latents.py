"""Three binary latents, six binary observations: every answer by enumeration.

NumPy in float64, and nothing of the package. Parameters are one vector each:
encoder logits a `[3]`, decoder weights and biases `[6, 4]`, prior logits `[3]`.
"""

import itertools
import math

import numpy as np

LATENTS, PIXELS = 3, 6

_RNG = np.random.default_rng(7)
A = np.array([0.6, -0.9, 0.2])
W = _RNG.normal(0.0, 1.2, [PIXELS, LATENTS + 1])
C = np.array([0.3, -0.4, 0.8])
X = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
Z = np.array(list(itertools.product([0.0, 1.0], repeat=LATENTS)))  # [8, 3]


def _log_bernoulli(x, logits):
    return (x * logits - np.logaddexp(0.0, logits)).sum(-1)


def log_q(a=A):
    """log q(z|x) of the eight values."""
    return _log_bernoulli(Z, a)


def log_joint(w=W, c=C, x=X):
    """log p(x, z) of the eight values."""
    logits = Z @ w[:, :LATENTS].T + w[:, LATENTS]
    return _log_bernoulli(x, logits) + _log_bernoulli(Z, c)


def log_evidence():
    """log p(x)."""
    return np.logaddexp.reduce(log_joint())


def posterior():
    """p(z|x) of the eight values."""
    return np.exp(log_joint() - log_evidence())


def _counts(num_samples, num_values):
    """All ways to draw K values of N, as counts `[ways, N]`."""
    bars = itertools.combinations(range(num_samples + num_values - 1), num_values - 1)
    bars = np.array(list(bars))
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, 0)))
    edges[:, -1] = num_samples + num_values - 1
    return np.diff(edges, axis=1) - 1


def _log_factorial(n):
    return np.array([math.lgamma(k + 1) for k in range(int(n.max()) + 1)])[n]


def bound(num_samples):
    """L_K, and its derivatives in log q(z) and in log p(x, z): number, [8], [8]."""
    q, joint = log_q(), log_joint()
    n = _counts(num_samples, len(Z))
    chance = np.exp(
        math.lgamma(num_samples + 1) - _log_factorial(n).sum(1) + n @ q
    )  # multinomial
    weights = n * np.exp(joint - q)
    total = weights.sum(1)
    value = np.log(total / num_samples)
    share = chance @ (weights / total[:, None])  # E of each value's normalised weight
    return chance @ value, (chance * value) @ n - share, share


def gradients(by_log_q, by_log_joint):
    """The gradients in a `[3]`, w `[24]` and c `[3]`, of derivatives `[8]` each."""
    sigmoid = lambda t: 1.0 / (1.0 + np.exp(-t))
    encoder = by_log_q @ (Z - sigmoid(A))
    logits = Z @ W[:, :LATENTS].T + W[:, LATENTS]
    inputs = np.concatenate([Z, np.ones([len(Z), 1])], axis=1)
    decoder = np.einsum("z,zi,zj->ij", by_log_joint, X - sigmoid(logits), inputs)
    prior = by_log_joint @ (Z - sigmoid(C))
    return encoder, decoder.ravel(), prior


def bound_gradients(num_samples):
    """The exact gradients of L_K in a, w and c."""
    _, by_log_q, by_log_joint = bound(num_samples)
    return gradients(by_log_q, by_log_joint)
