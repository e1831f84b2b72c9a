"""Autoregressive flows: posteriors, and TFP's transform of a distribution."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.layers.families import BY_NAME, make, random_params
from tfgen.layers.autoregressive_bijector import MaskedAutoregressive

tfb = tfp.bijectors
tfd = tfp.distributions
tfl = tfgen.layers

D = 4


def affine(weights):
    """Shift and log scale, each a function of what comes before."""
    mask = np.triu(np.ones([D, D]), 1)

    def shift_and_log_scale(y):
        hidden = tf.matmul(y, weights * mask)
        return tf.sin(hidden), tf.tanh(hidden)

    return shift_and_log_scale


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_the_gradient_of_the_fixed_point_is_that_of_tfps_unrolled_loop(direction):
    generator = np.random.default_rng(0)
    weights = tf.constant(generator.normal(size=[D, D]))
    x = tf.constant(generator.normal(size=[2, 3, D]))
    results = []
    for bijector in (
        MaskedAutoregressive(affine(weights)),
        tfb.MaskedAutoregressiveFlow(affine(weights), unroll_loop=True),
    ):
        with tf.GradientTape() as tape:
            tape.watch([x, weights])
            # Functions of the watched tensors are made under the tape.
            bijector = type(bijector)(affine(weights))
            y = getattr(bijector, direction)(x)
            total = tf.reduce_sum(tf.sin(2 * y))
        results.append([y, *tape.gradient(total, [x, weights])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_few_dimensions_are_inverted_too(size):
    layer = tfl.MaskedAutoregressiveFlow(size, hidden_units=[8], context_size=0)
    layer.build((None, 2 * size))
    generator = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(0.3 * generator.normal(size=weight.shape))
    run = tf.function(
        lambda p: layer(p).experimental_sample_and_log_prob(5, seed=1), jit_compile=True
    )
    params = tf.constant(generator.normal(size=[3, 2 * size]), tf.float32)
    z, log_q = run(params)
    np.testing.assert_allclose(layer(params).log_prob(z), log_q, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "make_layer", [tfl.InverseAutoregressiveFlow, tfl.MaskedAutoregressiveFlow]
)
def test_an_untrained_flow_is_the_diagonal_gaussian(make_layer):
    params = np.random.default_rng(0).normal(size=[3, 3 * D]).astype("float32")
    q = make_layer(D)(params)
    gaussian = tfl.MultivariateNormalDiag(D)(params[:, : 2 * D])
    z = q.sample(5, seed=1)
    np.testing.assert_allclose(z, gaussian.sample(5, seed=1), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(q.log_prob(z), gaussian.log_prob(z), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["InverseAutoregressiveFlow", "MaskedAutoregressiveFlow"])
def test_the_density_integrates_to_one_over_a_grid(name):
    layer = getattr(tfl, name)(2, hidden_units=[8], context_size=1, dtype="float64")
    layer.build((None, 5))
    generator = np.random.default_rng(3)
    for weight in layer.trainable_weights:
        weight.assign(0.3 * generator.normal(size=weight.shape))
    q = layer(tf.constant([[0.2, -0.1, 0.0, 0.3, 0.7]], tf.float64))
    axis = np.linspace(-12, 12, 301)
    grid = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 1, 2)
    total = np.sum(q.prob(grid)) * (axis[1] - axis[0]) ** 2
    np.testing.assert_allclose(total, 1.0, rtol=1e-4)


@pytest.mark.parametrize("name", ["InverseAutoregressiveFlow", "MaskedAutoregressiveFlow"])
def test_dimensions_become_dependent_and_the_context_counts(name):
    family = BY_NAME[name]
    params = random_params(family, [1])
    z = make(family)(params).sample(20_000, seed=0)[:, 0].numpy()
    correlation = np.corrcoef(z.T)[np.triu_indices(3, 1)]
    assert np.max(np.abs(correlation)) > 0.1  # standard error 0.007
    moved = params.copy()
    moved[:, -1] += 1.0
    other = make(family)(moved).sample(20_000, seed=0)[:, 0].numpy()
    assert np.max(np.abs(other - z)) > 0.1


def count_passes(monkeypatch, layer):
    """The number of times that the layer's networks are evaluated, as it goes up."""
    counts = [0]
    for network in layer.networks:
        bind = network.bind

        def counted(context, bind=bind):
            bound = bind(context)

            def evaluate(y):
                counts[0] += 1
                return bound(y)

            return evaluate

        monkeypatch.setattr(network, "bind", counted)
    return counts


def test_an_iaf_is_sampled_with_its_density_in_one_pass_and_a_maf_evaluated_in_one(
    monkeypatch,
):
    family = BY_NAME["InverseAutoregressiveFlow"]
    layer, params = make(family), random_params(family, [2])
    passes = count_passes(monkeypatch, layer)
    layer(params).experimental_sample_and_log_prob(5, seed=0)
    # Of two networks: once for z, once for its log-determinant, which compilers merge.
    assert passes[0] == 4
    family = BY_NAME["MaskedAutoregressiveFlow"]
    layer = make(family)
    passes = count_passes(monkeypatch, layer)
    layer(params).log_prob(np.zeros([2, 3], "float32"))
    assert passes[0] == 4


# AutoregressiveTransform.


