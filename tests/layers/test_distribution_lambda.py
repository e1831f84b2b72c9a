"""Functions and classes of TFP as layers, saved by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
Lambda = tfgen.layers.DistributionLambda

X = np.random.default_rng(0).normal(size=[5, 3]).astype("float32")


@keras.saving.register_keras_serializable("tests")
def two_sided(inputs):
    loc, raw = tf.split(inputs, 2, axis=-1)
    return tfd.Independent(tfd.Laplace(loc, tf.exp(raw)), 1)


def model_of(*layers):
    return keras.Sequential([keras.layers.Input([3]), *layers])


def test_tfps_regression_works_as_it_is_written():
    model = model_of(
        keras.layers.Dense(2),
        Lambda(
            lambda t: tfd.Normal(loc=t[..., :1], scale=1e-3 + tf.math.softplus(t[..., 1:]))
        ),
    )
    y = X.sum(-1, keepdims=True)
    assert model.output_shape == (None, 1)
    assert model(X).log_prob(y).shape == (5, 1)
    assert model(X).mean().shape == model(X).stddev().shape == (5, 1)
    assert model(X).sample(7).shape == (7, 5, 1)
    model.compile(keras.optimizers.Adam(0.1), tfgen.losses.NegativeLogLikelihood())
    history = model.fit(X, y, epochs=20, verbose=0).history["loss"]
    np.testing.assert_allclose(
        model.evaluate(X, y, verbose=0), -np.mean(model(X).log_prob(y)), rtol=1e-5
    )
    assert history[-1] < history[0]
    assert model.predict(X, verbose=0).shape == (5, 1)


@pytest.mark.parametrize("spelling", [tfd.Poisson, "Poisson"])
def test_a_class_of_tfp_goes_by_its_name(spelling, tmp_path):
    model = model_of(keras.layers.Dense(2, activation="exponential"), Lambda(spelling))
    rate = model.layers[0](X)
    np.testing.assert_array_equal(model(X).mean(), rate)
    assert model.layers[-1].get_config()["make_distribution_fn"] == "Poisson"
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(X).mean(), rate)


@pytest.mark.parametrize("pack", [list, tuple, dict])
def test_several_inputs_are_the_arguments_of_a_class(pack, tmp_path):
    inputs = keras.Input([3])
    loc = keras.layers.Dense(2)(inputs)
    scale = keras.layers.Dense(2, activation="softplus")(inputs)
    packed = {"loc": loc, "scale": scale} if pack is dict else pack([loc, scale])
    model = keras.Model(inputs, Lambda("Laplace")(packed))
    np.testing.assert_allclose(model(X).mean(), model.layers[1](X), rtol=1e-6, atol=1e-6)
    assert model.output_shape == (None, 2)
    q = model(X)
    np.testing.assert_array_equal(q.rebuild(q.raw_parameters).mean(), q.mean())
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again(X).stddev(), model(X).stddev(), rtol=1e-6, atol=1e-6)


def test_a_registered_function_is_saved_by_its_name(tmp_path):
    model = model_of(keras.layers.Dense(4), Lambda(two_sided))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.layers[-1].make_distribution_fn is two_sided
    np.testing.assert_array_equal(again(X).mean(), model(X).mean())


def test_a_lambda_works_until_it_is_saved_and_then_says_what_to_do(tmp_path):
    model = model_of(Lambda(lambda t: tfd.Normal(t, 1.0)))
    np.testing.assert_array_equal(model(X).mean(), X)
    rule = "`make_distribution_fn` must be a registered function"
    with pytest.raises(ValueError, match=rule) as e:
        model.save(tmp_path / "model.keras")
    assert "@keras.saving.register_keras_serializable()" in str(e.value)


def test_a_decoder_of_any_rank_gives_the_log_weights_of_the_layer_it_stands_for():
    def vae(last, size):
        return tfgen.models.VAE(
            model_of(keras.layers.Dense(4), tfgen.layers.MultivariateNormalDiag(2)),
            keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(size), last]),
        )

    @keras.saving.register_keras_serializable("tests")
    def unit(inputs):  # wrong for any other rank than [batch, 3]
        return tfd.Independent(tfd.Normal(tf.reshape(inputs, [-1, 3]), 1.0), 1)

    model = vae(Lambda(unit), 3)
    other = vae(tfgen.layers.IndependentNormal(3), 6)
    other.encoder.set_weights(model.encoder.get_weights())
    kernel, bias = model.decoder.layers[0].get_weights()
    raw_one = np.full(3, np.log(np.expm1(1.0)))
    other.decoder.layers[0].set_weights(
        [np.hstack([kernel, np.zeros([2, 3])]), np.hstack([bias, raw_one])]
    )
    np.testing.assert_allclose(
        model.log_weights(X, 4, seed=1), other.log_weights(X, 4, seed=1), rtol=1e-4
    )


# Variables.


def closing_over(kind):
    if kind == "layer":
        dense = keras.layers.Dense(3)
        return lambda t: tfd.Normal(dense(t), 1.0)
    if kind == "distribution":
        variable = tf.Variable(1.0)
        return lambda t: tfd.Normal(t, variable)
    variable = {"keras": keras.Variable(1.0), "tf": tf.Variable(1.0)}[kind]
    return lambda t: tfd.Normal(t, tf.convert_to_tensor(variable))


@pytest.mark.parametrize("kind", ["keras", "tf", "layer", "distribution"])
def test_a_variable_that_nothing_trains_is_an_error_with_the_way_out(kind):
    model = model_of(Lambda(closing_over(kind)))
    with pytest.raises(
        ValueError, match="`make_distribution_fn` must use only variables"
    ) as e:
        model(X)
    assert "layer.add_weight(...)" in str(e.value)


@pytest.mark.slow
def test_a_weight_of_the_layer_is_trained():
    layer = Lambda(lambda t: tfd.Normal(t, tf.math.softplus(layer.raw)))
    layer.raw = layer.add_weight(name="raw", initializer="ones")
    model = model_of(layer)
    loss = tfgen.losses.NegativeLogLikelihood()
    model.compile(keras.optimizers.Adam(0.1), loss, jit_compile=False)
    # The maximum-likelihood scale of deviations 0.5 is 0.5; 40 epochs come to within 0.02.
    model.fit(X, X + 0.5, epochs=60, verbose=0)
    assert abs(np.log1p(np.exp(layer.raw.numpy())) - 0.5) < 0.02


def test_a_weight_of_the_model_around_the_layer_is_trained_too():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.s = self.add_weight(name="s", initializer="ones")
            self.q = Lambda(lambda t: tfd.Normal(t, tf.math.softplus(self.s)))

        def call(self, inputs):
            return self.q(inputs)

    model = Model()
    loss = tfgen.losses.NegativeLogLikelihood()
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.fit(X, X, verbose=0)
    assert model.s.numpy() != 1.0


def test_constants_and_frozen_variables_may_be_closed_over():
    fixed = keras.Variable(2.0, trainable=False)
    model = model_of(Lambda(lambda t: tfd.Normal(t, tf.convert_to_tensor(fixed))))
    assert np.all(model(X).stddev() == 2.0)


class Normal(tfd.Normal):
    """The user's own, by the name of TFP's."""


def test_a_class_of_the_users_own_is_not_taken_for_tfps():
    with pytest.raises(TypeError, match=r"Wrap a class of your own in a function\."):
        Lambda(Normal)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Lambda("Normalish"), ValueError, "the name of a class.*'Normalish'"),
        (lambda: Lambda("kl_divergence"), ValueError, "the name of a class"),
        (lambda: Lambda(3), TypeError, "`make_distribution_fn` must be a function"),
        (lambda: Lambda(keras.layers.Dense), TypeError, "`make_distribution_fn` must be"),
        (
            lambda: Lambda(lambda t: 2 * t)(X),
            TypeError,
            "`make_distribution_fn` must return a `tfd.Distribution`",
        ),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
