"""The client against small servers on the loopback that answer as TF Serving does."""

import http.server
import json
import pathlib
import sys
import threading
import time
import types
from concurrent import futures

import grpc
import numpy as np
import pytest
import sample_files
import serve_samples
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfgen import random, serving

SCRIPT = pathlib.Path(serve_samples.__file__)
LIMIT = 8  # rows a request, as max_batch_size


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The signatures of a SavedModel of 4×4 images, read back from the disk."""

    def sample(seed):
        uniform = random.uniform(random.key(seed), [4, 4])
        return {"samples": tf.round(uniform), "mean": uniform}

    seed = {"seed": tf.TensorSpec([None], tf.int64)}
    path = serving.export(
        tmp_path_factory.mktemp("served") / "toy",
        {"sample": serving.Signature(sample, seed)},
    )
    return tf.saved_model.load(path)


def answer(model, name, seeds):
    """What a server does with a request, and its errors: (gRPC code, message)."""
    if name not in model.signatures:
        return "INVALID_ARGUMENT", f"Serving signature key {name!r} not found."
    if len(seeds) > LIMIT:
        return "INVALID_ARGUMENT", f"Task size {len(seeds)} is larger than maximum"
    return model.signatures[name](seed=tf.constant(seeds, tf.int64))


class Fake:
    """A server; its first requests meet `troubles`, such as "UNAVAILABLE" or "slow"."""

    def __init__(self, model):
        self._model = model
        self.troubles = []
        self.sizes = []
        self.names = []

    def predict(self, name, version, signature, seeds):
        self.names.append((name, version))
        self.sizes.append(len(seeds))
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble == "slow":
            time.sleep(1.0)
        elif trouble:
            return trouble, "not now"
        return answer(self._model, signature, seeds)


@pytest.fixture
def rest(model):
    fake = Fake(model)
    statuses = {"UNAVAILABLE": 503, "RESOURCE_EXHAUSTED": 429, "INVALID_ARGUMENT": 400}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name, version = self.path.removesuffix(":predict").split("/")[3::2]
            result = fake.predict(
                name, version, request["signature_name"], request["inputs"]["seed"]
            )
            if isinstance(result, tuple):
                status, body = statuses[result[0]], {"error": result[1]}
            else:
                outputs = {k: v.numpy().tolist() for k, v in result.items()}
                status, body = 200, {"outputs": outputs}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.address = f"localhost:{server.server_port}"
    yield fake
    server.shutdown()
    server.server_close()


@pytest.fixture
def rpc(model):
    fake = Fake(model)

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            spec = request.model_spec
            result = fake.predict(
                spec.name,
                str(spec.version.value),
                spec.signature_name,
                tf.make_ndarray(request.inputs["seed"]),
            )
            if isinstance(result, tuple):
                context.abort(grpc.StatusCode[result[0]], result[1])
            response = predict_pb2.PredictResponse()
            for name, value in result.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return response

    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(), server)
    fake.address = f"localhost:{server.add_insecure_port('localhost:0')}"
    server.start()
    yield fake
    server.stop(None)


@pytest.fixture(params=["rest", "rpc"])
def server(request):
    fake = request.getfixturevalue(request.param)
    kind = {"rest": serve_samples.RestClient, "rpc": serve_samples.GrpcClient}
    fake.client = kind[request.param](fake.address, "toy", 1)
    return fake


@pytest.fixture
def waits(monkeypatch):
    waits = []
    monkeypatch.setattr(serve_samples.time, "sleep", waits.append)
    return waits


SEEDS = np.array([3, 0, -5, 2**63 - 1, -(2**63)], np.int64)


def test_the_numbers_are_the_models(server, model):
    outputs = server.client.predict("sample", SEEDS, timeout=10)
    expected = model.signatures["sample"](seed=tf.constant(SEEDS))
    assert outputs.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, rtol=0, atol=1e-6)
    assert server.names == [("toy", "1")]


def test_a_passing_trouble_is_tried_again(server, waits, model):
    server.troubles = ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "UNAVAILABLE"]
    ask = lambda: server.client.predict("sample", SEEDS, timeout=10)
    outputs = serve_samples.retry(ask, retries=3)
    assert outputs["samples"].shape == (5, 4, 4)
    assert len(waits) == 3
    for attempt, wait in enumerate(waits):
        assert 0.05 * 2**attempt <= wait <= 0.15 * 2**attempt


def test_retries_end(server, waits):
    server.troubles = ["UNAVAILABLE"] * 3
    ask = lambda: server.client.predict("sample", SEEDS, timeout=10)
    with pytest.raises(serve_samples.ServerError, match="not now"):
        serve_samples.retry(ask, retries=2)
    assert len(server.sizes) == 3


@pytest.mark.parametrize(
    ("signature", "seeds", "message"),
    [("sampel", SEEDS, "'sampel' not found"), ("sample", np.arange(9), "Task size 9")],
)
def test_a_wrong_request_is_not_tried_again(server, waits, signature, seeds, message):
    ask = lambda: server.client.predict(signature, seeds, timeout=10)
    with pytest.raises(serve_samples.ServerError, match=message):
        serve_samples.retry(ask, retries=3)
    assert waits == []


def test_a_slow_answer_times_out_and_is_asked_again(server):
    server.troubles = ["slow"]
    ask = lambda timeout: server.client.predict("sample", SEEDS, timeout=timeout)
    with pytest.raises(serve_samples.ServerError) as info:
        ask(0.3)
    assert info.value.passing
    again = serve_samples.retry(lambda: ask(30), retries=0)
    assert again["mean"].shape == (5, 4, 4)


@pytest.mark.parametrize("client", [serve_samples.RestClient, serve_samples.GrpcClient])
def test_no_server_is_a_passing_trouble(client):
    with pytest.raises(serve_samples.ServerError) as info:
        client("localhost:1", "toy", None).predict("sample", SEEDS, timeout=5)
    assert info.value.passing


@pytest.fixture
def run_script(processes, tmp_path):
    """`run_script(fake, api, *arguments)` asks the server `fake` by the script."""

    def run(fake, api, *arguments):
        options = "--model=toy", "--version=1", f"--api={api}", f"--address={fake.address}"
        return processes.run_script(SCRIPT, *options, *arguments, directory=tmp_path)

    return run


def test_the_script_writes_an_npz_in_batches(rest, model, tmp_path, run_script):
    path = tmp_path / "new" / "samples.npz"
    rest.troubles = [None, "UNAVAILABLE"]
    process = run_script(
        rest, "rest", "--num_samples=20", "--batch_size=8", "--first_seed=5",
        f"--output={path}",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert rest.sizes == [8, 8, 8, 4]  # the second was tried twice
    assert "20/20" not in process.stderr  # progress is for a terminal
    assert "not now" in process.stderr
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["seed"], np.arange(5, 25))
        expected = model.signatures["sample"](seed=tf.range(5, 25, dtype=tf.int64))
        for name, value in expected.items():
            np.testing.assert_allclose(arrays[name], value, rtol=0, atol=1e-6)


def test_the_script_writes_a_png_of_the_samples(rpc, model, tmp_path, run_script):
    path = tmp_path / "samples.png"
    process = run_script(rpc, "grpc", "--num_samples=6", f"--output={path}")
    assert process.returncode == 0, process.stderr
    pixels = np.asarray(Image.open(path))[2::4, 2::4]  # one of each enlarged pixel
    assert pixels.shape == (11, 16)  # 2 by 3 images of 4 by 4, with gaps of 1
    expected = model.signatures["sample"](seed=tf.range(6, dtype=tf.int64))["samples"]
    np.testing.assert_array_equal(pixels[1:5, 6:10], 255 * expected[1])
    np.testing.assert_array_equal(pixels[6:10, 11:15], 255 * expected[5])


def test_the_script_ends_with_the_servers_error(rest, tmp_path, run_script):
    path = tmp_path / "samples.npz"
    process = run_script(rest, "rest", "--batch_size=9", f"--output={path}")
    assert process.returncode == 1
    assert "HTTP 400" in process.stderr
    assert "Task size 9 is larger than maximum" in process.stderr
    assert not path.exists()


def test_progress_on_a_terminal_shows_what_is_done_and_the_time_left(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    clock = iter([0.0, 1.0, 4.0])
    stopwatch = types.SimpleNamespace(monotonic=lambda: next(clock))
    monkeypatch.setattr(sample_files, "time", stopwatch)
    batches = [np.arange(1), np.arange(3)]
    assert [len(batch) for batch in sample_files.progress(batches)] == [1, 3]
    shown = capsys.readouterr().err
    assert "1/4, 3 s left" in shown
    assert "[==============================] 4/4, 0 s left" in shown
