"""The files beside the graph are what TensorFlow Serving parses."""

import os

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from tests.serving import protos
from tfgen import serving

SIGNATURES = ("sample", "decode", "encode", "reconstruct", "serving_default")


def parse(path, message):
    with open(path) as file:
        return text_format.Parse(file.read(), message)


def warmup_requests(version_dir):
    path = os.path.join(version_dir, "assets.extra", "tf_serving_warmup_requests")
    for record in tf.data.TFRecordDataset(path):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        yield log.predict_log.request


def test_batching_parameters_parse_and_name_the_batch_sizes(version_dir):
    path = os.path.join(version_dir, "batching_params.pbtxt")
    parameters = parse(path, protos.BatchingParameters())
    # The server refuses a list whose last size is not the limit.
    assert list(parameters.allowed_batch_sizes) == [1, 4, 8]
    assert parameters.max_batch_size.value == 8
    assert parameters.batch_timeout_micros.value == 1000


@pytest.mark.parametrize("sizes", [(), (0, 4), (4, 4), (8, 4), (1.0,), "8"])
def test_batch_sizes_a_server_would_refuse_are_refused(sizes, signatures, tmp_path):
    with pytest.raises(ValueError, match="`batch_sizes` must be positive integers"):
        serving.export(tmp_path / "model", signatures, batch_sizes=sizes)


def test_there_is_a_warmup_request_for_each_signature_and_batch_size(version_dir):
    requests = list(warmup_requests(version_dir))
    shapes = {
        (request.model_spec.signature_name, tensor.tensor_shape.dim[0].size)
        for request in requests
        for tensor in request.inputs.values()
    }
    assert shapes == {(name, size) for name in SIGNATURES for size in (1, 4, 8)}
    assert {request.model_spec.name for request in requests} == {"toy"}


def test_warmup_requests_replay(version_dir, in_loader):
    calls = [
        (
            request.model_spec.signature_name,
            {name: tf.make_ndarray(value) for name, value in request.inputs.items()},
        )
        for request in warmup_requests(version_dir)
    ]
    results = in_loader(version_dir, calls)["rounds"][0]
    assert len(results) == 3 * len(SIGNATURES)
    for (_, arrays), result in zip(calls, results, strict=True):
        (rows,) = {len(array) for array in arrays.values()}
        assert {len(array) for array in result.values()} == {rows}
        assert all(np.isfinite(array).all() for array in result.values())


def test_models_config_lists_every_model_that_has_a_version(tmp_path):
    x = {"x": tf.TensorSpec([None, 1], tf.float32)}
    signatures = {"decode": serving.Signature(lambda x: {"y": x}, x)}
    for name in ("b", "a"):
        serving.export(tmp_path / name, signatures)
    (tmp_path / "empty").mkdir()
    (tmp_path / "half" / ".writing-0").mkdir(parents=True)
    assert serving.write_config(tmp_path, base_path="/models/") == ["a", "b"]
    config = parse(tmp_path / "models.config", model_server_config_pb2.ModelServerConfig())
    models = config.model_config_list.config
    assert [(model.name, model.base_path) for model in models] == [
        ("a", "/models/a"),
        ("b", "/models/b"),
    ]
    assert {model.model_platform for model in models} == {"tensorflow"}


def test_monitoring_config_turns_metrics_on(version_dir):
    exports = os.path.dirname(os.path.dirname(version_dir))
    assert serving.write_config(exports) == ["toy"]
    config = parse(os.path.join(exports, "monitoring.config"), protos.MonitoringConfig())
    assert config.prometheus_config.enable
    assert config.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_a_directory_without_models_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`directory` must have sub-directories"):
        serving.write_config(tmp_path)
