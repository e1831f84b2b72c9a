"""The two messages of TensorFlow Serving that `tensorflow-serving-api` leaves out.

Fields as in tensorflow_serving/servables/tensorflow/session_bundle_config.proto and
tensorflow_serving/config/monitoring_config.proto.
"""

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    wrappers_pb2,
)

_SCHEMA = descriptor_pb2.FileDescriptorProto(
    name="tfgen_tests/serving.proto",
    package="tfgen_tests",
    syntax="proto3",
    dependency=["google/protobuf/wrappers.proto"],
)
_INT64 = ".google.protobuf.Int64Value"
_STRING = ".google.protobuf.StringValue"
_BOOL = ".google.protobuf.BoolValue"


def _message(name, **fields):
    message = _SCHEMA.message_type.add(name=name)
    for field_name, (number, kind, *label) in fields.items():
        field = message.field.add(name=field_name, number=number)
        field.label = field.LABEL_REPEATED if label else field.LABEL_OPTIONAL
        if isinstance(kind, str):
            field.type, field.type_name = field.TYPE_MESSAGE, kind
        else:
            field.type = kind


_TYPE = descriptor_pb2.FieldDescriptorProto
_message(
    "BatchingParameters",
    max_batch_size=(1, _INT64),
    batch_timeout_micros=(2, _INT64),
    max_enqueued_batches=(3, _INT64),
    num_batch_threads=(4, _INT64),
    thread_pool_name=(5, _STRING),
    allowed_batch_sizes=(6, _TYPE.TYPE_INT64, "repeated"),
    pad_variable_length_inputs=(7, _TYPE.TYPE_BOOL),
)
_message("PrometheusConfig", enable=(1, _TYPE.TYPE_BOOL), path=(2, _TYPE.TYPE_STRING))
_message("MonitoringConfig", prometheus_config=(1, ".tfgen_tests.PrometheusConfig"))

_POOL = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
_POOL.Add(_SCHEMA)


def _class(name):
    descriptor = _POOL.FindMessageTypeByName(f"tfgen_tests.{name}")
    return message_factory.GetMessageClass(descriptor)


BatchingParameters = _class("BatchingParameters")
MonitoringConfig = _class("MonitoringConfig")
