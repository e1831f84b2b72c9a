"""What every distribution layer owes its user: clear errors, configs of names."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers


@keras.saving.register_keras_serializable("tests")
def two_draws(q):
    return q.sample(2)


def test_a_registered_conversion_is_saved_by_its_name(tmp_path):
    model = keras.Sequential(
        [keras.layers.Input([4]), tfl.MultivariateNormalDiag(2, two_draws)]
    )
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.saving.load_model(path, safe_mode=True)
    assert again.layers[-1].convert_to_tensor_fn is two_draws
    assert again.output_shape == (2, None, 2)


@pytest.mark.parametrize(
    ("function", "by_hand"),
    [
        (tfd.Bernoulli.logits, lambda logits: logits),
        ("logits", lambda logits: logits),
        ("stddev", lambda logits: np.exp(logits / 2) / (1 + np.exp(logits))),
        (
            tfd.Distribution.variance,
            lambda logits: np.exp(logits) / (1 + np.exp(logits)) ** 2,
        ),
    ],
    ids=["property", "its name", "a moment's name", "a moment"],
)
def test_properties_and_moments_of_tfp_are_conversions(function, by_hand, tmp_path):
    model = keras.Sequential(
        [keras.layers.Input([6]), tfl.IndependentBernoulli([2, 3], function)]
    )
    x = np.random.default_rng(0).normal(size=[4, 6]).astype("float32")
    assert model.output_shape == (None, 2, 3)
    expected = by_hand(x).reshape([4, 2, 3])
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-5)


def test_a_property_that_the_family_does_not_have_is_named():
    layer = tfl.IndependentNormal(2, tfd.Bernoulli.logits)
    with pytest.raises(ValueError, match=r"must name a method or a property.*'logits'"):
        layer(tf.zeros([1, 4])).value()


# Subclassed models and layers, whose output Keras finds by a trial call.


class Encoder(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(4)
        self.last = tfl.MultivariateNormalDiag(2, activity_regularizer="l2")
        self.head = keras.layers.Dense(3)

    def call(self, inputs):
        q = self.last(self.dense(inputs))
        assert q.log_prob(self.head(q)[..., :2]).shape == q.batch_shape
        return q


class EncoderLayer(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(4)
        self.last = tfl.MultivariateNormalDiag(2, lambda q: q.sample(5))

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.last(self.dense(inputs))


def test_a_subclassed_model_that_ends_in_a_distribution_is_called_symbolically():
    encoder = Encoder()
    output = encoder(keras.Input([3]))
    assert output.shape == (None, 2)
    assert isinstance(encoder(tf.ones([5, 3])), tfl.TensorDistribution)
    assert len(encoder.losses) == 1
    assert EncoderLayer()(keras.Input([3])).shape == (5, None, 2)


@pytest.mark.slow
@pytest.mark.parametrize("first", [[keras.layers.Input([3])], []], ids=["built", "later"])
def test_a_subclassed_model_stands_in_a_sequential_and_is_fitted(first):
    encoder = Encoder()
    model = keras.Sequential([*first, encoder, keras.layers.Dense(1)])
    how = {"jit_compile": False, "run_eagerly": not first}
    model.compile("adam", "mse", **how)
    x = np.random.default_rng(0).normal(size=[8, 3]).astype("float32")
    assert np.isfinite(model.fit(x, x[:, :1], verbose=0).history["loss"]).all()
    assert model.predict(x, verbose=0).shape == (8, 1)
    last = keras.Sequential([*first, encoder])
    last.compile("adam", tfgen.losses.NegativeLogLikelihood(), **how)
    before = encoder.dense.kernel.numpy()
    last.fit(x, x[:, :2], verbose=0)
    assert np.any(encoder.dense.kernel.numpy() != before)
    assert isinstance(last(x), tfl.TensorDistribution)


def test_a_model_around_a_vae_gets_its_mean_and_its_gradient(tmp_path):
    encoder = keras.Sequential(
        [keras.layers.Input([6]), keras.layers.Dense(4), tfl.MultivariateNormalDiag(2)]
    )
    decoder = keras.Sequential(
        [keras.layers.Input([2]), keras.layers.Dense(6), tfl.IndependentBernoulli(6)]
    )
    vae = tfgen.models.VAE(encoder, decoder)
    inputs = keras.Input([6])
    model = keras.Model(inputs, tfl.ConvertToTensor("mean")(vae(inputs)))
    x = tf.constant(np.random.default_rng(0).uniform(size=[5, 6]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        mean = model(x)
    assert model.output_shape == (None, 6)
    assert np.all((mean > 0) & (mean < 1) & (mean != np.round(mean)))
    assert np.all(tape.gradient(mean, x) != 0)
    q = decoder(tf.zeros([1, 2]))
    np.testing.assert_array_equal(tfl.ConvertToTensor("stddev")(q), q.stddev())
    config = tfl.ConvertToTensor("mode").get_config()
    assert tfl.ConvertToTensor.from_config(config).convert_to_tensor_fn == "mode"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tfl.ConvertToTensor("logits"), ValueError, "must name a tensor of the"),
        (lambda: tfl.ConvertToTensor(3), TypeError, "`convert_to_tensor_fn` must be one"),
        (lambda: tfl.ConvertToTensor()(tf.ones([2])), TypeError, "`inputs` of `ConvertToT"),
    ],
)
def test_what_has_no_mean_is_told_apart(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_lambda_works_until_it_is_saved_and_then_says_what_to_do(tmp_path):
    model = keras.Sequential(
        [keras.layers.Input([4]), tfl.MultivariateNormalDiag(2, lambda q: 2 * q.mean())]
    )
    x = np.ones([3, 4], "float32")
    np.testing.assert_allclose(model.predict(x, verbose=0), np.full([3, 2], 2.0))
    with pytest.raises(ValueError, match="register_keras_serializable") as error:
        model.save(tmp_path / "model.keras")
    assert "`convert_to_tensor_fn` must be a registered function" in str(error.value)


def test_a_built_layer_still_checks_what_it_is_given():
    layer = tfl.MultivariateNormalDiag(2)
    layer(tf.zeros([3, 4]))
    with pytest.raises(ValueError, match=r"2·2 = 4; received shape \(3, 6\)"):
        layer(tf.zeros([3, 6]))
    with pytest.raises(ValueError, match=r"received shape \(3, 6\)"):
        layer.distribution(np.zeros([3, 6]))
    with pytest.raises(ValueError, match=r"received shape \(\)"):
        layer.distribution(0.0)


def test_parameters_are_not_rounded_on_the_way_in():
    layer = tfl.MultivariateNormalDiag(2, "mean", dtype="mixed_bfloat16")
    value = 1.0 + 2.0**-20  # rounded away in bfloat16
    assert layer(tf.fill([1, 4], value)).mean()[0, 0] == np.float32(value)


def test_validate_args_reaches_tfp():
    q = tfl.IndependentPoisson(2, validate_args=True)(tf.zeros([1, 2]))
    with pytest.raises(tf.errors.InvalidArgumentError):
        q.log_prob([[1.5, 2.0]])


def test_a_config_of_an_unknown_class_is_an_error_that_names_it():
    config = keras.saving.serialize_keras_object(tfl.MultivariateNormalDiag(2))
    config |= {"class_name": "Normalish", "registered_name": "tfgen>Normalish"}
    with pytest.raises(TypeError, match="Could not locate class 'Normalish'"):
        keras.saving.deserialize_keras_object(config, safe_mode=True)


@pytest.mark.parametrize(
    "size", [np.array(3), np.int64(3), tf.constant(3), tf.constant(3, tf.int64)], ids=repr
)
def test_a_size_may_be_an_integer_array_or_a_static_tensor(size):
    layer = tfl.MultivariateNormalDiag(size)
    assert type(layer.get_config()["event_size"]) is int
    assert tfl.MultivariateNormalDiag.params_size(size) == 6
    assert tfl.IndependentNormal(size).event_shape == (3,)


@pytest.mark.parametrize(
    "shape",
    [np.array([2, 3]), tf.constant([2, 3]), tf.TensorShape([2, 3]), [tf.constant(2), 3]],
    ids=repr,
)
def test_a_shape_may_be_an_integer_array_or_a_static_tensor(shape):
    assert tfl.IndependentNormal(shape).get_config()["event_shape"] == [2, 3]
    assert tfl.IndependentBernoulli.params_size(shape) == 6


def test_a_size_that_is_computed_later_is_refused():
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def size(value):
        return tfl.MultivariateNormalDiag.params_size(value)

    with pytest.raises(TypeError, match="`event_size` must be known when"):
        size(tf.constant(3))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tfl.IndependentNormal(np.array([2.0])), TypeError, "`event_shape` must"),
        (
            lambda: tfl.IndependentNormal(tf.constant([[2]])),
            TypeError,
            "`event_shape` must",
        ),
        (lambda: tfl.MultivariateNormalTriL(np.array([2])), TypeError, "`event_size` must"),
        (lambda: tfl.MultivariateNormalTriL(2.5), TypeError, "`event_size` must be a posi"),
        (lambda: tfl.MultivariateNormalTriL("2"), TypeError, "`event_size` must be a posi"),
        (lambda: tfl.MultivariateNormalTriL(True), TypeError, "`event_size` must be a pos"),
        (lambda: tfl.MultivariateNormalTriL(0), ValueError, "`event_size` must be at leas"),
        (
            lambda: tfl.MultivariateNormalDiagPlusLowRank(3, rank=0),
            ValueError,
            "`rank` must be at least 1; received 0",
        ),
        (lambda: tfl.MultivariateNormalTriL.params_size(2.5), TypeError, "`event_size` mu"),
        (lambda: tfl.IndependentNormal([2, 1.5]), TypeError, "`event_shape` must be a pos"),
        (lambda: tfl.IndependentNormal("ab"), TypeError, "`event_shape` must be an intege"),
        (lambda: tfl.IndependentNormal([2, -1]), ValueError, "`event_shape` must be at le"),
        (
            lambda: tfl.IndependentNormal(2, convert_to_tensor_fn="median"),
            ValueError,
            "`convert_to_tensor_fn` must be one of .'sample', 'mean', 'mode'.*'median'",
        ),
        (
            lambda: tfl.IndependentNormal(2, convert_to_tensor_fn=3),
            TypeError,
            "`convert_to_tensor_fn` must be one of",
        ),
        (lambda: tfl.MixtureNormal(0, 2), ValueError, "`num_components` must be at least"),
        (
            lambda: tfl.MixtureSameFamily(2, keras.layers.Dense(2)),
            TypeError,
            "`component_layer` must be a distribution layer",
        ),
        (
            lambda: tfl.MixtureSameFamily(2, tfl.DistributionLambda("Poisson")),
            TypeError,
            "`component_layer` must be a distribution layer whose number of parameters",
        ),
        (
            lambda: tfl.IndependentDiscretizedLogistic(2, low=0.5),
            TypeError,
            "`low` must be an integer",
        ),
        (
            lambda: tfl.IndependentDiscretizedLogistic(2, low=9, high=9),
            ValueError,
            "`high` must be above `low`; received low=9 and high=9",
        ),
        (lambda: tfl.VariableLayer([0]), ValueError, "`shape` must be at least 1"),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "needs"),
    [
        (tfl.IndependentBernoulli([2, 3]), "prod(2, 3) = 6"),
        (tfl.IndependentNormal([2, 3]), "2·prod(2, 3) = 12"),
        (tfl.IndependentPoisson(4), "prod(4,) = 4"),
        (tfl.OneHotCategorical(4), "4"),
        (tfl.CategoricalMixtureOfOneHotCategorical(4, 2), "2·(1 + 4) = 10"),
        (tfl.MixtureNormal(3, 2), "3·(1 + 4) = 15"),
        (tfl.MixtureSameFamily(3, tfl.MultivariateNormalTriL(2)), "3·(1 + 5) = 18"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_parameters_of_the_wrong_size_are_told_how_it_is_made_up(layer, needs):
    with pytest.raises(ValueError, match=r"received shape \(1, 7\)") as error:
        layer(tf.zeros([1, 7]))
    assert needs in str(error.value)


@pytest.mark.parametrize(
    ("layer", "good", "bad", "message"),
    [
        (tfl.IndependentBernoulli(2), [[0.0, 0.3]], [[0.0, 1.2]], r"lie in \[0, 1\]"),
        (tfl.IndependentPoisson(2), [[0, 7]], [[0, -1]], "whole numbers of at least 0"),
        (tfl.IndependentPoisson(2), [[0, 7]], [[0, 0.5]], "received 0.5"),
        (
            tfl.IndependentDiscretizedLogistic(2),
            [[0, 255]],
            [[0, 256]],
            "whole numbers from 0 to 255.*received values from 0 to 256",
        ),
        (tfl.IndependentDiscretizedLogistic(2), [[0, 255]], [[0, 0.5]], "Undo the scali"),
        (tfl.OneHotCategorical(2), [[0, 1]], [[1, 1]], r"one-hot.*received \[1 1\]"),
        (tfl.OneHotCategorical(2), [[0, 1]], [[0.5, 0.5]], "one-hot"),
        (tfl.CategoricalMixtureOfOneHotCategorical(2, 3), [[0, 1]], [[0, 0]], "one-hot"),
        (
            tfl.MixtureSameFamily(3, tfl.IndependentPoisson(2)),
            [[0, 7]],
            [[0, 0.5]],
            "Poisson",
        ),
    ],
)
def test_data_outside_the_support_are_refused(layer, good, bad, message):
    layer.check_support(np.array(good), "y")
    with pytest.raises(ValueError, match=message) as error:
        layer.check_support(np.array(bad), "y")
    assert str(error.value).startswith("`y` must ")
