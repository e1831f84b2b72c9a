"""Draws samples from a running TensorFlow Serving server, by gRPC or REST.

    python examples/serve_samples.py --model=vae_digits --num_samples=256 \
        --output=samples.png
    python examples/serve_samples.py --model=vae_digits --api=rest --output=samples.npz

Sample i is that of seed `first_seed + i`, whatever the batch size and the replica that
answers: a request can always be repeated, and gives the same numbers. gRPC needs
`pip install tfgen[serving]`; REST needs numpy and Pillow.
"""

import http.client
import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import numpy as np
import sample_files
from absl import app, flags

Arrays = dict[str, np.ndarray]

_API = flags.DEFINE_enum("api", "grpc", ["grpc", "rest"], "How to ask.")
_ADDRESS = flags.DEFINE_string(
    "address", None, "host:port; by default localhost:8500 for gRPC, :8501 for REST."
)
_MODEL = flags.DEFINE_string("model", None, "Name of the model.", required=True)
_VERSION = flags.DEFINE_integer("version", None, "Its version; the latest by default.")
_SIGNATURE = flags.DEFINE_string("signature", "sample", "What to call.")
_NUM_SAMPLES = flags.DEFINE_integer("num_samples", 64, "How many.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 64, "Samples a request, at most the server's limit.", lower_bound=1
)
_FIRST_SEED = flags.DEFINE_integer("first_seed", 0, "The first sample's seed.")
_TIMEOUT = flags.DEFINE_float("timeout", 10.0, "Seconds a request.", lower_bound=0.0)
_RETRIES = flags.DEFINE_integer(
    "retries", 5, "Further tries of a request that failed for a time.", lower_bound=0
)
_SHOW = flags.DEFINE_enum(
    "show", "samples", ["samples", "mean"], "What a PNG shows of each sample."
)
_OUTPUT = flags.DEFINE_string("output", "samples.png", "A .png or .npz file.")


class ServerError(Exception):
    """The server refused a request; `passing` if the same request may succeed later."""

    def __init__(self, message: str, passing: bool):
        super().__init__(message)
        self.passing = passing


class RestClient:
    """Calls signatures through the REST interface."""

    def __init__(self, address: str, model: str, version: int | None):
        version_path = "" if version is None else f"/versions/{version}"
        self._url = f"http://{address}/v1/models/{model}{version_path}:predict"

    def predict(self, signature: str, seeds: np.ndarray, timeout: float) -> Arrays:
        """The outputs of `signature`, one row a seed."""
        body = {"signature_name": signature, "inputs": {"seed": seeds.tolist()}}
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                outputs = json.load(response)["outputs"]
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            passing = error.code in (429, 503, 504)
            raise ServerError(f"HTTP {error.code}: {text}", passing) from error
        # The connection was refused, reset or closed early, or timed out.
        except (OSError, http.client.HTTPException) as error:
            raise ServerError(str(error), passing=True) from error
        if not isinstance(outputs, dict):  # a signature with one output has no name
            outputs = {"samples": outputs}
        return {name: np.asarray(value) for name, value in outputs.items()}


class GrpcClient:
    """Calls signatures through the gRPC interface."""

    def __init__(self, address: str, model: str, version: int | None):
        try:
            import grpc
            from tensorflow_serving.apis.model_pb2 import ModelSpec
            from tensorflow_serving.apis.prediction_service_pb2_grpc import (
                PredictionServiceStub,
            )
        except ImportError as error:
            raise app.UsageError(
                "--api=grpc needs tensorflow-serving-api: pip install "
                "'tfgen[serving]', or use --api=rest."
            ) from error
        # A batch of images is often larger than gRPC's default limit of 4 MB.
        options = [("grpc.max_receive_message_length", -1)]
        channel = grpc.insecure_channel(address, options)
        self._predict = PredictionServiceStub(channel).Predict
        self._spec = ModelSpec(name=model)
        if version is not None:
            self._spec.version.value = version

    def predict(self, signature: str, seeds: np.ndarray, timeout: float) -> Arrays:
        """The outputs of `signature`, one row a seed."""
        import grpc
        from tensorflow import make_ndarray, make_tensor_proto
        from tensorflow_serving.apis.predict_pb2 import PredictRequest

        request = PredictRequest(model_spec=self._spec)
        request.model_spec.signature_name = signature
        request.inputs["seed"].CopyFrom(make_tensor_proto(seeds))
        try:
            outputs = self._predict(request, timeout=timeout).outputs
        except grpc.RpcError as error:
            code = error.code().name
            passing = code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
            raise ServerError(f"{code}: {error.details()}", passing) from error
        return {name: make_ndarray(value) for name, value in outputs.items()}


def retry(call: Callable[[], Arrays], retries: int) -> Arrays:
    """Calls until it succeeds, after about 0.1, 0.2, 0.4, … s, at most 5 s each."""
    for attempt in range(retries):
        try:
            return call()
        except ServerError as error:
            if not error.passing:
                raise
            # Random waits: clients that failed together should not all retry together.
            wait = min(0.1 * 2**attempt, 5.0) * random.uniform(0.5, 1.5)
            print(f"\n{error}; again in {wait:.1f} s", file=sys.stderr)
            time.sleep(wait)
    return call()


def main(argv: list[str]) -> None:
    del argv
    kind, port = {"grpc": (GrpcClient, 8500), "rest": (RestClient, 8501)}[_API.value]
    address = _ADDRESS.value or f"localhost:{port}"
    client = kind(address, _MODEL.value, _VERSION.value)
    seeds = _FIRST_SEED.value + np.arange(_NUM_SAMPLES.value, dtype=np.int64)
    batches = np.split(seeds, range(_BATCH_SIZE.value, len(seeds), _BATCH_SIZE.value))

    def draw(batch: np.ndarray) -> Arrays:
        ask = lambda: client.predict(_SIGNATURE.value, batch, _TIMEOUT.value)
        return retry(ask, _RETRIES.value)

    try:
        results = [draw(batch) for batch in sample_files.progress(batches)]
    except ServerError as error:
        sys.exit(f"\n{_API.value} at {address}: {error}")
    arrays = {name: np.concatenate([r[name] for r in results]) for name in results[0]}
    sample_files.write(_OUTPUT.value, {"seed": seeds, **arrays}, _SHOW.value)
    print(f"Wrote {len(seeds)} samples to {_OUTPUT.value}.")


if __name__ == "__main__":
    app.run(main)
