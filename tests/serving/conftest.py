"""A small model to serve, and a process that runs it as a server would."""

import os
import pathlib
import pickle
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from tfgen import random, serving

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOADER_PROCESS = pathlib.Path(__file__).with_name("loader_process.py")
LATENT, PIXELS = 3, 16


def toy_signatures() -> dict[str, serving.Signature]:
    """What a VAE serves, written out: a decoder, an encoder and noise by seed."""
    keras.utils.set_random_seed(1)
    decoder = keras.Sequential(
        [keras.Input([LATENT]), *map(keras.layers.Dense, (8, PIXELS))]
    )
    encoder = keras.Sequential([keras.Input([PIXELS]), keras.layers.Dense(LATENT)])

    def decode(z):
        return {"mean": tf.sigmoid(decoder(z))}

    def sample(seed):
        key = random.key(seed)
        mean = decode(random.normal(key, [LATENT]))["mean"]
        uniform = random.uniform(random.fold_in(key, 1), [PIXELS])
        return {"samples": tf.cast(uniform < mean, tf.float32), "mean": mean}

    def encode(x):
        mean = encoder(x)
        return {"mean": mean, "scale": tf.linalg.diag(tf.exp(mean))}

    def reconstruct(x, seed):
        noise = random.normal(random.key(seed), [LATENT])
        return decode(encoder(x) + noise)

    x = tf.TensorSpec([None, PIXELS], tf.float32)
    z = tf.TensorSpec([None, LATENT], tf.float32)
    seed = tf.TensorSpec([None], tf.int64)
    return {
        "sample": serving.Signature(sample, {"seed": seed}),
        "decode": serving.Signature(decode, {"z": z}),
        "encode": serving.Signature(encode, {"x": x}),
        "reconstruct": serving.Signature(reconstruct, {"x": x, "seed": seed}),
    }


@pytest.fixture(scope="session")
def signatures():
    return toy_signatures()


@pytest.fixture(scope="session")
def version_dir(signatures, tmp_path_factory):
    base = tmp_path_factory.mktemp("exports") / "toy"
    return serving.export(base, signatures, xla=True, batch_sizes=(1, 4, 8))


@pytest.fixture(scope="session")
def in_loader():
    """Runs [(signature, {input: array}), ...] in a new process; see `loader_process`.

    A result is a dictionary of arrays, or (code, message) where the call failed; there
    is a round of them for each session and thread.
    """

    def run(path, calls, xla=False, sessions=1, threads=1):
        job = {
            "path": str(path),
            "calls": calls,
            "xla": xla,
            "sessions": sessions,
            "threads": threads,
        }
        process = subprocess.run(
            [
                sys.executable,
                LOADER_PROCESS,
            ],
            input=pickle.dumps(job),
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "examples"),
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert process.returncode == 0, process.stderr.decode()
        return pickle.loads(process.stdout)

    return run
