"""The models in `saved_models/` run anywhere, with the numbers of the Keras models."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

import tfgen
from tests.serving import protos
from tfgen import losses, models, random, serving

ROOT = pathlib.Path(__file__).resolve().parents[2] / "saved_models"
NAMES = ["conditional_digits", "gan_digits", "iwae_digits", "vae_digits"]
SEEDS = np.array([0, 1, -1, 2**63 - 1, -(2**63)], np.int64)
X = tfgen.datasets.load_digits()[1][: len(SEEDS)]
Z = np.random.default_rng(0).normal(size=[len(SEEDS), 16]).astype(np.float32)


def of_gan(model):
    """What each signature takes, and what it gives by the model's methods."""
    samples = {"samples": model.sample(seed=SEEDS)}
    return {
        "decode": ({"z": Z}, {"samples": model(Z)}),
        "sample": ({"seed": SEEDS}, samples),
        "serving_default": ({"seed": SEEDS}, samples),
    }


def of_vae(model):
    """The same, row by row where a method takes one seed."""
    rows = [(X[i : i + 1], int(seed)) for i, seed in enumerate(SEEDS)]
    samples, mean = model._sample_by_key(random.row_keys(SEEDS, 0, 0), {})
    np.testing.assert_array_equal(samples, model.sample(seed=SEEDS))
    drawn = ({"seed": SEEDS}, {"samples": samples, "mean": mean})
    posterior = model.encode(X)
    scale = tf.linalg.cholesky(posterior.covariance())  # L, its diagonal positive
    bounds = [losses.iwlb(model.log_weights(x, 50, seed=seed)) for x, seed in rows]
    means = [model.reconstruct(x, seed) for x, seed in rows]
    return {
        "decode": ({"z": Z[:, :8]}, {"mean": model.decode(Z[:, :8]).mean()}),
        "encode": ({"x": X}, {"mean": posterior.mean(), "scale": scale}),
        "iwlb": ({"x": X, "seed": SEEDS}, {"iwlb": tf.concat(bounds, axis=0)}),
        "reconstruct": ({"x": X, "seed": SEEDS}, {"mean": tf.concat(means, axis=0)}),
        "sample": drawn,
        "serving_default": drawn,
    }


def of_conditional(model):
    """The same of a model that takes a class beside."""
    c = {"c": np.array([0, 3, 9, 3, 7], np.int64)}
    given = {"x": X, **c}
    drawn = {
        "samples": model.sample(seed=SEEDS, condition=c),
        "mean": model.sample_mean(seed=SEEDS, condition=c),
    }
    rows = [
        ({k: v[i : i + 1] for k, v in given.items()}, int(seed))
        for i, seed in enumerate(SEEDS)
    ]
    bounds = [losses.iwlb(model.log_weights(x, 50, seed=seed)) for x, seed in rows]
    means = [model.reconstruct(x, seed) for x, seed in rows]
    posterior = model.encode(given)
    z = Z[:, :8]
    return {
        "decode": ({"z": z, **c}, {"mean": model.decode(z, condition=c).mean()}),
        "encode": (given, {"mean": posterior.mean(), "scale": posterior.stddev()}),
        "iwlb": ({**given, "seed": SEEDS}, {"iwlb": tf.concat(bounds, axis=0)}),
        "reconstruct": ({**given, "seed": SEEDS}, {"mean": tf.concat(means, axis=0)}),
        "sample": ({"seed": SEEDS, **c}, drawn),
        "serving_default": ({"seed": SEEDS, **c}, drawn),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_signature_gives_what_the_keras_model_gives(name, in_loader):
    """Through the C++ loader, XLA off; `iwlb` adds up 64 pixels, so to 1e-5 only."""
    model = keras.saving.load_model(ROOT / name / f"{name}.keras")
    of_vaes = of_conditional if name == "conditional_digits" else of_vae
    signatures = (of_gan if isinstance(model, models.GAN) else of_vaes)(model)
    answer = in_loader(
        ROOT / name / "1", [(key, inputs) for key, (inputs, _) in signatures.items()]
    )
    assert answer["signatures"] == list(signatures)
    for outputs, (_, expected) in zip(
        answer["rounds"][0], signatures.values(), strict=True
    ):
        assert outputs.keys() == expected.keys()
        for key, value in expected.items():
            atol = 1e-5 if key == "iwlb" else 1e-6
            np.testing.assert_allclose(outputs[key], value, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_every_signature_is_portable(name):
    version = ROOT / name / "1"
    signatures = list(tf.saved_model.load(version).signatures)
    assert "sample" in signatures
    for signature in signatures:
        assert serving.forbidden_ops(version, signature) == []


def test_the_configuration_lists_the_models_and_each_is_small():
    config = text_format.Parse(
        (ROOT / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    served = {model.name: model.base_path for model in config.model_config_list.config}
    assert served == {name: f"/models/{name}" for name in NAMES}
    text_format.Parse((ROOT / "monitoring.config").read_text(), protos.MonitoringConfig())
    for name in NAMES:
        version = ROOT / name / "1"
        text_format.Parse(
            (version / "batching_params.pbtxt").read_text(), protos.BatchingParameters()
        )
        files = [path for path in (ROOT / name).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 3e6
