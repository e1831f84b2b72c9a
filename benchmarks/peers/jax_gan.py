"""A GAN in JAX as an expert writes it: one jitted `lax.scan` of 100 steps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.jax_scan import adam, network
from benchmarks.peers.task import PIXELS, Task, data, throughput

__all__ = ["run"]

_STEPS = 100
_LATENT, _UNITS = 64, 256


def _apply(layers, x):
    for weights, bias in layers[:-1]:
        x = jax.nn.relu(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


def _generate(generator, key, size):
    return jax.nn.sigmoid(_apply(generator, jax.random.normal(key, [size, _LATENT])))


def _discriminator_loss(discriminator, generator, x, key):
    fake = jax.lax.stop_gradient(_generate(generator, key, len(x)))
    real_logits, fake_logits = _apply(discriminator, x), _apply(discriminator, fake)
    loss = jax.nn.softplus(-real_logits).mean() + jax.nn.softplus(fake_logits).mean()
    accuracy = 0.5 * ((real_logits > 0).mean() + (fake_logits < 0).mean())
    return loss, accuracy


def _generator_loss(generator, discriminator, size, key):
    logits = _apply(discriminator, _generate(generator, key, size))[:, 0]
    return jnp.log(size) - jax.nn.logsumexp(logits)


@functools.partial(jax.jit, donate_argnums=0)
def _many_steps(state, x, rows):
    def step(state, rows):
        (g, *g_state), (d, *d_state), t, key = state
        key, first, second = jax.random.split(key, 3)
        t = t + 1.0
        value = jax.value_and_grad(_discriminator_loss, has_aux=True)
        (d_loss, accuracy), grads = value(d, g, x[rows], first)
        d, *d_state = adam(d, grads, *d_state, t, 2e-4, 0.5)
        value = jax.value_and_grad(_generator_loss)
        g_loss, grads = value(g, d, rows.shape[0], second)
        g, *g_state = adam(g, grads, *g_state, t, 2e-4, 0.5)
        return ((g, *g_state), (d, *d_state), t, key), (d_loss, g_loss, accuracy)

    return jax.lax.scan(step, state, rows)


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    x = jnp.asarray(data(task.num_examples))
    key = jax.random.key(0)
    sizes = ([_LATENT, _UNITS, _UNITS, PIXELS], [PIXELS, _UNITS, _UNITS, 1])
    networks = [network(jax.random.fold_in(key, i), s) for i, s in enumerate(sizes)]
    zeros = lambda tree: jax.tree.map(jnp.zeros_like, tree)
    parts = [(part, zeros(part), zeros(part)) for part in networks]
    state = [(*parts, jnp.asarray(0.0), key)]
    rng = np.random.default_rng(0)
    steps = min(_STEPS, task.num_examples // task.batch_size)
    programs = task.num_examples // task.batch_size // steps
    covered = programs * steps * task.batch_size

    def run_epochs(epochs):
        for _ in range(epochs):
            rows = rng.permutation(task.num_examples)[:covered]
            for part in rows.reshape(programs, steps, task.batch_size):
                state[0], losses = _many_steps(state[0], x, jnp.asarray(part))
        losses[0].block_until_ready()

    return throughput(run_epochs, covered, seconds)
