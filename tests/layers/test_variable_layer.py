"""A variable as a layer."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers


def test_the_input_changes_nothing():
    layer = tfl.VariableLayer([2, 3], initializer="random_normal", activation="softplus")
    expected = np.log1p(np.exp(layer.constant.numpy()))
    for value in (layer(), layer(tf.zeros([7])), layer(tf.ones([1, 4]))):
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)
    assert layer(keras.Input([4])).shape == (2, 3)


def test_the_config_holds_every_argument():
    layer = tfl.VariableLayer(
        3,
        dtype="float64",
        activation="tanh",
        initializer="ones",
        regularizer="l2",
        constraint="non_neg",
    )
    packed = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(packed, safe_mode=True)
    assert again.get_config() == layer.get_config()
    assert again().dtype == tf.float64
    np.testing.assert_allclose(again.losses, [0.01 * 3])


def test_maximum_likelihood_of_a_variable_is_at_the_moments_of_the_data(tmp_path):
    """TFP's example: a distribution with weights of its own."""
    data = np.random.default_rng(0).normal([1.0, -2.0], [0.5, 2.0], [200, 2])
    model = keras.Sequential(
        [keras.layers.Input([1]), tfl.VariableLayer([4]), tfl.IndependentNormal(2)]
    )
    variable = model.layers[0].constant
    assert model(tf.zeros([1, 1])).batch_shape == ()

    def gradient():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model(tf.zeros([1, 1])).log_prob(data))
        return tape.gradient(loss, variable.value).numpy()

    assert np.linalg.norm(gradient()) > 1
    raw = np.log(np.expm1(data.std(0)))
    variable.assign(np.concatenate([data.mean(0), raw]))
    np.testing.assert_allclose(gradient(), np.zeros(4), atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(
        again(tf.zeros([1, 1])).mean(), data.mean(0), rtol=1e-6, atol=1e-6
    )
