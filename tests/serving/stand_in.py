"""A stand-in for `tensorflow_model_server`: its flags, protocols, checks and batching.

What it can't imitate it does not: the models are run by the C++ loader that the server
has too, with XLA off as there. The rest follows the server's sources (predict_util.cc,
batching_session.cc, http_rest_api_handler.cc), as far as the tests ask for it.
"""

import argparse
import http.server
import itertools
import json
import pathlib
import queue
import sys
import threading
import time
from concurrent import futures

import grpc
import numpy as np
import saved_model_loader
import tensorflow as tf
from google.protobuf import json_format, text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from tests.serving import protos

INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION = 3, 5, 9
HTTP_STATUS = {INVALID_ARGUMENT: 400, NOT_FOUND: 404, FAILED_PRECONDITION: 412, 13: 500}


class Batcher:
    """Joins the requests of one signature: waits, concatenates, pads, runs, splits."""

    def __init__(self, run, parameters):
        self._run = run
        self._sizes = list(parameters.allowed_batch_sizes)
        self._wait = parameters.batch_timeout_micros.value * 1e-6
        self._tasks = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def __call__(self, arrays):
        rows = {len(array) if array.ndim else -1 for array in arrays.values()}
        if -1 in rows:
            raise error("Batching Run() input tensors must have at least one dimension")
        if len(rows) > 1:
            raise error("Batching Run() input tensors must have equal 0th-dimension size")
        (rows,) = rows
        if rows > self._sizes[-1]:
            raise error(
                f"Task size {rows} is larger than maximum input batch size "
                f"{self._sizes[-1]}"
            )
        future = futures.Future()
        self._tasks.put((arrays, rows, future))
        return future.result()

    def _work(self):
        task = self._tasks.get()
        while True:
            tasks, total, end = [task], task[1], time.monotonic() + self._wait
            task = None
            while task is None:
                try:
                    task = self._tasks.get(timeout=max(end - time.monotonic(), 0))
                except queue.Empty:
                    break
                if total + task[1] <= self._sizes[-1]:
                    tasks, total, task = [*tasks, task], total + task[1], None
            self._process(tasks, total)
            task = task or self._tasks.get()

    def _process(self, tasks, total):
        size = next(size for size in self._sizes if size >= total)
        print("batch:", *(rows for _, rows, _ in tasks), "padded to", size, file=sys.stderr)
        try:
            joined = {}
            for name in tasks[0][0]:
                parts = [arrays[name] for arrays, _, _ in tasks]
                padding = np.repeat(parts[-1][:1], size - total, axis=0)
                joined[name] = np.concatenate([*parts, padding])
            outputs = self._run(joined)
            ends = list(itertools.accumulate(rows for _, rows, _ in tasks))
            for (_, rows, future), end in zip(tasks, ends, strict=True):
                future.set_result({k: v[end - rows : end] for k, v in outputs.items()})
        except Exception as problem:
            for _, _, future in tasks:
                future.set_exception(problem)


def error(message, code=INVALID_ARGUMENT):
    return saved_model_loader.LoaderError(code, message)


class Model:
    """The latest version of a model, warmed up."""

    def __init__(self, config):
        versions = [
            path for path in pathlib.Path(config.base_path).iterdir() if path.name.isdigit()
        ]
        path = max(versions, key=lambda path: int(path.name))
        self.name, self.version = config.name, int(path.name)
        self.session = saved_model_loader.SavedModel(path)
        saved_model = saved_model_pb2.SavedModel.FromString(
            (path / "saved_model.pb").read_bytes()
        )
        self.signature_defs = saved_model.meta_graphs[0].signature_def
        parameters = text_format.Parse(
            (path / "batching_params.pbtxt").read_text(), protos.BatchingParameters()
        )
        self.batchers = {
            name: Batcher(lambda arrays, n=name: self.session.run(n, **arrays), parameters)
            for name in self.session.signatures
        }
        warmup = path / "assets.extra" / "tf_serving_warmup_requests"
        count = 0
        for record in tf.data.TFRecordDataset(str(warmup)):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            self.run(
                request.model_spec.signature_name,
                {name: tf.make_ndarray(value) for name, value in request.inputs.items()},
            )
            count += 1
        print(
            f"Finished reading warmup data for model at {warmup}. "
            f"Number of warmup records read: {count}.",
            file=sys.stderr,
        )

    def run(self, signature, arrays):
        signature = signature or "serving_default"
        if signature not in self.session.signatures:
            message = f'Serving signature key "{signature}" not found.'
            raise error(message, FAILED_PRECONDITION)
        inputs = self.session.signatures[signature].inputs
        if arrays.keys() != inputs.keys():
            raise error(
                f"input size does not match signature: sent {sorted(arrays)}, "
                f"expected {sorted(inputs)}"
            )
        return self.batchers[signature](arrays)

    def metadata(self):
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.signature_defs.items():
            signatures.signature_def[name].CopyFrom(signature)
        return signatures


