"""The masked network: who may depend on whom."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

Network = tfgen.layers.AutoregressiveNetwork

D = 5
X = np.random.default_rng(0).normal(size=[3, D]).astype("float32")
CONTEXT = np.random.default_rng(1).normal(size=[3, 2]).astype("float32")


def network(**kwargs):
    layer = Network(
        **{
            "params": 2,
            "event_shape": D,
            "hidden_units": [16, 16],
            "activation": "tanh",
            "bias_initializer": "random_normal",
            **kwargs,
        }
    )
    layer.build((None, D))
    return layer


def dependence(layer, x=X, **inputs):
    """Which output depends on which input, `[output, input]`, by the Jacobian."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x, **inputs), [0, 2])
    return np.abs(tape.jacobian(y, x)).sum(1) > 1e-12


@pytest.mark.parametrize("hidden_units", [None, [16], [16, 16], [3, 40]], ids=str)
@pytest.mark.parametrize("hidden_degrees", ["equal", "random"])
def test_an_output_depends_on_the_inputs_before_it_and_on_no_other(
    hidden_units, hidden_degrees
):
    layer = network(hidden_units=hidden_units, hidden_degrees=hidden_degrees, seed=4)
    found = dependence(layer)
    allowed = np.tril(np.ones([D, D], bool), -1)
    assert not np.any(found & ~allowed)
    if hidden_units is None or (hidden_units[0] == 16 and hidden_degrees == "equal"):
        np.testing.assert_array_equal(found, allowed)  # and on all of them


@pytest.mark.parametrize(
    ("order", "place"),
    [
        ("right-to-left", [5, 4, 3, 2, 1]),
        ([2, 5, 1, 4, 3], [2, 5, 1, 4, 3]),
    ],
)
def test_the_order_is_what_it_was_told_to_be(order, place):
    place = np.array(place)
    expected = place[:, np.newaxis] > place
    np.testing.assert_array_equal(dependence(network(input_order=order)), expected)


def test_a_random_order_is_some_order_and_is_kept_in_the_config():
    layer = network(input_order="random", seed=3)
    found = dependence(layer)
    assert sorted(found.sum(1)) == [0, 1, 2, 3, 4]
    assert not np.array_equal(found, np.tril(np.ones([D, D], bool), -1))
    again = Network.from_config(layer.get_config())
    again.build((None, D))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(X), layer(X))
    fresh = network(input_order="random")
    assert fresh.get_config()["seed"] != network(input_order="random").get_config()["seed"]


@pytest.mark.parametrize("layers", ["all_layers", "first_layer"])
@pytest.mark.parametrize("size", [1, D])
def test_every_output_depends_on_the_second_input(layers, size):
    layer = Network(
        params=2,
        event_shape=size,
        conditional=True,
        conditional_event_shape=2,
        conditional_input_layers=layers,
        hidden_units=[24],
        activation="tanh",
    )
    x, context = tf.constant(X[:, :size]), tf.constant(CONTEXT)
    with tf.GradientTape() as tape:
        tape.watch(context)
        y = tf.reduce_sum(layer(x, conditional_input=context), [0, 2])
    assert np.all(np.abs(tape.jacobian(y, context)).sum(1) > 1e-12)
    found = dependence(layer, X[:, :size], conditional_input=context)
    assert not np.any(found & ~np.tril(np.ones([size, size], bool), -1))


def test_it_computes_a_dense_network_with_masked_kernels():
    layer = network(activation="relu")
    x = X.astype("float64")
    for number, mask in enumerate(layer._masks):
        kernel, bias = layer.get_weights()[2 * number : 2 * number + 2]
        x = np.maximum(x, 0) if number else x
        x = x @ (kernel * mask) + bias
    np.testing.assert_allclose(layer(X), x.reshape(3, D, 2), rtol=1e-5, atol=1e-6)


def test_leading_dimensions_are_free():
    layer = network()
    wide = layer(np.stack([X, 2 * X]))
    np.testing.assert_allclose(wide[0], layer(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.bind()(X[0]), layer(X)[0], rtol=1e-5, atol=1e-6)
    assert layer(keras.Input([D])).shape == (None, D, 2)


def test_a_new_network_with_zero_output_kernels_gives_its_biases():
    layer = network(output_initializer="zeros", bias_initializer="zeros")
    np.testing.assert_array_equal(layer(X), np.zeros([3, D, 2]))


def test_the_config_holds_every_argument():
    layer = network(
        kernel_initializer="he_normal",
        kernel_regularizer="l2",
        bias_constraint="non_neg",
        output_initializer="zeros",
        input_order=[2, 1, 3, 5, 4],
        use_bias=True,
    )
    packed = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(packed, safe_mode=True)
    assert again.get_config() == layer.get_config()
    assert len(layer.losses) == 3  # one kernel regularizer a layer


def test_half_precision_is_followed():
    layer = network(dtype="mixed_float16")
    assert layer(X).dtype == tf.float16
    assert {w.dtype for w in layer.weights} == {"float32"}
    assert layer.compute_output_spec(keras.KerasTensor((None, D))).dtype == "float16"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Network(2.0), TypeError, "`params` must be a positive integer"),
        (lambda: Network(2, event_shape=[2, 3]), ValueError, "`event_shape` must be one"),
        (lambda: Network(2, conditional=True), ValueError, "`conditional_event_shape` mu"),
        (lambda: Network(2, input_order="up"), ValueError, "`input_order` must be one of"),
        (lambda: Network(2, hidden_degrees="few"), ValueError, "`hidden_degrees` must be"),
        (lambda: Network(2, hidden_units=[0]), ValueError, "`hidden_units` must be at le"),
        (
            lambda: network(input_order=[1, 1, 2, 3, 4]),
            ValueError,
            "`input_order` must be a name or a permutation of 1 to 5",
        ),
        (
            lambda: network()(np.zeros([3, 4])),
            ValueError,
            "axis -1 of input shape to have value 5",
        ),
        (lambda: Network(2, 5)(np.zeros([3, 4])), ValueError, "`inputs` must end in a dim"),
        (lambda: network()(X, conditional_input=CONTEXT), ValueError, "`conditional_inpu"),
        (lambda: Network(2).bind(), ValueError, "`bind` needs a network that was built"),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_size_of_a_second_input_without_a_second_input_is_an_error():
    with pytest.raises(ValueError, match="received 4 with conditional=False"):
        Network(2, event_shape=D, conditional_event_shape=4)


def test_the_variables_of_a_flow_of_tfp_are_those_of_the_network():
    made = network(hidden_units=[8])
    flow = tfp.bijectors.MaskedAutoregressiveFlow(made)
    base = tfp.distributions.Sample(tfp.distributions.Normal(0.0, 1.0), [D])
    with tf.GradientTape() as tape:
        log_prob = tfp.distributions.TransformedDistribution(base, flow).log_prob(X)
    gradients = tape.gradient(log_prob, made.trainable_variables)
    assert len(gradients) == 4
    assert all(np.any(gradient != 0) for gradient in gradients)
