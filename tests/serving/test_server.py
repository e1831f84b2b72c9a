"""The shipped models on a running server, by REST and gRPC, with batching on.

Always on a stand-in (see `stand_in`); with TFGEN_SERVING=1 on TensorFlow Serving too.
"""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from concurrent import futures

import keras
import numpy as np
import pytest
import serve_samples

from tfgen import models, serving

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = pathlib.Path(__file__).with_name("golden")
SHIPPED = ["gan_digits", "iwae_digits"]
X = [0.5] * 16
SEEDS = np.array([7, 0, -1, 2**63 - 1, -(2**63), 7], np.int64)


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


class Server:
    """A process that serves the models below a directory, and its log."""

    def __init__(self, kind, directory):
        self.kind = kind
        grpc_port, rest_port = free_port(), free_port()
        in_docker = kind == "tensorflow_model_server" and not shutil.which(kind)
        seen = "/models" if in_docker else str(directory)  # where the server sees them
        serving.write_config(directory, base_path=seen)
        flags = [
            f"--model_config_file={seen}/models.config",
            f"--monitoring_config_file={seen}/monitoring.config",
            "--enable_batching",
            "--enable_per_model_batching_parameters",
        ]
        ports = [f"--port={grpc_port}", f"--rest_api_port={rest_port}"]
        self._container = f"tfgen-{uuid.uuid4().hex}" if in_docker else None
        if kind == "stand-in":
            command = [sys.executable, "-m", "tests.serving.stand_in", *ports, *flags]
        elif not in_docker:
            command = [kind, *ports, *flags]
        else:
            command = ["docker", "run", "--rm", f"--name={self._container}"]
            command += [f"-p{grpc_port}:8500", f"-p{rest_port}:8501"]
            command += [f"-v{directory}:/models:ro", "tensorflow/serving", *flags]
        path = os.pathsep.join([str(ROOT), str(ROOT / "examples")])
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "0"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines = []
        threading.Thread(target=self._read, daemon=True).start()
        self.grpc, self.rest = f"localhost:{grpc_port}", f"localhost:{rest_port}"

    def _read(self):
        self._lines.extend(self._process.stderr)

    @property
    def log(self):
        return "".join(self._lines)

    def await_models(self, names, seconds=120):
        end = time.monotonic() + seconds
        for name in names:
            while not self._is_available(name):
                assert self._process.poll() is None, self.log
                assert time.monotonic() < end, self.log
                time.sleep(0.2)

    def _is_available(self, name):
        try:
            status = self.get(f"/v1/models/{name}")["model_version_status"]
        except OSError:
            return False
        return [version["state"] for version in status] == ["AVAILABLE"]

    def get(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"http://{self.rest}{path}", data, timeout=60) as file:
            return json.load(file)

    def predict(self, name, body):
        """(200, answer), or the status and the error of a request that was refused."""
        try:
            return 200, self.get(f"/v1/models/{name}:predict", body)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["error"]

    def stop(self):
        if self._container:
            subprocess.run(["docker", "stop", self._container], check=False)
        self._process.terminate()
        self._process.wait(30)


def why_there_is_no_server():
    if os.environ.get("TFGEN_SERVING") != "1":
        return "TFGEN_SERVING=1 runs this against TensorFlow Serving; it is not set"
    if shutil.which("tensorflow_model_server"):
        return None
    image = ["docker", "image", "inspect", "tensorflow/serving"]
    if shutil.which("docker") and not subprocess.run(image, capture_output=True).returncode:
        return None
    return "no tensorflow_model_server on the PATH, no tensorflow/serving image in Docker"


@pytest.fixture(scope="module", params=["stand-in", "tensorflow_model_server"])
def server(request, version_dir, tmp_path_factory):
    reason = why_there_is_no_server()
    if request.param != "stand-in" and reason:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("served") / "models"
    for name in SHIPPED:
        shutil.copytree(ROOT / "saved_models" / name, directory / name)
    shutil.copytree(pathlib.Path(version_dir).parent, directory / "toy")
    server = Server(request.param, directory)
    try:
        server.await_models([*SHIPPED, "toy"])
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def iwae():
    path = ROOT / "saved_models" / "iwae_digits" / "iwae_digits.keras"
    model = keras.saving.load_model(path)
    assert isinstance(model, models.IWAE)
    return model


