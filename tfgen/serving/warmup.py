"""Requests that a server runs on a new version before it takes the first client."""

import os
from collections.abc import Iterable, Mapping

import tensorflow as tf

from tfgen.serving.signature import Signature

__all__ = ["write_warmup"]

# Where the server looks, below the version directory.
_PATH = ("assets.extra", "tf_serving_warmup_requests")


def write_warmup(
    version_dir: str | os.PathLike,
    model_name: str,
    signatures: Mapping[str, Signature],
    batch_sizes: Iterable[int],
) -> None:
    """Writes a request for each signature and batch size into a version directory.

    The first call of a graph at a new batch size is slow; with these records the
    server makes it before it routes traffic. All inputs are zeros.

    Args:
        version_dir: the directory that holds `saved_model.pb`.
        model_name: written into the requests.
        signatures: name -> signature.
        batch_sizes: the batch sizes to warm.
    """
    path = os.path.join(version_dir, *_PATH)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for name, signature in signatures.items():
            for batch_size in batch_sizes:
                writer.write(_prediction_log(model_name, name, signature, batch_size))


def _prediction_log(
    model_name: str, signature_name: str, signature: Signature, batch_size: int
) -> bytes:
    """A serialised `tensorflow.serving.PredictionLog`.

    Written by hand, five nested messages with the field numbers of
    tensorflow_serving/apis/{prediction_log,predict,model}.proto, so that `export`
    does not depend on `tensorflow-serving-api`.
    """
    model_spec = _field(1, model_name.encode()) + _field(3, signature_name.encode())
    request = _field(1, model_spec)
    for key, spec in signature.inputs.items():
        shape = [batch_size, *spec.shape[1:]]
        zeros = tf.make_tensor_proto(0, spec.dtype, shape)  # holds a single number
        entry = _field(1, key.encode()) + _field(2, zeros.SerializeToString())
        request += _field(2, entry)
    return _field(6, _field(1, request))


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited field of the protocol buffer wire format."""
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
