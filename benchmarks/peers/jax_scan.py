"""JAX as an expert writes it: one jitted `lax.scan` of 100 steps, data on the device."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import jax_networks as networks
from benchmarks.peers.task import LATENT, PIXELS, Task, data, throughput

__all__ = ["apply_decoder", "decoder", "run", "run_scans"]

_STEPS = 100


def decoder(task, key):
    """The decoder's parameters."""
    if task.network == "convolutional":
        return networks.up(key, LATENT)
    return networks.network(key, [LATENT, task.units, task.units, PIXELS])


def _encoder(task, key):
    if task.network == "convolutional":
        return networks.down(key, task.params_size)
    return networks.network(key, [PIXELS, task.units, task.units, task.params_size])


def apply_decoder(task, params, z):
    """Logits `[..., 784]` of z `[..., 50]`."""
    if task.network == "convolutional":
        return networks.apply_up(params, z)
    return networks.apply(jnp.tanh, params, z)


def _apply_encoder(task, params, x):
    if task.network == "convolutional":
        return networks.apply_down(params, x)
    return networks.apply(jnp.tanh, params, x)


def _posterior(task, outputs, key):
    """Samples, their noise, the means and log |det| of the scale."""
    mu, raw = outputs[:, :LATENT], outputs[:, LATENT:]
    eps = jax.random.normal(key, [task.num_samples, *mu.shape])
    if task.posterior == "diagonal":
        sigma = jax.nn.softplus(raw)
        square = (sigma**2).sum(-1)
        return mu + sigma * eps, eps, mu, square, jnp.log(sigma).sum(-1)
    rows, columns = np.tril_indices(LATENT)
    raw = jnp.where(rows == columns, jax.nn.softplus(raw), raw)
    scale = jnp.zeros([len(mu), LATENT, LATENT]).at[:, rows, columns].set(raw)
    z = mu + jnp.einsum("bij,kbj->kbi", scale, eps)
    log_det = jnp.log(raw[:, np.flatnonzero(rows == columns)]).sum(-1)
    return z, eps, mu, (raw**2).sum(-1), log_det


def _loss(params, x, key, task):
    outputs = _apply_encoder(task, params["encoder"], x)
    z, eps, mu, square, log_det = _posterior(task, outputs, key)
    logits = apply_decoder(task, params["decoder"], z)
    log_likelihood = (x * logits - jax.nn.softplus(logits)).sum(-1)
    if task.num_samples == 1:
        kl = 0.5 * ((mu**2).sum(-1) + square - LATENT) - log_det
        return (kl - log_likelihood[0]).mean()
    log_ratio = (0.5 * eps**2 - 0.5 * z**2).sum(-1) + log_det
    log_weights = log_likelihood + log_ratio
    return -(jax.nn.logsumexp(log_weights, axis=0) - jnp.log(task.num_samples)).mean()


@functools.partial(jax.jit, static_argnums=3, donate_argnums=0)
def _many_steps(state, x, rows, task):
    def step(state, rows):
        params, m, v, t, key = state
        key, use = jax.random.split(key)
        loss, grads = jax.value_and_grad(_loss)(params, x[rows], use, task)
        params, m, v = networks.adam(params, grads, m, v, t + 1.0)
        return (params, m, v, t + 1.0, key), loss

    return jax.lax.scan(step, state, rows)


def run_scans(many_steps, state, task, seconds):
    """Examples a second, and the first epoch's seconds.

    Args:
        many_steps: from a state and row numbers `[steps, batch]` to a state and losses.
        state: at the start.
        task: the batch size and the number of examples.
        seconds: how long to measure.
    """
    states = [state]
    rng = np.random.default_rng(0)
    steps = min(_STEPS, task.num_examples // task.batch_size)
    programs = task.num_examples // task.batch_size // steps
    covered = programs * steps * task.batch_size

    def run_epochs(epochs):
        for _ in range(epochs):
            rows = rng.permutation(task.num_examples)[:covered]
            for part in rows.reshape(programs, steps, task.batch_size):
                states[0], losses = many_steps(states[0], jnp.asarray(part))
        jax.block_until_ready(losses)

    return throughput(run_epochs, covered, seconds)


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    x = jnp.asarray(data(task.num_examples))
    key = jax.random.key(0)
    params = {
        "encoder": _encoder(task, key),
        "decoder": decoder(task, jax.random.fold_in(key, 1)),
    }
    zeros = lambda: jax.tree.map(jnp.zeros_like, params)
    state = (params, zeros(), zeros(), jnp.asarray(0.0), key)
    return run_scans(lambda s, rows: _many_steps(s, x, rows, task), state, task, seconds)
