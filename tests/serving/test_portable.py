"""The walk of the graph finds what no server could run the same way everywhere."""

import keras
import pytest
import tensorflow as tf

from tfgen import serving

X = {"x": tf.TensorSpec([None, 2], tf.float32)}


def nested(function):
    """Hides `function` two function calls and a loop deep."""
    inner = tf.function(function, autograph=False)

    def outer(x):
        return {
            "y": tf.while_loop(lambda i, _: i < 1, lambda i, y: (i + 1, inner(y)), (0, x))[
                1
            ]
        }

    return serving.Signature(outer, X)


def with_python(x):
    y = tf.numpy_function(lambda a: a, [x], tf.float32)
    return tf.ensure_shape(y, [None, 2])


def with_eager_python(x):
    return tf.ensure_shape(tf.py_function(lambda a: a, [x], tf.float32), [None, 2])


def with_random(x):
    return x + tf.random.normal(tf.shape(x))


def with_printing(x):
    with tf.control_dependencies([tf.print(x)]):
        return tf.identity(x)


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (with_python, "PyFunc"),
        (with_eager_python, "EagerPyFunc"),
        (with_random, "RandomStandardNormal"),
        (with_printing, "PrintV2"),
        (tf.function(lambda x: x + 1, jit_compile=True), "_XlaMustCompile"),
    ],
)
def test_a_forbidden_operation_is_found_however_deep(function, operation, tmp_path):
    base = tmp_path / "model"
    with pytest.raises(ValueError, match=f"Signature 'f' must .*{operation} in"):
        serving.export(base, {"f": nested(function)})
    assert not base.exists()


def test_a_random_generator_or_a_counter_is_found(tmp_path):
    generator = tf.random.Generator.from_seed(0)
    keras_seed = keras.random.SeedGenerator(0)
    counter = tf.Variable(0.0)
    for function, operation in (
        (lambda x: x + generator.normal([2]), "RngReadAndSkip"),
        (lambda x: x + keras.random.normal([2], seed=keras_seed), "Assign"),
        (lambda x: x + counter.assign_add(1.0), "AssignAddVariableOp"),
    ):
        with pytest.raises(ValueError, match=operation):
            serving.export(tmp_path / "model", {"f": nested(function)})


def test_a_lookup_table_is_refused_as_state(tmp_path):
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([1], [2.0]), 0.0)
    function = lambda x: table.lookup(tf.cast(x, tf.int32))
    with pytest.raises(ValueError, match="Signature 'f' may use var"):
        serving.export(tmp_path / "model", {"f": nested(function)})


def test_stateless_loops_variables_and_checks_are_portable(tmp_path):
    weights = tf.Variable(tf.eye(2))

    def function(x):
        tf.debugging.assert_all_finite(x, "finite")
        noise = tf.random.stateless_uniform(tf.shape(x), [1, 2])
        return tf.map_fn(lambda row: tf.gather(weights, [0])[0] * row, x + noise)

    path = serving.export(tmp_path / "model", {"f": nested(function)})
    assert serving.forbidden_ops(path, "f") == []


def test_the_exported_model_is_portable_and_its_xla_twins_are_not(version_dir):
    for name in ("serving_default", "sample", "decode", "encode", "reconstruct"):
        assert serving.forbidden_ops(version_dir, name) == []
    for name in ("sample", "decode", "encode", "reconstruct"):
        found = serving.forbidden_ops(version_dir, f"{name}_xla")
        assert found
        assert all(place.startswith("_XlaMustCompile") for place in found)


def test_an_unknown_signature_is_named(version_dir):
    with pytest.raises(ValueError, match=r"`signature` must be one of.*received 'f'"):
        serving.forbidden_ops(version_dir, "f")
