"""One sweep over every distribution layer."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.layers.families import BY_NAME, FAMILIES, D, make, random_params, reference

tfd = tfp.distributions


def each(families):
    return pytest.mark.parametrize("family", families, ids=lambda family: family.name)


every_family = each(FAMILIES)

# One family for each way to draw and to compute log q: these are compiled by XLA among
# the quick tests; the others are traced there, and compiled among the slow ones.
COMPILED = {
    "MultivariateNormalTriL",
    "IndependentBernoulli",
    "IndependentPoisson",
    "IndependentDiscretizedLogistic",
    "OneHotCategorical",
    "MixtureNormal",
}


def test_no_layer_is_left_out_of_the_sweep():
    layers = {
        name
        for name in tfgen.layers.__all__
        if isinstance(getattr(tfgen.layers, name), type)
        and issubclass(getattr(tfgen.layers, name), tfgen.layers.DistributionLayer)
    }
    # Called on a distribution, not on parameters: tested in test_autoregressive_flow.py.
    assert layers - {"DistributionLayer", "AutoregressiveTransform"} == set(BY_NAME)


# Against TFP's distribution by hand, in float64.


@every_family
def test_log_prob_is_that_of_tfp_by_hand(family):
    params = random_params(family, [4])
    by_hand = reference(family, params)
    x = tf.cast(by_hand.sample(5, seed=(1, 2)), tf.float32)
    expected = by_hand.log_prob(tf.cast(x, tf.float64))
    np.testing.assert_allclose(
        make(family)(params).log_prob(x), expected, rtol=2e-5, atol=2e-5
    )


@each([family for family in FAMILIES if family.has_moments])
def test_mean_and_stddev_are_those_of_tfp_by_hand(family):
    params = random_params(family, [4])
    by_hand, ours = reference(family, params), make(family)(params)
    np.testing.assert_allclose(ours.mean(), by_hand.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.stddev(), by_hand.stddev(), rtol=1e-4, atol=1e-6)


def moments(x):
    """Means of x and of the products x_i x_j, and their standard errors."""
    features = np.concatenate(
        [x, (x[..., :, None] * x[..., None, :]).reshape(*x.shape[:-1], -1)], -1
    )
    return features.mean(0), features.std(0) / np.sqrt(len(features))


@every_family
def test_samples_have_the_moments_of_tfp_by_hand(family):
    params = random_params(family, [2])
    ours = make(family)(params).sample(20_000, seed=3).numpy().astype("float64")
    theirs = reference(family, params).sample(20_000, seed=(4, 5)).numpy()
    (a, error_a), (b, error_b) = moments(ours), moments(theirs)
    # 24 differences of two means of 20,000, in standard errors: one beyond 4.5 by chance
    # in 6,000 runs.
    assert np.max(np.abs(a - b) / np.sqrt(error_a**2 + error_b**2 + 1e-12)) < 4.5


# The same numbers, however they are computed.


def program(layer):
    """Draws, log q of them two ways, and the gradient of what is differentiable."""

    def run(params):
        with tf.GradientTape() as tape:
            tape.watch(params)
            q = layer(params)
            # What is known of a shape is not lost.
            assert q.batch_shape.as_list() == params.shape[:1].as_list()
            assert tf.convert_to_tensor(q).shape.as_list() == [params.shape[0], D]
            z, log_q = q.experimental_sample_and_log_prob(2, seed=7)
            total = tf.reduce_sum(log_q)
            if q.reparameterization_type == tfd.FULLY_REPARAMETERIZED:
                total += tf.reduce_sum(tf.sin(z))
            again = q.log_prob(tf.stop_gradient(z))
            total += tf.reduce_sum(again)
        return z, log_q, again, tape.gradient(total, params)

    return run


def assert_same_as_eager(family, options, batches):
    layer = make(family)
    layer(random_params(family, [1]))  # its seed generator is made outside of the trace
    run, sizes = program(layer), []

    def traced(params):
        sizes.append(params.shape[0])
        return run(params)

    compiled = tf.function(traced, **options)
    for batch in batches:
        params = tf.constant(random_params(family, [batch]))
        eager = run(params)
        np.testing.assert_allclose(eager[1], eager[2], rtol=1e-4, atol=1e-4)
        for one, other in zip(eager, compiled(params), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)
    return sizes


def check_unknown_batch(family, jit_compile):
    # As in Keras's `fit`, which traces the last, smaller batch so.
    unknown = tf.TensorSpec([None, family.params_size], tf.float32)
    options = {"input_signature": [unknown], "jit_compile": jit_compile}
    assert assert_same_as_eager(family, options, batches=(3, 2)) == [None]


@pytest.mark.slow
@every_family
def test_a_function_of_unknown_batch_agrees_with_eager(family):
    check_unknown_batch(family, jit_compile=family.name in COMPILED)


@pytest.mark.slow
@every_family
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "XLA"])
def test_a_function_of_known_and_then_of_unknown_batch_agrees_with_eager(
    family, jit_compile
):
    # At another batch size, TensorFlow traces again for all of them.
    options = {"jit_compile": jit_compile, "reduce_retracing": True}
    sizes = assert_same_as_eager(family, options, batches=(3, 2))
    assert sizes == [3, None]


@every_family
def test_draws_are_keyed_by_row(family):
    layer, params = make(family), random_params(family, [4])
    assert tfgen.layers.is_keyed_by_row(layer(params))
    keys = tfgen.random.row_keys(0, 0, tf.range(4))
    whole = layer(params).sample(3, seed=keys)
    part = layer(params[2:]).sample(3, seed=keys[2:])
    np.testing.assert_allclose(whole[:, 2:], part, rtol=1e-6, atol=1e-6)
    later = tfgen.layers.sample(layer(params).tensor_distribution, keys, 1, first_sample=2)
    np.testing.assert_allclose(whole[2:], later, rtol=1e-6, atol=1e-6)


# Shapes and dtypes.


@every_family
@pytest.mark.parametrize("batch", [(), (1,), (256,), (2, 3)], ids=str)
def test_shapes_follow_the_batch(family, batch):
    q = make(family).distribution(random_params(family, batch))
    assert tuple(q.batch_shape) == batch
    assert tuple(q.event_shape) == (D,)
    assert q.sample(4, seed=0).shape == (4, *batch, D)
    assert q.log_prob(q.sample(seed=0)).shape == batch


@every_family
@pytest.mark.parametrize("batch", [None, 7])
def test_the_symbolic_shape_is_that_of_the_value(family, batch):
    layer = make(family)
    symbolic = layer(keras.Input([family.params_size], batch_size=batch))
    assert symbolic.shape == (batch, D)
    value = tf.convert_to_tensor(layer(random_params(family, [7])))
    assert symbolic.dtype == value.dtype.name
    assert tuple(value.shape) == (7, D)


@every_family
def test_nothing_is_rounded_to_float32_under_float64(family):
    params = random_params(family, [4], "float64")
    by_hand = reference(family, params)
    q = make(family, dtype="float64")(params)
    x = by_hand.sample(5, seed=(1, 2))
    assert q.sample(seed=0).dtype == tf.float64
    np.testing.assert_allclose(q.log_prob(x), by_hand.log_prob(x), rtol=1e-9, atol=1e-9)


@every_family
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_the_distribution_in_float32(family, policy):
    model = keras.Sequential(
        [
            keras.layers.Input([5]),
            keras.layers.Dense(family.params_size, dtype=policy),
            make(family, dtype=policy),
            keras.layers.Dense(2, dtype=policy),
        ]
    )
    x = np.random.default_rng(0).normal(size=[4, 5]).astype("float32")
    half = model.layers[0](x)
    q = model.layers[1](half)
    assert half.dtype.name == policy.removeprefix("mixed_")
    assert q.dtype == tf.float32
    by_hand = reference(family, tf.cast(half, tf.float64))
    z = q.sample(seed=0)
    np.testing.assert_allclose(
        q.log_prob(z), by_hand.log_prob(tf.cast(z, tf.float64)), rtol=2e-5, atol=2e-5
    )
    assert np.isfinite(model(x)).all()


# In models.


@every_family
def test_the_config_holds_every_argument_and_makes_the_same_layer(family):
    layer = make(family, convert_to_tensor_fn="mean", validate_args=True, name="q")
    if not layer.built:
        layer.build((None, family.params_size))
    config = layer.get_config()
    arguments = set(inspect.signature(type(layer).__init__).parameters)
    assert arguments - {"self", "kwargs"} <= set(config)
    packed = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    again = keras.saving.deserialize_keras_object(packed, safe_mode=True)
    assert type(again) is type(layer)
    if not again.built:
        again.build((None, family.params_size))
    assert again.get_config() == config
    again.set_weights(layer.get_weights())
    params = random_params(family, [4])
    z = layer(params).sample(seed=0)
    np.testing.assert_array_equal(again(params).log_prob(z), layer(params).log_prob(z))


def check_fit(family, batch_size, **options):
    params = random_params(family, [1])
    y = reference(family, params).sample(10, seed=(1, 2))[:, 0].numpy().astype("float32")
    x = np.ones([10, 1], "float32")
    model = keras.Sequential(
        [keras.layers.Input([1]), keras.layers.Dense(family.params_size), make(family)]
    )
    loss = tfgen.losses.NegativeLogLikelihood()
    model.compile(keras.optimizers.Adam(0.03), loss, **options)
    before = -np.mean(model(x).log_prob(y))
    fit = {"batch_size": batch_size, "epochs": 6, "verbose": 0}
    history = model.fit(x, y, **fit).history["loss"]
    after = model.evaluate(x, y, batch_size=batch_size, verbose=0)
    np.testing.assert_allclose(after, -np.mean(model(x).log_prob(y)), rtol=1e-5)
    assert after < history[0] < before + 1.0


@pytest.mark.slow
@every_family
def test_fit_minimises_the_negative_log_likelihood_that_is_logged(family):
    compiled = family.name in ("MultivariateNormalTriL", "IndependentBernoulli")
    check_fit(family, 4, jit_compile=compiled, run_eagerly=not compiled)


@pytest.mark.slow
@every_family
def test_fit_under_xla_minimises_the_negative_log_likelihood(family):
    check_fit(family, 5, jit_compile=True)  # one size of batches: one program


@every_family
def test_a_layer_stands_in_the_middle_and_at_the_end(family):
    inputs = keras.Input([5])
    q = make(family)(keras.layers.Dense(family.params_size)(inputs))
    model = keras.Model(inputs, [q, keras.layers.Dense(2)(q)])
    distribution, head = model(np.ones([6, 5], "float32"))
    assert isinstance(distribution, tfgen.layers.TensorDistribution)
    # The head was fed the very tensor that the distribution converts to.
    fed = model.layers[-1](tf.convert_to_tensor(distribution))
    np.testing.assert_allclose(fed, head, rtol=1e-5)


@each([BY_NAME[name] for name in ("MultivariateNormalTriL", "IndependentBernoulli")])
def test_predict_gives_the_value_that_the_next_layer_was_fed(family):
    inputs = keras.Input([5])
    q = make(family)(keras.layers.Dense(family.params_size)(inputs))
    model = keras.Model(inputs, [q, keras.layers.Dense(2)(q)])
    values, heads = model.predict(np.ones([6, 5], "float32"), batch_size=4, verbose=0)
    assert values.shape == (6, D)
    np.testing.assert_allclose(model.layers[-1](values), heads, rtol=1e-4, atol=1e-5)


SAVED = """
import sys
import keras, numpy as np, tensorflow as tf
import tests.layers.families as families