def assert_close(value, expected):
    np.testing.assert_allclose(np.array(value), expected, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_every_protocol_gives_what_keras_gives(server, iwae):
    expected = iwae.sample(seed=SEEDS)
    rpc = serve_samples.GrpcClient(server.grpc, "iwae_digits", None)
    by_grpc = rpc.predict("sample", SEEDS, timeout=60)
    rest = serve_samples.RestClient(server.rest, "iwae_digits", None)
    by_column = rest.predict("sample", SEEDS, timeout=60)
    rows = [{"seed": seed} for seed in SEEDS.tolist()]
    _, answer = server.predict("iwae_digits", {"instances": rows})
    by_row = {k: [row[k] for row in answer["predictions"]] for k in ("samples", "mean")}
    for outputs in (by_grpc, by_column, by_row):
        assert_close(outputs["samples"], expected)
        assert_close(outputs["mean"], by_grpc["mean"])


def test_a_lone_input_may_go_unnamed(server, iwae):
    status, answer = server.predict(
        "iwae_digits", {"signature_name": "decode", "instances": np.eye(3, 8).tolist()}
    )
    assert status == 200
    assert_close(answer["predictions"], iwae.decode(np.eye(3, 8, dtype=np.float32)).mean())


def test_a_lone_output_which_rest_leaves_unnamed_is_the_samples(server):
    clients = [
        serve_samples.GrpcClient(server.grpc, "gan_digits", None),
        serve_samples.RestClient(server.rest, "gan_digits", None),
    ]
    by_grpc, by_rest = (c.predict("sample", SEEDS, timeout=60) for c in clients)
    assert by_grpc.keys() == by_rest.keys() == {"samples"}
    assert_close(by_rest["samples"], by_grpc["samples"])


def test_sixteen_clients_at_once_get_their_own_rows(server, iwae):
    rng = np.random.default_rng(0)
    requests = [rng.integers(-100, 100, rng.integers(1, 20)) for _ in range(64)]
    rpc = serve_samples.GrpcClient(server.grpc, "iwae_digits", None)
    rest = serve_samples.RestClient(server.rest, "iwae_digits", None)

    def ask(numbered):
        number, seeds = numbered
        return (rpc, rest)[number % 2].predict("sample", seeds, timeout=60)

    with futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, enumerate(requests)))
    assert [len(answer["samples"]) for answer in answers] == list(map(len, requests))
    samples = np.concatenate([answer["samples"] for answer in answers])
    assert_close(samples, iwae.sample(seed=np.concatenate(requests)))
    if server.kind == "stand-in":
        batches = re.findall(r"batch: (.*) padded to (\d+)", server.log)
        assert any(
            " " in rows and sum(map(int, rows.split())) < int(n) for rows, n in batches
        )


def test_warm_up_is_seen_in_the_log(server):
    signatures = {"gan_digits": 3, "iwae_digits": 6, "toy": 5}
    for name, count in signatures.items():
        lines = [
            line
            for line in server.log.splitlines()
            if "Finished reading warmup data" in line and f"/{name}/1/assets.extra" in line
        ]
        assert len(lines) == 1
        records = count * (3 if name == "toy" else 4)  # one for each batch size
        assert f"Number of warmup records read: {records}." in lines[0]


@pytest.mark.parametrize("name", SHIPPED)
def test_metadata_equals_the_golden_file(server, name):
    metadata = server.get(f"/v1/models/{name}/metadata")
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    assert metadata == golden


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": {"seed": 3}}, "at least one dimension"),
        ({"inputs": {"seed": [[3]]}}, r"\[1,1\].*\[\?\]"),
        ({"inputs": {"seed": list(range(9))}}, "Task size 9 is larger than maximum"),
        ({"inputs": {"seeds": [3]}}, "seed"),
        ({"inputs": {"x": [X]}, "signature_name": "reconstruct"}, "seed"),
        (
            {
                "inputs": {"x": [[0.5] * 16], "seed": [1, 2]},
                "signature_name": "reconstruct",
            },
            "equal 0th-dimension size",
        ),
        ({"inputs": {"seed": [3]}, "signature_name": "sampel"}, '"sampel" not found'),
        ({"inputs": {"seed": [3]}, "signature_name": "sample_xla"}, "XLA compilation disa"),
    ],
)
def test_a_bad_request_gets_a_clear_error(server, body, message):
    status, error = server.predict("toy", body)
    assert 400 <= status <= 500
    with pytest.raises(ValueError, match=message):
        raise ValueError(error)
    assert server.predict("toy", {"inputs": {"seed": [3]}})[0] == 200  # still serving
