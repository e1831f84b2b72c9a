"""What TensorFlow, Keras and TFP do without saying so: each item fails here by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tfgen.layers import undocumented

tfb = tfp.bijectors
tfd = tfp.distributions


class Plain(tfd.Distribution):
    """A distribution that is no composite tensor."""

    def __init__(self):
        super().__init__(tf.float32, tfd.NOT_REPARAMETERIZED, False, True)

    def _batch_shape(self):
        return tf.TensorShape([2])

    def _event_shape(self):
        return tf.TensorShape([])

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {}


WRAPPERS = {
    "Independent": (tfd.Independent, lambda part: [part, 1]),
    "Sample": (tfd.Sample, lambda part: [part, 3]),
    "TransformedDistribution": (
        tfd.TransformedDistribution,
        lambda part: [part, tfb.Shift(1.0)],
    ),
    "MixtureSameFamily": (
        tfd.MixtureSameFamily,
        lambda part: [tfd.Categorical(logits=[0.0, 0.0]), part],
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_class_of_any_parts(name):
    wrapper, arguments = WRAPPERS[name]
    base = undocumented.class_of_any_parts(wrapper)
    composite = wrapper(*arguments(tfd.Normal([0.0, 1.0], 1.0)))
    plain = wrapper(*arguments(Plain()))
    assert isinstance(composite, wrapper)
    assert not isinstance(plain, wrapper)
    assert isinstance(composite, base)
    assert isinstance(plain, base)
    assert not isinstance(tfd.Normal(0.0, 1.0), base)
    assert base.__name__ == f"_{name}"


def test_accept_distributions():
    class Passes(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    distribution = tfd.Normal(0.0, 1.0)
    with pytest.raises(ValueError, match="Only input tensors"):
        Passes()(distribution)
    layer = Passes()
    undocumented.accept_distributions(layer)
    assert layer(distribution) is distribution


def test_in_symbolic_call():
    found = []

    class Asks(keras.layers.Layer):
        def call(self, inputs):
            found.append(undocumented.in_symbolic_call())
            return inputs

    layer = Asks()
    layer(keras.Input([2]))
    layer(tf.ones([1, 2]))
    tf.function(layer)(tf.ones([1, 2]))
    with keras.SymbolicScope():
        found.append(undocumented.in_symbolic_call())
    assert found == [True, False, False, True]


def test_is_tensor_like():
    class Like(undocumented.IsTensorLike):
        shape, dtype = tf.TensorShape([None, 3]), tf.float32

    class Returns(keras.layers.Layer):
        def call(self, inputs):
            return Like()

    assert tf.is_tensor(Like())
    assert Returns()(keras.Input([2])).shape == (None, 3)
    assert not tf.is_tensor(tfgen.layers.MultivariateNormalDiag(1)(tf.ones([1, 2])))


def test_entry_layer():
    found = []

    class Asks(keras.layers.Layer):
        def call(self, inputs):
            found.append(undocumented.entry_layer(self))
            return inputs

    layer = Asks()
    layer(tf.ones([1, 2]))
    model = keras.Sequential([keras.Input([2]), layer])
    found.clear()
    model(tf.ones([1, 2]))
    layer(tf.ones([1, 2]))
    assert found == [model, layer]


def test_is_reachable():
    found = {}

    @tf.function
    def outer():
        inside = tf.constant(1.0) + 1.0

        @tf.function
        def inner():
            found["from an inner graph"] = undocumented.is_reachable(inside)
            return inside

        found["from its own graph"] = undocumented.is_reachable(inside)
        found["value"] = inside
        return inner()

    outer()
    assert found["from its own graph"]
    assert found["from an inner graph"]
    assert not undocumented.is_reachable(found["value"])
    assert undocumented.is_reachable(tf.constant(1.0))


def test_overloadable_operators():
    operators = undocumented.overloadable_operators()
    assert {"__add__", "__rmul__", "__matmul__", "__neg__", "__getitem__"} <= operators
    assert all(hasattr(tf.Tensor, name) for name in operators)
    assert not operators & {"__bool__", "__len__", "__iter__"}


@pytest.mark.parametrize(
    "value",
    [
        tfd.Normal(0.0, 1.0),
        tfd.Independent(Plain(), 1),
        tfb.Shift([1.0]),
        tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), tfb.Shift(1.0)),
    ],
    ids=["distribution", "wrapper", "bijector", "default function"],
)
def test_parameters_of(value):
    parameters = undocumented.parameters_of(value)
    assert not any(
        name.startswith("_") or callable(parameters[name])
        for name in parameters.keys() - {"distribution", "bijector"}
    )
    again = type(value)(**parameters)
    assert undocumented.parameters_of(again).keys() == parameters.keys()


def test_keras_regularizes_tensors_only():
    # So that `DistributionLayer` adds the loss of its distribution itself, and once.
    class Returns(keras.layers.Layer):
        def call(self, inputs):
            return tfd.Normal(inputs, 1.0)

    layer = Returns(activity_regularizer=keras.regularizers.L2(1.0))
    layer(tf.ones([1, 2]))
    assert layer.losses == []
    ours = tfgen.layers.IndependentNormal(1, "mean", activity_regularizer="l2")
    ours(tf.ones([1, 2]))
    np.testing.assert_allclose(ours.losses, [0.01])