def transform_model(dtype="float32"):
    return keras.Sequential(
        [
            keras.layers.Input([2 * D], dtype=dtype),
            tfl.MultivariateNormalDiag(D, dtype=dtype),
            tfl.AutoregressiveTransform(
                tfl.AutoregressiveNetwork(
                    2, hidden_units=[8], activation="relu", dtype=dtype
                ),
                dtype=dtype,
            ),
        ]
    )


PARAMS = np.random.default_rng(0).normal(size=[3, 2 * D]).astype("float32")


def test_a_transform_is_tfps_flow_of_the_layer_before():
    model = transform_model("float64")
    q = model(PARAMS.astype("float64"))
    made = model.layers[-1].made
    by_hand = tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(
            tf.constant(PARAMS[:, :D], tf.float64),
            tf.math.softplus(tf.constant(PARAMS[:, D:], tf.float64)),
        ),
        tfb.MaskedAutoregressiveFlow(lambda y: tf.unstack(made(y), axis=-1)),
    )
    x = np.random.default_rng(1).normal(size=[5, 3, D])
    np.testing.assert_allclose(q.log_prob(x), by_hand.log_prob(x), rtol=1e-10)
    z, log_q = q.experimental_sample_and_log_prob(5, seed=0)
    np.testing.assert_allclose(by_hand.log_prob(z), log_q, rtol=1e-8)
    assert tfl.is_keyed_by_row(q)


def test_a_transform_can_be_rebuilt_from_the_raw_parameters_of_the_layer_before():
    model = transform_model()
    q = model(PARAMS)
    z = q.sample(seed=0)
    np.testing.assert_array_equal(q.raw_parameters, PARAMS)
    again = q.rebuild(q.raw_parameters[1:])
    np.testing.assert_allclose(again.log_prob(z[1:]), q.log_prob(z)[1:], rtol=1e-5)


def test_a_transform_of_tfps_own_distribution_has_nothing_to_be_rebuilt_from():
    flow = tfl.AutoregressiveTransform(tfl.AutoregressiveNetwork(2, hidden_units=[8]))
    q = flow(tfd.MultivariateNormalDiag(tf.zeros([3, D])))
    for ask in (lambda: q.rebuild(PARAMS), lambda: q.rows([0])):
        with pytest.raises(ValueError, match="that a layer made from raw parameters"):
            ask()


@pytest.mark.slow
def test_transforms_stack_train_and_are_saved(tmp_path):
    """TFP's example: density estimation with two flows on no inputs."""
    generator = np.random.default_rng(0)
    x2 = 2 * generator.normal(size=400)
    x1 = generator.normal(size=400) + x2**2 / 4
    data = np.stack([x1, x2], -1).astype("float32")
    model = keras.Sequential(
        [
            keras.layers.Input([0]),
            tfl.DistributionLambda(standard_normal),
            tfl.AutoregressiveTransform(
                tfl.AutoregressiveNetwork(2, hidden_units=[10], activation="relu")
            ),
            tfl.AutoregressiveTransform(
                tfl.AutoregressiveNetwork(
                    2, hidden_units=[10], activation="relu", input_order="right-to-left"
                )
            ),
        ]
    )
    nothing = np.zeros([len(data), 0], "float32")
    loss = tfgen.losses.NegativeLogLikelihood()
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=False)
    before = model.evaluate(nothing, data, verbose=0)
    model.fit(nothing, data, batch_size=64, epochs=12, verbose=0)
    after = model.evaluate(nothing, data, verbose=0)
    # A Gaussian with the data's mean and covariance, the best one without a flow.
    gaussian = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.cov(data.T))[1]
    assert after < gaussian < before
    path = tmp_path / "model.keras"
    model.save(path)
    again = keras.saving.load_model(path, safe_mode=True)
    np.testing.assert_allclose(again.evaluate(nothing, data, verbose=0), after, rtol=1e-5)


@keras.saving.register_keras_serializable("tests")
def standard_normal(inputs):
    shape = tf.concat([tf.shape(inputs)[:-1], [2]], 0)
    return tfd.MultivariateNormalDiag(tf.ensure_shape(tf.zeros(shape), [None, 2]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tfl.AutoregressiveTransform(3), TypeError, "`made` must be a"),
        (
            lambda: tfl.AutoregressiveTransform(tfl.AutoregressiveNetwork(3)),
            ValueError,
            "2 outputs an input.*params=3",
        ),
        (
            lambda: tfl.AutoregressiveTransform(tfl.AutoregressiveNetwork(2))(
                tf.zeros([1, 2])
            ),
            TypeError,
            "`inputs` of `AutoregressiveTransform` must be a distribution",
        ),
        (lambda: tfl.InverseAutoregressiveFlow(0), ValueError, "`event_size` must be at"),
        (
            lambda: tfl.MaskedAutoregressiveFlow(2, context_size=-1),
            ValueError,
            "`context_size` must be at least",
        ),
        (
            lambda: tfl.MaskedAutoregressiveFlow(2, num_flows=1.0),
            TypeError,
            "`num_flows` must be a positive integer",
        ),
        (
            lambda: tfl.InverseAutoregressiveFlow(2)(tf.zeros([1, 4])),
            ValueError,
            r"2·2 \+ 2 = 6",
        ),
    ],
)
def test_bad_arguments_are_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
