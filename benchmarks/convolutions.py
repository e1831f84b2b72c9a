"""Whether XLA makes convolutions faster here: `VAE.fit` with and without it, in turn.

    python -m benchmarks.convolutions --rounds=5

`jit_compile="auto"` follows what this measured, see `tfgen/training/policy.py` and
`benchmarks/RESULTS.md`. Each run is a process of its own.
"""

import json
import os
import statistics
import subprocess
import sys

from absl import app, flags

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Interleaved rounds.", lower_bound=1)
_SECONDS = flags.DEFINE_float("seconds", 4.0, "Timed seconds of a run.")
_WORKER = flags.DEFINE_string("worker", None, "Internal: run one.")

_NETWORKS = ("dense", "convolutions", "wide convolutions")


def _model(network: str):
    import keras

    import tfgen

    layers, dense = keras.layers, keras.layers.Dense
    posterior = tfgen.layers.MultivariateNormalDiag
    channels = 64 if network.startswith("wide") else 16
    options = {"strides": 2, "padding": "same", "activation": "relu"}
    if network == "dense":
        encoder = [layers.Flatten(), dense(200, "relu"), dense(200, "relu")]
        decoder = [dense(200, "relu"), dense(200, "relu"), dense(784)]
    else:
        encoder = [
            layers.Conv2D(channels, 4, **options),
            layers.Conv2D(2 * channels, 4, **options),
            layers.Flatten(),
        ]
        decoder = [
            dense(7 * 7 * 2 * channels, "relu"),
            layers.Reshape([7, 7, 2 * channels]),
            layers.Conv2DTranspose(channels, 4, **options),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same"),
            layers.Flatten(),
        ]
    encoder = [keras.Input([28, 28, 1]), *encoder, dense(posterior.params_size(16))]
    likelihood = tfgen.layers.IndependentBernoulli([28, 28, 1])
    return tfgen.models.VAE(
        keras.Sequential([*encoder, posterior(16)]),
        keras.Sequential([keras.Input([16]), *decoder, likelihood]),
    )


def _work(network: str, jit_compile: bool) -> None:
    from benchmarks.peers.task import data, throughput

    count = 10_000 if network == "dense" else 1_000
    x = data(count).reshape(-1, 28, 28, 1)
    model = _model(network)
    model.compile("adam", "elbo", jit_compile=jit_compile)

    def run_epochs(epochs: int) -> None:
        model.fit(x, batch_size=100, epochs=epochs, verbose=0)

    print(json.dumps(throughput(run_epochs, count, _SECONDS.value)[0]))


def _measure(network: str, jit_compile: bool) -> float:
    command = [sys.executable, "-m", "benchmarks.convolutions"]
    command += [f"--worker={network},{jit_compile}", f"--seconds={_SECONDS.value}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def main(argv: list[str]) -> None:
    del argv
    if _WORKER.value:
        network, jit_compile = _WORKER.value.split(",")
        _work(network, jit_compile == "True")
        return
    print("| network | XLA, examples/s | without | XLA's ratio, median (min–max) |")
    print("|---|---|---|---|")
    for network in _NETWORKS:
        pairs = [
            (_measure(network, True), _measure(network, False))
            for _ in range(_ROUNDS.value)
        ]
        on, off = (statistics.median(values) for values in zip(*pairs, strict=True))
        ratios = [a / b for a, b in pairs]
        print(
            f"| {network} | {on:,.0f} | {off:,.0f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f}–{max(ratios):.2f}) |"
        )


if __name__ == "__main__":
    app.run(main)
