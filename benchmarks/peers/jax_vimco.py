"""VIMCO of a sigmoid belief network in JAX, by hand: one jitted `lax.scan` of 100 steps."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.jax_scan import adam, network
from benchmarks.peers.task import PIXELS, data, throughput

__all__ = ["run"]

_STEPS = 100


def _log_bernoulli(x, logits):
    return (x * logits - jax.nn.softplus(logits)).sum(-1)


def _dense(layer, x):
    weights, bias = layer
    return x @ weights + bias


def _log_terms(params, x, key, num_samples):
    """log p(x, z) and log q(z|x), each [K, B]."""
    h, layers, log_q = x, [], 0.0
    for number, layer in enumerate(params["encoder"]):
        logits = _dense(layer, h)
        shape = logits.shape if number else (num_samples, *logits.shape)
        uniform = jax.random.uniform(jax.random.fold_in(key, number), shape)
        h = (uniform < jax.nn.sigmoid(logits)).astype(jnp.float32)
        h = jax.lax.stop_gradient(h)
        layers.append(h)
        log_q = log_q + _log_bernoulli(h, logits)
    log_p = _log_bernoulli(layers[-1], params["prior"])
    below = [x, *layers[:-1]]
    for layer, above, value in zip(params["decoder"], layers, below, strict=True):
        log_p = log_p + _log_bernoulli(value, _dense(layer, above))
    return log_p, log_q


def _loss(params, x, key, num_samples):
    log_p, log_q = _log_terms(params, x, key, num_samples)
    log_w = log_p - log_q
    held = jax.lax.stop_gradient(log_w)
    others = (held.sum(0) - held) / (num_samples - 1)
    own = jnp.eye(num_samples, dtype=bool)[:, :, None]
    replaced = jnp.where(own, others[None], held[:, None])
    bound = jax.nn.logsumexp(held, axis=0)
    signal = bound - jax.nn.logsumexp(replaced, axis=0)
    surrogate = jax.nn.logsumexp(log_w, axis=0) + (signal * log_q).sum(0)
    return -surrogate.mean()


@functools.partial(jax.jit, static_argnums=3, donate_argnums=0)
def _many_steps(state, x, rows, num_samples):
    def step(state, rows):
        params, m, v, t, key = state
        key, use = jax.random.split(key)
        loss, grads = jax.value_and_grad(_loss)(params, x[rows], use, num_samples)
        params, m, v = adam(params, grads, m, v, t + 1.0)
        return (params, m, v, t + 1.0, key), loss

    return jax.lax.scan(step, state, rows)


def run(num_samples: int, batch_size: int, units: list[int], seconds: float) -> float:
    """Examples a second."""
    x = jnp.asarray(data(20_000))
    key = jax.random.key(0)
    sizes = [PIXELS, *units]
    params = {
        "encoder": network(key, sizes),
        "decoder": [
            network(jax.random.fold_in(key, n), [above, below])[0]
            for n, (below, above) in enumerate(itertools.pairwise(sizes))
        ],
        "prior": jnp.zeros([units[-1]]),
    }
    zeros = lambda: jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros(), zeros(), jnp.asarray(0.0), key)]
    rng = np.random.default_rng(0)
    steps = min(_STEPS, len(x) // batch_size)
    programs = len(x) // batch_size // steps
    covered = programs * steps * batch_size

    def run_epochs(epochs):
        for _ in range(epochs):
            rows = rng.permutation(len(x))[:covered]
            for part in rows.reshape(programs, steps, batch_size):
                state[0], losses = _many_steps(state[0], x, jnp.asarray(part), num_samples)
        losses.block_until_ready()

    return throughput(run_epochs, covered, seconds)[0]
