"""Mean-field inference in JAX: a scan whose steps update the rows of a batch in place."""

import functools

import jax
import jax.numpy as jnp

from benchmarks.peers import jax_networks as networks
from benchmarks.peers.jax_scan import apply_decoder, decoder, run_scans
from benchmarks.peers.task import LATENT, Task, data

__all__ = ["run"]


def _loss(params, x, key, task):
    mu, raw = params["rows"][:, :LATENT], params["rows"][:, LATENT:]
    sigma = jax.nn.softplus(raw)
    logits = apply_decoder(
        task, params["decoder"], mu + sigma * jax.random.normal(key, mu.shape)
    )
    log_likelihood = (x * logits - jax.nn.softplus(logits)).sum(-1)
    kl = 0.5 * (mu**2 + sigma**2 - 1.0 - 2.0 * jnp.log(sigma)).sum(-1)
    # Each row is a problem of its own; the decoder's loss is the mean.
    return (kl - log_likelihood).sum(), (kl - log_likelihood).mean()


def _row_adam(rows, gradient, mean, square, visits):
    visits = visits + 1.0
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.99 * square + 0.01 * gradient**2
    times = visits[:, None]
    scale = jnp.sqrt(square / (1.0 - 0.99**times)) + 1e-8
    return rows - 1e-2 * mean / (1.0 - 0.9**times) / scale, mean, square, visits


@functools.partial(jax.jit, static_argnums=3, donate_argnums=0)
def _many_steps(state, x, rows, task):
    def step(state, rows):
        table, params, m, v, t, key = state
        key, use = jax.random.split(key)
        batch = [part[rows] for part in table]
        value = jax.value_and_grad(_loss, has_aux=True)
        both = {"rows": batch[0], "decoder": params}
        (_, loss), grads = value(both, x[rows], use, task)
        updated = _row_adam(batch[0], grads["rows"], *batch[1:])
        table = [p.at[rows].set(new) for p, new in zip(table, updated, strict=True)]
        mean = jax.tree.map(lambda g: g / len(rows), grads["decoder"])
        params, m, v = networks.adam(params, mean, m, v, t + 1.0)
        return (table, params, m, v, t + 1.0, key), loss

    return jax.lax.scan(step, state, rows)


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Examples a second, and the first epoch's seconds."""
    x = jnp.asarray(data(task.num_examples))
    key = jax.random.key(0)
    params = decoder(task, key)
    zeros = lambda: jax.tree.map(jnp.zeros_like, params)
    table = [jnp.zeros([len(x), 2 * LATENT]) for _ in range(3)] + [jnp.zeros(len(x))]
    state = (table, params, zeros(), zeros(), jnp.asarray(0.0), key)
    return run_scans(lambda s, rows: _many_steps(s, x, rows, task), state, task, seconds)
