"""Memory that models leave behind: how a process grows while models are made and deleted.

    python -m benchmarks.memory --num_models=20

In a process for each contender models of a digit's size are compiled, fitted for two epochs
and deleted, one after another, and the resident memory after the last is compared with
that after the second. Beside `tfgen.models.VAE` stands a plain `keras.Model`, an
autoencoder of the same dense layers, to show what TensorFlow keeps whoever calls it.
"""

import ctypes
import gc
import json
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

from absl import app, flags

_NUM_MODELS = flags.DEFINE_integer("num_models", 20, "In each process.", lower_bound=3)
_WORKER = flags.DEFINE_string("worker", None, "Internal: run one contender.")

_CONTENDERS = {
    "tfgen, XLA": ("tfgen", True),
    "tfgen, without XLA": ("tfgen", False),
    "Keras, XLA": ("keras", True),
    "Keras, without XLA": ("keras", False),
}
_PIXELS, _UNITS, _LATENT = 64, 64, 8


def _fit(package: str, jit_compile: bool) -> None:
    """Makes a model and fits it."""
    import keras
    import numpy as np

    dense = keras.layers.Dense
    x = (np.random.default_rng(0).random([2_000, _PIXELS]) < 0.3).astype("float32")
    encoder = [keras.Input([_PIXELS]), dense(_UNITS, "tanh")]
    decoder = [dense(_UNITS, "tanh"), dense(_PIXELS)]
    if package == "tfgen":
        import tfgen

        normal = tfgen.layers.MultivariateNormalDiag
        likelihood = tfgen.layers.IndependentBernoulli([_PIXELS])
        model = tfgen.models.VAE(
            keras.Sequential(
                [*encoder, dense(normal.params_size(_LATENT)), normal(_LATENT)]
            ),
            keras.Sequential([keras.Input([_LATENT]), *decoder, likelihood]),
        )
        model.compile("adam", jit_compile=jit_compile)
        model.fit(x, batch_size=100, epochs=2, verbose=0)
        return
    model = keras.Sequential([*encoder, dense(_LATENT), *decoder])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("adam", loss, jit_compile=jit_compile, steps_per_execution=20)
    model.fit(x, x, batch_size=100, epochs=2, verbose=0)


def _resident() -> float:
    """MB in use, after all that can be freed is."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _work(name: str) -> None:
    sizes = []
    for _ in range(_NUM_MODELS.value):
        _fit(*_CONTENDERS[name])
        sizes.append(_resident())
    print(json.dumps(sizes))


def main(argv: list[str]) -> None:
    del argv
    if _WORKER.value:
        _work(_WORKER.value)
        return
    print(f"{_NUM_MODELS.value} models, MB\n")
    print("| | after the first | after the last | a model |\n|---|---|---|---|")
    for name in _CONTENDERS:
        command = [sys.executable, "-m", "benchmarks.memory", f"--worker={name}"]
        command += [f"--num_models={_NUM_MODELS.value}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        sizes = json.loads(done.stdout.strip().splitlines()[-1])
        growth = (sizes[-1] - sizes[1]) / (len(sizes) - 2)
        print(f"| {name} | {sizes[0]:,.0f} | {sizes[-1]:,.0f} | {growth:.1f} |", flush=True)


if __name__ == "__main__":
    app.run(main)
