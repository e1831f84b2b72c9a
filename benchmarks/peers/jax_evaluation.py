"""log p(x) by importance sampling, and samples, in JAX: a `lax.map` over blocks."""

import functools

import jax
import jax.numpy as jnp

from benchmarks.peers import jax_networks as networks
from benchmarks.peers.jax_scan import apply_decoder, decoder
from benchmarks.peers.task import LATENT, PIXELS, Task, data, throughput

__all__ = ["run"]

_BLOCK = 10_000  # rows of a decoder's product


@functools.partial(jax.jit, static_argnums=3)
def _log_prob(params, x, key, task):
    """`[B]`, from blocks of samples: a sum of weights each."""
    outputs = networks.apply(jnp.tanh, params["encoder"], x)
    mu, raw = jnp.split(outputs, 2, axis=-1)
    sigma = jax.nn.softplus(raw)
    size = max(1, min(task.num_samples, _BLOCK // len(x)))
    count = task.num_samples // size

    def block(key):
        eps = jax.random.normal(key, [size, *mu.shape])
        z = mu + sigma * eps
        logits = apply_decoder(task, params["decoder"], z)
        log_likelihood = (x * logits - jax.nn.softplus(logits)).sum(-1)
        log_ratio = (0.5 * eps**2 - 0.5 * z**2 + jnp.log(sigma)).sum(-1)
        return jax.nn.logsumexp(log_likelihood + log_ratio, axis=0)

    sums = jax.lax.map(block, jax.random.split(key, count))
    return jax.nn.logsumexp(sums, axis=0) - jnp.log(count * size)


@functools.partial(jax.jit, static_argnums=2)
def _sample(params, key, task):
    """`[N, 784]`, binary."""

    def block(key):
        first, second = jax.random.split(key)
        z = jax.random.normal(first, [_BLOCK, LATENT])
        mean = jax.nn.sigmoid(apply_decoder(task, params, z))
        uniform = jax.random.uniform(second, mean.shape)
        return (uniform < mean).astype(jnp.float32)

    keys = jax.random.split(key, task.num_examples // _BLOCK)
    return jax.lax.map(block, keys).reshape([-1, PIXELS])


def run(task: Task, seconds: float) -> tuple[float, float]:
    """Sample-images or samples a second, and the first call's seconds."""
    key = jax.random.key(0)
    units = [task.units, task.units]
    params = {
        "encoder": networks.network(key, [PIXELS, *units, 2 * LATENT]),
        "decoder": decoder(task, jax.random.fold_in(key, 1)),
    }
    if task.kind == "sample":
        work = task.num_examples
        call = lambda i: _sample(params["decoder"], jax.random.fold_in(key, i), task)
    else:
        x = jnp.asarray(data(task.batch_size))
        work = task.batch_size * task.num_samples
        call = lambda i: _log_prob(params, x, jax.random.fold_in(key, i), task)

    def run_calls(count):
        for i in range(count):
            call(i).block_until_ready()

    return throughput(run_calls, work, seconds)
