"""A GAN in JAX as an expert writes it: one jitted `lax.scan` of 100 steps."""

import functools

import jax
import jax.numpy as jnp

from benchmarks.peers import jax_networks as networks
from benchmarks.peers.jax_scan import run_scans
from benchmarks.peers.task import GAN_LATENT, GAN_UNITS, PIXELS, Task, data

__all__ = ["run"]


def _start(task, key):
    keys = jax.random.split(key)
    if task.network == "convolutional":
        return networks.up(keys[0], GAN_LATENT), networks.down(keys[1], 1)
    hidden = [GAN_UNITS, GAN_UNITS]
    generator = networks.network(keys[0], [GAN_LATENT, *hidden, PIXELS])
    return generator, networks.network(keys[1], [PIXELS, *hidden, 1])


def _generate(task, generator, key, size):
    z = jax.random.normal(key, [size, GAN_LATENT])
    if task.network == "convolutional":
        return jax.nn.sigmoid(networks.apply_up(generator, z))
    return jax.nn.sigmoid(networks.apply(jax.nn.relu, generator, z))


def _logits(task, discriminator, x):
    if task.network == "convolutional":
        return networks.apply_down(discriminator, x)
    return networks.apply(jax.nn.relu, discriminator, x)


def _discriminator_loss(discriminator, generator, x, key, task):
    fake = jax.lax.stop_gradient(_generate(task, generator, key, len(x)))
    real_logits = _logits(task, discriminator, x)
    fake_logits = _logits(task, discriminator, fake)
    loss = jax.nn.softplus(-real_logits).mean() + jax.nn.softplus(fake_logits).mean()
    accuracy = 0.5 * ((real_logits > 0).mean() + (fake_logits < 0).mean())
    return loss, accuracy


def _generator_loss(generator, discriminator, size, key, task):
    logits = _logits(task, discriminator, _generate(task, generator, key, size))[:, 0]
    return jnp.log(size) - jax.nn.logsumexp(logits)


@functools.partial(jax.jit, static_argnums=3, donate_argnums=0)
def _many_steps(state, x, rows, task):
    def step(state, rows):
        (g, *g_state), (d, *d_state), t, key = state
        key, first, second = jax.random.split(key, 3)
        t = t + 1.0
        value = jax.value_and_grad(_discriminator_loss, has_aux=True)
        (d_loss, accuracy), grads = value(d, g, x[rows], first, task)
        d, *d_state = networks.adam(d, grads, *d_state, t, 2e-4, 0.5)
        value = jax.value_and_grad(_generator_loss)
        g_loss, grads = value(g, d, rows.shape[0], second, task)
        g, *g_state = networks.adam(g, grads, *g_state, t, 2e-4, 0.5)
        return ((g, *g_state), (d, *d_state), t, key), (d_loss, g_loss, accuracy)

    return jax.lax.scan(step, state, rows)


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    x = jnp.asarray(data(task.num_examples))
    key = jax.random.key(0)
    zeros = lambda tree: jax.tree.map(jnp.zeros_like, tree)
    parts = [(part, zeros(part), zeros(part)) for part in _start(task, key)]
    state = (*parts, jnp.asarray(0.0), key)
    return run_scans(lambda s, rows: _many_steps(s, x, rows, task), state, task, seconds)
