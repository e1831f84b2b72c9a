"""Times layers against the same computation in plain TensorFlow, in turn, under XLA.

    python -m benchmarks.layers

prints Markdown tables: medians in milliseconds, and the ratio of each pair. The second is
of log p(z) of a mixture of Gaussians, which `VampPrior` and `MixturePrior` are, beside
TFP's.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags

import tfgen
from tfgen.layers.normal_mixture import NormalMixture

tfd = tfp.distributions

_BATCH = flags.DEFINE_integer("batch", 4096, "Examples in a batch.")
_SIZE = flags.DEFINE_integer("size", 50, "Dimensions of z.")
_COMPONENTS = flags.DEFINE_integer("components", 500, "Of the mixture of Gaussians.")
_ROUNDS = flags.DEFINE_integer("rounds", 31, "Timed calls of each function.")


def scale_by_hand(raw: tf.Tensor) -> tf.Tensor:
    filled = tfp.math.fill_triangular(raw)
    diagonal = tf.math.softplus(tf.linalg.diag_part(filled)) + 1e-5
    return tf.linalg.set_diag(filled, diagonal)


def log_normal(eps: tf.Tensor, log_det: tf.Tensor) -> tf.Tensor:
    constant = 0.5 * eps.shape[-1] * np.log(2 * np.pi)
    return -0.5 * tf.reduce_sum(eps**2, -1) - constant - log_det


def log_determinant(scale: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.math.log(tf.linalg.diag_part(scale)), -1)


def draw_by_hand(noise: Callable) -> Callable:
    """z = mu + L eps and log q(z) from eps, in TensorFlow's operations."""

    def draw(params: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = _SIZE.value
        scale = scale_by_hand(params[:, size:])
        eps = noise([params.shape[0], size])
        z = params[:, :size] + tf.linalg.matvec(scale, eps)
        return z, log_normal(eps, log_determinant(scale))

    return draw


def log_prob_by_hand(params: tf.Tensor, z: tf.Tensor) -> tuple[tf.Tensor]:
    size = _SIZE.value
    scale = scale_by_hand(params[:, size:])
    away = (z - params[:, :size])[..., tf.newaxis]
    eps = tf.linalg.triangular_solve(scale, away)[..., 0]
    return (log_normal(eps, log_determinant(scale)),)


def philox(shape: Sequence[int]) -> tf.Tensor:
    return tf.random.stateless_normal(shape, [1, 2])


def threefry(shape: Sequence[int]) -> tf.Tensor:
    keys = tfgen.random.row_keys(1, 0, tf.range(shape[0]))
    return tfgen.random.normal(keys, shape[1:])


def with_gradient(function: Callable) -> Callable:
    def run(params: tf.Tensor, z: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(params)
            outputs = function(params, z)
            total = tf.add_n([tf.reduce_sum(tf.sin(output)) for output in outputs])
        return *outputs, tape.gradient(total, params)

    return run


def interleaved(functions: dict[str, Callable], *inputs: tf.Tensor) -> dict[str, float]:
    """Median milliseconds of a call of each function, called in turn."""
    compiled = {
        name: tf.function(function, jit_compile=True)
        for name, function in functions.items()
    }
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(_ROUNDS.value + 2):
        for name, function in compiled.items():
            start = time.perf_counter()
            for output in function(*inputs):
                output.numpy()
            if number >= 2:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: float(np.median(values)) for name, values in times.items()}


def main(_: Sequence[str]) -> None:
    size = _SIZE.value
    layer = tfgen.layers.MultivariateNormalTriL(size)
    generator = np.random.default_rng(0)
    shape = [_BATCH.value, layer.params_size(size)]
    params = tf.constant(0.3 * generator.normal(size=shape), tf.float32)
    z = tf.constant(generator.normal(size=[_BATCH.value, size]), tf.float32)

    def draw(params: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return layer.distribution(params).experimental_sample_and_log_prob(seed=1)

    def log_prob(params: tf.Tensor, z: tf.Tensor) -> tuple[tf.Tensor]:
        return (layer.distribution(params).log_prob(z),)

    rows = {
        "z and log q(z)": {
            "layer": draw,
            "by hand": draw_by_hand(philox),
            "by hand, the layer's noise": draw_by_hand(threefry),
        },
        "log q of a given z": {"layer": log_prob, "by hand": log_prob_by_hand},
    }
    print(f"`MultivariateNormalTriL({size})`, batch {_BATCH.value}, XLA, float32:\n")
    print("| | layer, ms | by hand, ms | ratio | by hand, the layer's noise, ms | ratio |")
    print("|---|---|---|---|---|---|")
    for name, functions in rows.items():
        for suffix, wrap in (("", lambda f: f), (", with gradient", with_gradient)):
            wrapped = {key: wrap(function) for key, function in functions.items()}
            found = interleaved(wrapped, params, z)
            cells = [f"{found['layer']:.2f}"]
            for key in ("by hand", "by hand, the layer's noise"):
                if key in found:
                    cells += [f"{found[key]:.2f}", f"{found['layer'] / found[key]:.2f}"]
                else:
                    cells += ["", ""]
            print(f"| {name}{suffix} | " + " | ".join(cells) + " |")
    compare_mixtures(z)


def compare_mixtures(z: tf.Tensor) -> None:
    """Prints a table for the mixtures' log p(z), z `[N, D]`."""

    def log_prob(family: Callable) -> Callable:
        def of_mixture(params: tf.Tensor, z: tf.Tensor) -> tuple[tf.Tensor]:
            loc, raw = tf.split(params, 2, axis=-1)
            normals = tfd.MultivariateNormalDiag(loc, tf.math.softplus(raw))
            weights = tfd.Categorical(logits=tf.zeros([_COMPONENTS.value]))
            return (family(weights, normals).log_prob(z),)

        return of_mixture

    shape = [_COMPONENTS.value, 2 * _SIZE.value]
    params = tf.constant(np.random.default_rng(1).normal(size=shape), tf.float32)
    functions = {
        "layer": log_prob(NormalMixture),
        "TFP": log_prob(tfd.MixtureSameFamily),
    }
    print(f"\n{_COMPONENTS.value} Gaussians, {len(z)} z of {_SIZE.value}, XLA, float32:\n")
    print("| | layer, ms | TFP, ms | ratio |\n|---|---|---|---|")
    for suffix, wrap in (("", lambda f: f), (", with gradient", with_gradient)):
        wrapped = {key: wrap(function) for key, function in functions.items()}
        found = interleaved(wrapped, params, z)
        ratio = found["layer"] / found["TFP"]
        cells = f"{found['layer']:.2f} | {found['TFP']:.2f} | {ratio:.2f}"
        print(f"| log p(z){suffix} | {cells} |")


if __name__ == "__main__":
    app.run(main)
