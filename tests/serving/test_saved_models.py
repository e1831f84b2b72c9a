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
from tfgen import losses, random, serving

ROOT = pathlib.Path(__file__).resolve().parents[2] / "saved_models"
NAMES = ["iwae_digits", "vae_digits"]
SEEDS = np.array([0, 1, -1, 2**63 - 1, -(2**63)], np.int64)
X = tfgen.datasets.load_digits()[1][: len(SEEDS)]
Z = np.random.default_rng(0).normal(size=[len(SEEDS), 8]).astype(np.float32)
INPUTS = {
    "decode": {"z": Z},
    "encode": {"x": X},
    "iwlb": {"x": X, "seed": SEEDS},
    "reconstruct": {"x": X, "seed": SEEDS},
    "sample": {"seed": SEEDS},
    "serving_default": {"seed": SEEDS},
}


def expected(model):
    """What each signature gives: row by row, where a method takes one seed."""
    rows = [(X[i : i + 1], int(seed)) for i, seed in enumerate(SEEDS)]
    samples, mean = model._sample_by_key(random.row_keys(SEEDS, 0, 0))
    np.testing.assert_array_equal(samples, model.sample(seed=SEEDS))
    log_weights = [model.log_weights(x, 50, seed=seed) for x, seed in rows]
    posterior = model.encode(X)
    return {
        "decode": {"mean": model.decode(Z).mean()},
        "encode": {"mean": posterior.mean(), "covariance": posterior.covariance()},
        "iwlb": {"iwlb": tf.concat([losses.iwlb(w) for w in log_weights], axis=0)},
        "reconstruct": {
            "mean": tf.concat([model.reconstruct(x, seed) for x, seed in rows], axis=0)
        },
        "sample": {"samples": samples, "mean": mean},
        "serving_default": {"samples": samples, "mean": mean},
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_signature_gives_what_the_keras_model_gives(name, in_loader):
    """Through the C++ loader, XLA off; `iwlb`, a sum over 64 pixels, to 1e-5 of it."""
    values = expected(keras.saving.load_model(ROOT / name / f"{name}.keras"))
    answer = in_loader(ROOT / name / "1", list(INPUTS.items()))
    assert answer["signatures"] == sorted(INPUTS)
    outputs = dict(zip(INPUTS, answer["rounds"][0], strict=True))
    scale = outputs["encode"].pop("scale")
    outputs["encode"]["covariance"] = scale @ scale.swapaxes(1, 2)
    for signature, arrays in values.items():
        assert outputs[signature].keys() == arrays.keys()
        for key, value in arrays.items():
            tolerance = {"rtol": 1e-6, "atol": 1e-6}
            if key == "iwlb":
                tolerance = {"rtol": 1e-6, "atol": 1e-5}
            np.testing.assert_allclose(outputs[signature][key], value, **tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_every_signature_is_portable(name):
    for signature in INPUTS:
        assert serving.forbidden_ops(ROOT / name / "1", signature) == []


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
