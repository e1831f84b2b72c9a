"""From how many steps on XLA is faster: seconds to compile, and seconds saved per step.

    python -m benchmarks.compiling

`jit_compile="auto"` decides by the three constants at the top of
`tfgen/training/policy.py`. For models of several sizes this measures the number of steps
from which XLA pays, seconds to compile / seconds saved per step, and prints beside it what
the constants predict.
"""

import functools
import gc
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

import tfgen
from tfgen.training.policy import Work, steps_worth_compiling
from tfgen.training.program import loop_of_steps
from tfgen.training.residence import Residence, batch_of

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved rounds.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 0.3, "Timed seconds of a round, about.")
_MODELS = flags.DEFINE_list("models", None, "Which; all unless given.")


def _dense(size: int, hidden: list[int], *last: keras.layers.Layer) -> keras.Model:
    layers = [keras.layers.Dense(units, activation="tanh") for units in hidden]
    return keras.Sequential([keras.Input([size]), *layers, *last])


def _vae(pixels: int, units: int, latent: int, loss: object = "elbo") -> keras.Model:
    posterior = tfgen.layers.MultivariateNormalDiag
    dense, hidden = keras.layers.Dense, [units, units]
    model = tfgen.models.VAE(
        _dense(pixels, hidden, dense(posterior.params_size(latent)), posterior(latent)),
        _dense(latent, hidden, dense(pixels), tfgen.layers.IndependentBernoulli([pixels])),
    )
    model.compile("adam", loss)
    return model


def _gan(pixels: int, units: int, latent: int) -> keras.Model:
    hidden, dense = [units, units], keras.layers.Dense
    networks = _dense(latent, hidden, dense(pixels)), _dense(pixels, hidden, dense(1))
    model = tfgen.models.GAN(*networks, latent)
    model.compile("adam", "adam")
    return model


def _iwlb(num_samples: int) -> tfgen.losses.IWLB:
    return tfgen.losses.IWLB(num_samples)


# A function that makes a model, the size of its data and of a batch.
_TASKS: dict[str, tuple[Callable[[], keras.Model], int, int]] = {
    "VAE 8-16-2, batch 32": (lambda: _vae(8, 16, 2), 8, 32),
    "VAE 64-128-16, K = 5, batch 32": (lambda: _vae(64, 128, 16, _iwlb(5)), 64, 32),
    "VAE 784-200-50, batch 100": (lambda: _vae(784, 200, 50), 784, 100),
    "VAE 784-200-50, K = 5, batch 100": (lambda: _vae(784, 200, 50, _iwlb(5)), 784, 100),
    "VAE 784-200-50, K = 50, batch 20": (lambda: _vae(784, 200, 50, _iwlb(50)), 784, 20),
    "GAN 2-64, batch 128": (lambda: _gan(2, 64, 2), 2, 128),
    "GAN 784-256, batch 128": (lambda: _gan(784, 256, 64), 784, 128),
}


def measure(name: str, rounds: int, seconds: float) -> dict[str, float]:
    """Seconds to compile and to run a step of one model, and its work."""
    make, pixels, batch_size = _TASKS[name]
    model = make()
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    x = np.random.default_rng(0).integers(0, 2, [1000, pixels]).astype("float32")
    data = Residence((x, None, None), batch_size).data
    rows = np.random.default_rng(0).integers(0, 1000, [100, batch_size]).astype("int32")
    noted: list[Work] = []
    gather = functools.partial(batch_of, same=False)
    note = lambda graph: noted.append(Work.of(graph))
    graph = tf.function(
        loop_of_steps(model.train_step, model, gather, note), autograph=False
    )
    xla = tf.function(lambda *a: graph(*a), jit_compile=True, autograph=False)

    def run(function: Callable, steps: int) -> float:
        start = time.perf_counter()
        function(tf.constant(rows), tf.constant(steps), data)
        return time.perf_counter() - start

    graph.get_concrete_function(tf.constant(rows), tf.constant(1), data)
    starts = [run(function, 1) for function in (graph, xla)]
    counts = [max(1, min(100, int(seconds / (run(f, 10) / 10)))) for f in (graph, xla)]
    times = [
        [run(f, n) / n for f, n in zip((graph, xla), counts, strict=True)]
        for _ in range(rounds)
    ]
    slow, fast = np.median(times, axis=0)
    return {
        "operations": noted[-1].operations,
        "numbers": noted[-1].numbers,
        "starts": starts[0],
        "compiles": starts[1],
        "graph": slow,
        "xla": fast,
        "seen": (starts[1] - starts[0]) / (slow - fast) if slow > fast else float("inf"),
        "predicted": steps_worth_compiling(noted[-1]),
    }


def main(argv: list[str]) -> None:
    del argv
    print(
        "| | operations | numbers | graph starts, s | XLA compiles, s | graph, ms a step | "
        "XLA, ms | pays from, steps | predicted |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in _MODELS.value or _TASKS:
        row = measure(name, _ROUNDS.value, _SECONDS.value)
        print(
            f"| {name} | {row['operations']:,} | {row['numbers']:,} | "
            f"{row['starts']:.1f} | {row['compiles']:.1f} | "
            f"{1e3 * row['graph']:.2f} | {1e3 * row['xla']:.2f} | "
            f"{row['seen']:,.0f} | {row['predicted']:,.0f} |",
            flush=True,
        )
        gc.collect()


if __name__ == "__main__":
    app.run(main)
