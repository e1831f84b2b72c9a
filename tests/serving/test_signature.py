"""Signatures: what is refused, and when."""

import pytest
import tensorflow as tf

from tfgen.serving.signature import Signature, trace

X = tf.TensorSpec([None, 2], tf.float32)


@pytest.mark.parametrize(
    ("shape", "received"),
    [
        ([], r"\(\)"),
        (None, "unknown"),
        ([3, 2], r"\(3, 2\)"),
        ([None, None], r"\(None, None\)"),
    ],
)
def test_an_input_without_an_open_batch_is_refused(shape, received):
    with pytest.raises(ValueError, match=rf"`inputs\['x'\]` .* received .*{received}"):
        Signature(lambda x: {"y": x}, {"x": tf.TensorSpec(shape, tf.float32)})


@pytest.mark.parametrize(
    ("function", "inputs", "error", "message"),
    [
        (3, {"x": X}, TypeError, "`function` must be callable.*received 3"),
        (lambda: {}, {}, ValueError, "`inputs` must name at least one"),
        (lambda x: {}, {"x": [None, 2]}, TypeError, "must be a `tf.TensorSpec`"),
        (lambda x: {}, {"an x": X}, ValueError, "identifier.*received 'an x'"),
    ],
)
def test_a_malformed_signature_is_refused(function, inputs, error, message):
    with pytest.raises(error, match=message):
        Signature(function, inputs)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, "signature 'f' must return a dictionary"),
        (lambda x: {}, "signature 'f' must return a dictionary"),
        (lambda x: {"y": tf.reduce_sum(x)}, "'y' of signature 'f'.*received \\(\\)"),
        (lambda x: {"y": tf.ones([2, 2])}, "'y' of signature 'f'.*received \\(2, 2\\)"),
        (lambda x: {"y": tf.concat([x, x], 0)}, "'y'.*received 4 rows for 2"),
        (lambda x: {"y": tf.boolean_mask(x, x[:, 0] > 0)}, "'y'.*received 0 rows"),
    ],
)
def test_outputs_that_a_server_could_not_split_are_refused(function, message):
    with pytest.raises(ValueError, match=message):
        trace("f", Signature(function, {"x": X}))


def test_a_graph_without_a_kernel_fails_when_it_is_exported():
    """It would load, and fail at every call."""
    count = tf.TensorSpec([None], tf.uint32)
    signature = Signature(
        lambda n: {"y": n[:, None] + tf.range(3, dtype=tf.uint32)}, {"n": count}
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"No OpKernel.*Range"):
        trace("f", signature)


def test_rows_are_compared_before_the_function_runs():
    """Else whichever error comes first is reported, and the function's is obscure."""
    seen = []

    def function(a, b):
        seen.extend([a.op, b.op])
        return {"y": a + b}

    concrete = trace("f", Signature(function, {"a": X, "b": X}))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`b` and `a` of signature"):
        concrete(a=tf.ones([3, 2]), b=tf.ones([4, 2]))
    assert len(seen) == 2
    for op in seen:
        assert [control.type for control in op.control_inputs] == ["Assert"]
