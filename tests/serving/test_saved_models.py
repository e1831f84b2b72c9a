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
from tfgen import losses, serving

ROOT = pathlib.Path(__file__).resolve().parents[2] / "saved_models"
SEEDS = np.array([0, 1, -1, 2**63 - 1, -(2**63)], np.int64)
X = tfgen.datasets.load_digits()[1][: len(SEEDS)]
Z = np.random.default_rng(0).normal(size=[len(SEEDS), 16]).astype(np.float32)
MNIST_LIKE = np.zeros([len(SEEDS), 28, 28], np.float32)
MNIST_LIKE[:, 6:22, 6:22] = X[..., 0].repeat(2, axis=1).repeat(2, axis=2)  # twice as large
MNIST_LIKE = MNIST_LIKE.reshape(len(SEEDS), -1)


def of_gan(model):
    """What each signature takes, and what it gives by the model's methods."""
    samples = {"samples": model.sample(seed=SEEDS)}
    return {
        "decode": ({"z": Z}, {"samples": model(Z)}),
        "sample": ({"seed": SEEDS}, samples),
        "serving_default": ({"seed": SEEDS}, samples),
    }


def of_vae(model, x=X, condition=None):
    """The same, row by row where a method takes one seed; the class is an input beside."""
    c = condition or {}
    given = {"x": x, **c} if c else x
    drawn = {
        "samples": model.sample(seed=SEEDS, condition=condition),
        "mean": model.sample_mean(seed=SEEDS, condition=condition),
    }
    rows = [
        (tf.nest.map_structure(lambda v, i=i: v[i : i + 1], given), int(seed))
        for i, seed in enumerate(SEEDS)
    ]
    bounds = [losses.iwlb(model.log_weights(row, 50, seed=seed)) for row, seed in rows]
    means = [model.reconstruct(row, seed) for row, seed in rows]
    q = model.encode(given)
    # L of a full covariance, its diagonal positive; sigma of a diagonal one.
    full = isinstance(model.encoder.layers[-1], tfgen.layers.MultivariateNormalTriL)
    scale = tf.linalg.cholesky(q.covariance()) if full else q.stddev()
    z = np.random.default_rng(0).normal(size=q.mean().shape).astype(np.float32)
    return {
        "decode": ({"z": z, **c}, {"mean": model.decode(z, condition=condition).mean()}),
        "encode": ({"x": x, **c}, {"mean": q.mean(), "scale": scale}),
        "iwlb": ({"x": x, **c, "seed": SEEDS}, {"iwlb": tf.concat(bounds, axis=0)}),
        "reconstruct": (
            {"x": x, **c, "seed": SEEDS},
            {"mean": tf.concat(means, axis=0)},
        ),
        "sample": ({"seed": SEEDS, **c}, drawn),
        "serving_default": ({"seed": SEEDS, **c}, drawn),
    }


SIGNATURES = {
    "conditional_digits": lambda model: of_vae(
        model, condition={"c": np.array([0, 3, 9, 3, 7], np.int64)}
    ),
    "gan_digits": of_gan,
    "iwae_digits": of_vae,
    "static_mnist_k50": lambda model: of_vae(model, MNIST_LIKE),
    "vae_digits": of_vae,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIGNATURES)
def test_every_signature_gives_what_the_keras_model_gives(name, in_loader):
    """Through the C++ loader, XLA off; `iwlb` adds up the pixels, so to 1e-5 only."""
    model = keras.saving.load_model(ROOT / name / f"{name}.keras")
    signatures = SIGNATURES[name](model)
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


@pytest.mark.parametrize("name", SIGNATURES)
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
    assert served == {name: f"/models/{name}" for name in SIGNATURES}
    text_format.Parse((ROOT / "monitoring.config").read_text(), protos.MonitoringConfig())
    for name in SIGNATURES:
        version = ROOT / name / "1"
        text_format.Parse(
            (version / "batching_params.pbtxt").read_text(), protos.BatchingParameters()
        )
        files = [path for path in (ROOT / name).rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 4e6
