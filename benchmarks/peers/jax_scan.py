"""JAX as an expert writes it: one jitted `lax.scan` of 100 steps, data on the device."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.task import LATENT, PIXELS, Task, data, throughput

__all__ = ["adam", "network", "run"]

_STEPS = 100


def _dense(key, fan_in, fan_out):
    limit = (6.0 / (fan_in + fan_out)) ** 0.5
    weights = jax.random.uniform(key, [fan_in, fan_out], minval=-limit, maxval=limit)
    return weights, jnp.zeros([fan_out])


def network(key, sizes):
    """Dense layers, (weights, bias) each."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [_dense(k, a, b) for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)]


def _apply(layers, x):
    for weights, bias in layers[:-1]:
        x = jnp.tanh(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


def _loss(params, x, key, num_samples):
    mu, raw = jnp.split(_apply(params["encoder"], x), 2, axis=-1)
    sigma = jax.nn.softplus(raw)
    eps = jax.random.normal(key, [num_samples, *mu.shape])
    z = mu + sigma * eps
    logits = _apply(params["decoder"], z)
    log_likelihood = (x * logits - jax.nn.softplus(logits)).sum(-1)
    if num_samples == 1:
        kl = 0.5 * (mu**2 + sigma**2 - 1.0 - 2.0 * jnp.log(sigma)).sum(-1)
        return (kl - log_likelihood[0]).mean()
    log_ratio = (0.5 * eps**2 - 0.5 * z**2 + jnp.log(sigma)).sum(-1)
    log_weights = log_likelihood + log_ratio
    return -(jax.nn.logsumexp(log_weights, axis=0) - jnp.log(num_samples)).mean()


def adam(params, grads, m, v, t, rate=1e-3, beta=0.9):
    """The new parameters and moments, of step `t` from 1."""
    m = jax.tree.map(lambda a, g: beta * a + (1 - beta) * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
    scale = rate * jnp.sqrt(1 - 0.999**t) / (1 - beta**t)
    step = lambda p, a, b: p - scale * a / (jnp.sqrt(b) + 1e-7)
    return jax.tree.map(step, params, m, v), m, v


@functools.partial(jax.jit, static_argnums=3, donate_argnums=0)
def _many_steps(state, x, rows, num_samples):
    def step(state, rows):
        params, m, v, t, key = state
        key, use = jax.random.split(key)
        loss, grads = jax.value_and_grad(_loss)(params, x[rows], use, num_samples)
        params, m, v = adam(params, grads, m, v, t + 1.0)
        return (params, m, v, t + 1.0, key), loss

    return jax.lax.scan(step, state, rows)


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    x = jnp.asarray(data(task.num_examples))
    key = jax.random.key(0)
    units = [task.units, task.units]
    params = {
        "encoder": network(key, [PIXELS, *units, 2 * LATENT]),
        "decoder": network(jax.random.fold_in(key, 1), [LATENT, *units, PIXELS]),
    }
    zeros = lambda: jax.tree.map(jnp.zeros_like, params)
    state = [(params, zeros(), zeros(), jnp.asarray(0.0), key)]
    rng = np.random.default_rng(0)
    steps = min(_STEPS, task.num_examples // task.batch_size)
    programs = task.num_examples // task.batch_size // steps
    covered = programs * steps * task.batch_size

    def run_epochs(epochs):
        for _ in range(epochs):
            rows = rng.permutation(task.num_examples)[:covered]
            for part in rows.reshape(programs, steps, task.batch_size):
                state[0], losses = _many_steps(
                    state[0], x, jnp.asarray(part), task.num_samples
                )
        losses.block_until_ready()

    return throughput(run_epochs, covered, seconds)
