r"""Times a served model in the C++ loader, beside the least that it has to compute.

    python benchmarks/serving.py

A VAE with a decoder 50-200-200-784 (untrained: the weights don't matter) is exported with
its XLA twins, next to probes: the decoder's matrix products alone, its noise alone, and a
signature that does nothing. Another process, with neither tfgen nor TensorFlow's Python,
runs them in turn, round after round, so that a busy moment of the machine affects all. It
prints the medians and the minima over the rounds, in milliseconds.
"""

import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from absl import app, flags

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, "examples")]

_MEASURE = flags.DEFINE_string("measure", None, "A version directory to measure, only.")
_ROUNDS = flags.DEFINE_integer("rounds", 30, "Rounds of measurement.", lower_bound=3)

LATENT, HIDDEN, PIXELS = 50, 200, 784
# (signature, at most how many times as long, as which other signature)
TARGETS = {
    4096: [("sample", 1.5, "products"), ("sample_xla", 1.2, "products")],
    1: [("sample", 2.0, "nothing"), ("sample_xla", 2.0, "nothing")],
}


def export(base: str) -> str:
    """Writes the model and the probes."""
    import keras
    import tensorflow as tf

    from tfgen import layers, models, random, serving
    from tfgen.models.signatures import vae_signatures

    def network(inputs: int, last: list[keras.layers.Layer]) -> keras.Sequential:
        hidden = [keras.layers.Dense(HIDDEN, "tanh") for _ in range(2)]
        return keras.Sequential([keras.Input([inputs]), *hidden, *last])

    posterior, likelihood = layers.MultivariateNormalDiag, layers.IndependentBernoulli
    q_size, p_size = posterior.params_size(LATENT), likelihood.params_size(PIXELS)
    encoder = network(PIXELS, [keras.layers.Dense(q_size), posterior(LATENT)])
    decoder = network(LATENT, [keras.layers.Dense(p_size), likelihood(PIXELS)])
    model = models.VAE(encoder, decoder)
    model.build((None, PIXELS))

    def noise(seed: tf.Tensor) -> tf.Tensor:
        return random.normal(random.row_keys(seed, 0, 0), [LATENT])

    def products(z: tf.Tensor) -> tf.Tensor:
        for layer in decoder.layers[:3]:
            z = tf.matmul(z, layer.kernel)
        return z

    seed, z = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, LATENT], tf.float32)
    probes = {
        "nothing": ("seed", tf.identity),
        "noise": ("seed", noise),
        "products": ("z", products),
        "mean": ("seed", lambda seed: decoder(noise(seed), training=False).mean()),
    }
    signatures = vae_signatures(model, num_samples=50)
    for name, (key, function) in probes.items():
        call = lambda f=function, **inputs: {"y": f(*inputs.values())}
        signatures[name] = serving.Signature(call, {key: {"seed": seed, "z": z}[key]})
    return serving.export(base, signatures, xla=True)


def measure(path: str, rounds: int) -> None:
    """Times the signatures of `path`, and prints them."""
    import saved_model_loader

    start = time.perf_counter()
    model = saved_model_loader.SavedModel(path)
    loaded = time.perf_counter() - start
    keys = {name: [*signature.inputs] for name, signature in model.signatures.items()}
    names = [n for n in keys if keys[n] in (["seed"], ["z"]) and n != "serving_default"]
    z = np.random.default_rng(0).normal(size=[4096, LATENT]).astype(np.float32)
    for rows, targets in TARGETS.items():
        inputs = {"seed": np.arange(rows), "z": z[:rows]}
        times = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                arrays = {key: inputs[key] for key in keys[name]}
                model.run(name, **arrays)  # so that none profits from the caches of another
                start = time.perf_counter()
                model.run(name, **arrays)
                times[name].append(1e3 * (time.perf_counter() - start))
        print(f"\nbatch {rows:<20} median    least    [ms]")
        for name in names:
            print(f"  {name:<22} {np.median(times[name]):8.3f} {min(times[name]):8.3f}")
        for name, limit, base in targets:
            ratio = np.median(times[name]) / np.median(times[base])
            print(f"  {name} / {base}: {ratio:.2f} (aim: {limit})")
    print(f"\nloading {len(model.signatures)} signatures: {loaded:.2f} s")


def main(argv: list[str]) -> None:
    del argv
    if _MEASURE.value:
        measure(_MEASURE.value, _ROUNDS.value)
        return
    with tempfile.TemporaryDirectory() as base:
        command = [sys.executable, __file__, f"--measure={export(base)}"]
        subprocess.run([*command, f"--rounds={_ROUNDS.value}"], check=True)


if __name__ == "__main__":
    app.run(main)
