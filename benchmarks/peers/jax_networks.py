"""Networks and Adam in JAX, as an expert writes them: pytrees and functions."""

import functools

import jax
import jax.numpy as jnp

from benchmarks.peers.task import CHANNELS, PIXELS, SIDE

__all__ = ["adam", "apply", "apply_down", "apply_up", "down", "network", "up"]

_CONVOLUTION = {"padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC")}


def _weights(key, shape, fan_in, fan_out):
    limit = (6.0 / (fan_in + fan_out)) ** 0.5
    return jax.random.uniform(key, shape, minval=-limit, maxval=limit)


def _dense(key, fan_in, fan_out):
    return _weights(key, [fan_in, fan_out], fan_in, fan_out), jnp.zeros([fan_out])


def _kernel(key, fan_in, fan_out):
    weights = _weights(key, [4, 4, fan_in, fan_out], 16 * fan_in, 16 * fan_out)
    return weights, jnp.zeros([fan_out])


def network(key, sizes):
    """Dense layers, (weights, bias) each."""
    keys = jax.random.split(key, len(sizes) - 1)
    return [_dense(k, a, b) for k, a, b in zip(keys, sizes[:-1], sizes[1:], strict=True)]


def apply(activation, layers, x):
    """The outputs of dense layers, the last one linear."""
    for weights, bias in layers[:-1]:
        x = activation(x @ weights + bias)
    weights, bias = layers[-1]
    return x @ weights + bias


def down(key, outputs):
    """Two convolutions of stride 2 and a dense layer."""
    keys = jax.random.split(key, 3)
    return [
        _kernel(keys[0], 1, CHANNELS),
        _kernel(keys[1], CHANNELS, 2 * CHANNELS),
        _dense(keys[2], (SIDE // 4) ** 2 * 2 * CHANNELS, outputs),
    ]


def up(key, inputs):
    """A dense layer and two transposed convolutions of stride 2."""
    keys = jax.random.split(key, 3)
    return [
        _dense(keys[0], inputs, (SIDE // 4) ** 2 * 2 * CHANNELS),
        _kernel(keys[1], 2 * CHANNELS, CHANNELS),
        _kernel(keys[2], CHANNELS, 1),
    ]


def apply_down(layers, x):
    """`[B, 784]` to `[B, outputs]`."""
    h = x.reshape([-1, SIDE, SIDE, 1])
    for weights, bias in layers[:-1]:
        h = jax.lax.conv_general_dilated(h, weights, (2, 2), **_CONVOLUTION)
        h = jax.nn.relu(h + bias)
    weights, bias = layers[-1]
    return h.reshape([len(h), -1]) @ weights + bias


def apply_up(layers, z):
    """`[..., inputs]` to `[..., 784]`."""
    (weights, bias), middle, last = layers
    h = jax.nn.relu(z @ weights + bias)
    h = h.reshape([-1, SIDE // 4, SIDE // 4, 2 * CHANNELS])
    grow = functools.partial(jax.lax.conv_transpose, strides=(2, 2), **_CONVOLUTION)
    h = jax.nn.relu(grow(h, middle[0]) + middle[1])
    h = grow(h, last[0]) + last[1]
    return h.reshape([*z.shape[:-1], PIXELS])


def adam(params, grads, m, v, t, rate=1e-3, beta=0.9):
    """The new parameters and moments, of step `t` from 1."""
    m = jax.tree.map(lambda a, g: beta * a + (1 - beta) * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g * g, v, grads)
    scale = rate * jnp.sqrt(1 - 0.999**t) / (1 - beta**t)
    step = lambda p, a, b: p - scale * a / (jnp.sqrt(b) + 1e-7)
    return jax.tree.map(step, params, m, v), m, v