folder = sys.argv[1]
arrays = dict(np.load(folder + "/expected.npz"))
out = {}
for family in families.FAMILIES:
    model = keras.saving.load_model(f"{folder}/{family.name}.keras", safe_mode=True)
    q = model(arrays["x"])
    out[family.name + "_z"] = q.sample(seed=5)
    out[family.name + "_log_prob"] = q.log_prob(arrays[family.name + "_z"])
    out[family.name + "_loss"] = model.loss(arrays[family.name + "_z"], q)
np.savez(folder + "/found.npz", **out)
"""


@pytest.mark.slow
def test_saved_models_are_the_same_in_a_new_process(tmp_path, run_python):
    x = np.random.default_rng(0).normal(size=[3, 4]).astype("float32")
    expected = {"x": x}
    for family in FAMILIES:
        model = keras.Sequential(
            [
                keras.layers.Input([4]),
                keras.layers.Dense(family.params_size),
                make(family),
            ]
        )
        model.compile("sgd", tfgen.losses.NegativeLogLikelihood())
        q = model(x)
        expected[family.name + "_z"] = q.sample(seed=5).numpy()
        expected[family.name + "_log_prob"] = q.log_prob(q.sample(seed=5)).numpy()
        expected[family.name + "_loss"] = -expected[family.name + "_log_prob"].mean()
        model.save(tmp_path / f"{family.name}.keras")
    np.savez(tmp_path / "expected.npz", **expected)
    run_python(SAVED, tmp_path)
    found = dict(np.load(tmp_path / "found.npz"))
    assert set(found) == set(expected) - {"x"}
    for name, value in found.items():
        np.testing.assert_allclose(
            value, expected[name], rtol=1e-6, atol=1e-6, err_msg=name
        )