class Models(dict):
    def find(self, name):
        if name not in self:
            raise error(f"Servable not found for request: Latest({name})", NOT_FOUND)
        return self[name]


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self._models = models

    def Predict(self, request, context):  # noqa: N802
        arrays = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        try:
            model = self._models.find(request.model_spec.name)
            outputs = model.run(request.model_spec.signature_name, arrays)
        except saved_model_loader.LoaderError as problem:
            codes = {code.value[0]: code for code in grpc.StatusCode}
            context.abort(codes[problem.code], str(problem))
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


def rest_handler(models):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            _, _, _, name, *rest = self.path.split("/")
            if rest == ["metadata"]:
                self._answer(lambda: metadata(models.find(name)))
            else:
                status = [{"version": str(models.find(name).version), "state": "AVAILABLE"}]
                self._answer(lambda: {"model_version_status": status})

        def do_POST(self):
            name = self.path.removesuffix(":predict").split("/")[3]
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(lambda: predict(models.find(name), body))

        def _answer(self, make):
            try:
                status, body = 200, make()
            except saved_model_loader.LoaderError as problem:
                status, body = HTTP_STATUS[problem.code], {"error": str(problem)}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments):
            pass

    return Handler


def metadata(model):
    signature_def = json_format.MessageToDict(
        model.metadata(),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    spec = {"name": model.name, "signature_name": "", "version": str(model.version)}
    return {"model_spec": spec, "metadata": {"signature_def": signature_def}}


def predict(model, body):
    """By row ("instances") or by column ("inputs"); a lone input may go unnamed."""
    signature = body.get("signature_name") or "serving_default"
    infos = getattr(model.session.signatures.get(signature), "inputs", {})
    by_row = "instances" in body
    given = body["instances" if by_row else "inputs"]
    if by_row and isinstance(given[0], dict):
        given = {name: [row[name] for row in given] for name in given[0]}
    if not isinstance(given, dict):
        given = {next(iter(infos)): given}
    outputs = model.run(
        signature,
        {
            name: np.array(value, infos[name].dtype if name in infos else None)
            for name, value in given.items()
        },
    )
    columns = {name: value.tolist() for name, value in outputs.items()}
    if not by_row:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    rows = [
        dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
    ]
    if len(columns) == 1:
        rows = [next(iter(row.values())) for row in rows]
    return {"predictions": rows}


def main():
    parser = argparse.ArgumentParser()
    for flag in ("port", "rest_api_port", "model_config_file"):
        parser.add_argument(f"--{flag}", required=True)
    arguments, _ = parser.parse_known_args()
    saved_model_loader.disable_xla()
    config = text_format.Parse(
        pathlib.Path(arguments.model_config_file).read_text(),
        model_server_config_pb2.ModelServerConfig(),
    )
    models = Models({model.name: Model(model) for model in config.model_config_list.config})
    server = grpc.server(futures.ThreadPoolExecutor(32))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Servicer(models), server
    )
    server.add_insecure_port(f"localhost:{arguments.port}")
    server.start()
    address = ("localhost", int(arguments.rest_api_port))
    http.server.ThreadingHTTPServer(address, rest_handler(models)).serve_forever()


if __name__ == "__main__":
    main()
