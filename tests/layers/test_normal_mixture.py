"""The density of a mixture of Gaussians by matrix products, beside that by differences."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tfgen.layers.distribution_config import (
    deserialize_distribution,
    serialize_distribution,
)
from tfgen.layers.normal_mixture import NormalMixture

tfd = tfp.distributions

K, D, N = 50, 6, 30


def numbers(smallest_scale=0.01, seed=0):
    """Points near some of the means, the means, their scales and the weights' logits."""
    generator = np.random.default_rng(seed)
    loc = generator.normal(size=[K, D])
    scale = np.exp(generator.uniform(np.log(smallest_scale), 0.0, [K, D]))
    chosen = generator.integers(K, size=N)
    z = loc[chosen] + scale[chosen] * generator.normal(size=[N, D])
    logits = generator.normal(size=K)
    return [np.float32(array) for array in (z, loc, scale, logits)]


def in_float64(z, loc, scale, logits):
    """log p(z), and its gradients, by the definition."""
    z, loc, scale, logits = (np.float64(array) for array in (z, loc, scale, logits))
    differences = (z[:, None] - loc) / scale
    log_weights = logits - np.logaddexp.reduce(logits)
    log_normal = -0.5 * differences**2 - np.log(scale) - 0.5 * np.log(2 * np.pi)
    joint = log_weights + log_normal.sum(-1)
    log_prob = np.logaddexp.reduce(joint, axis=-1)
    share = np.exp(joint - log_prob[:, None])
    slopes = share[..., None] * differences / scale
    return log_prob, [
        -slopes.sum(1),
        slopes.sum(0),
        (slopes * differences).sum(0) - (share[..., None] / scale).sum(0),
        share.sum(0) - N * np.exp(log_weights),
    ]


def log_prob(z, loc, scale, logits):
    return NormalMixture.of(logits, tfd.MultivariateNormalDiag(loc, scale)).log_prob(z)


def log_prob_and_gradients(*arrays):
    tensors = [tf.convert_to_tensor(array) for array in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = log_prob(*tensors)
        total = tf.reduce_sum(value)
    return value, tape.gradient(total, tensors)


# Scales of 1e-12 beside means of 1 need the differences, others take the products.
@pytest.mark.parametrize("smallest_scale", [0.5, 0.01, 1e-4, 1e-12])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_density_and_gradients_are_those_of_the_definition(smallest_scale, jit_compile):
    arrays = numbers(smallest_scale)
    expected, gradients = in_float64(*arrays)
    compute = tf.function(log_prob_and_gradients, jit_compile=jit_compile)
    value, found = compute(*arrays)
    np.testing.assert_allclose(value, expected, rtol=2e-6, atol=2e-5)
    for gradient, wanted in zip(found, gradients, strict=True):
        largest = abs(wanted).max()
        np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-5 * largest)


@pytest.mark.parametrize("smallest_scale", [0.1, 1e-7])
def test_second_derivatives_are_those_of_tfp(smallest_scale):
    arrays = [tf.constant(array) for array in numbers(smallest_scale)]

    def slope_of_slope(family):
        with tf.GradientTape() as outer:
            outer.watch(arrays)
            with tf.GradientTape() as inner:
                inner.watch(arrays[0])
                z, loc, scale, logits = arrays
                normals = tfd.MultivariateNormalDiag(loc, scale)
                mixture = family(tfd.Categorical(logits=logits), normals)
                total = tf.reduce_sum(mixture.log_prob(z))
            size = tf.reduce_sum(tf.math.tanh(1e-3 * inner.gradient(total, z)))
        return outer.gradient(size, arrays)

    for found, wanted in zip(
        slope_of_slope(NormalMixture), slope_of_slope(tfd.MixtureSameFamily), strict=True
    ):
        largest = float(tf.reduce_max(tf.abs(wanted)))
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * largest)


def mixtures():
    """The one of tfgen, and TFP's, and points."""
    z, loc, scale, logits = numbers(0.5)
    parts = tfd.Categorical(logits=logits), tfd.MultivariateNormalDiag(loc, scale)
    return NormalMixture(*parts), tfd.MixtureSameFamily(*parts), tf.constant(z)


def derivative(compute, z, order):
    """Derivatives of the sum over the points, of the sum over their entries, and so on."""
    if order == 0:
        return compute(z)
    with tf.GradientTape() as tape:
        tape.watch(z)
        total = tf.reduce_sum(derivative(compute, z, order - 1))
    return tape.gradient(total, z)


def test_second_derivatives_of_single_points():
    ours, theirs, z = mixtures()

    def hessian(mixture):
        def of_one(point):
            with tf.GradientTape() as tape:
                tape.watch(point)
                slope = derivative(mixture.log_prob, point, 1)
            return tape.jacobian(slope, point)

        return tf.vectorized_map(of_one, z)

    found, expected = hessian(ours), hessian(theirs)
    assert found.shape == [N, D, D]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("order", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_further_derivatives_outside_of_a_compiled_function(order):
    ours, theirs, z = mixtures()
    signature = [tf.TensorSpec([None, D], tf.float32)]
    compiled = tf.function(ours.log_prob, signature, jit_compile=True)
    found = derivative(compiled, z, order)
    expected = derivative(theirs.log_prob, z, order)
    largest = float(tf.reduce_max(tf.abs(expected)))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * largest)


def test_many_dimensions_far_from_zero():
    # In float64 the sums over 300 dimensions lose 1e-3 nats at 1e5 sigma.
    generator = np.random.default_rng(0)
    size, center = 300, 9.9e4 + generator.normal(size=300)
    loc = center + 2.0 * generator.normal(size=[8, size]) / size**0.5
    z = center + generator.normal(size=[N, size])
    z, loc, ones = (np.float32(array) for array in (z, loc, np.ones_like(loc)))
    expected, _ = in_float64(z, loc, ones, np.zeros([8]))
    found = log_prob(z, loc, ones, np.zeros([8], "float32"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6, 1e30])
def test_numbers_that_are_none_or_far_away_are_as_tfp_has_them(value):
    z, loc, scale, logits = numbers()
    z[3, 2] = value
    normals = tfd.MultivariateNormalDiag(loc, scale)
    expected = tfd.MixtureSameFamily(tfd.Categorical(logits=logits), normals).log_prob(z)
    np.testing.assert_allclose(log_prob(z, loc, scale, logits), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [[], [1], [0], [2, 3], [2, 1, 3]])
def test_any_shape_of_points(shape):
    _, loc, scale, logits = numbers()
    z = np.random.default_rng(1).normal(size=[*shape, D]).astype("float32")
    value = log_prob(z, loc, scale, logits)
    assert value.shape.as_list() == shape
    expected, _ = in_float64(z.reshape(-1, D), loc, scale, logits)
    np.testing.assert_allclose(value, expected.reshape(shape), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("given", ["loc", "shared scale", "scale", "shared loc"])
def test_components_that_share_what_they_are_not_given(given):
    z, loc, scale, logits = numbers()
    ones = np.ones([K, D], "float32")
    arguments, full = {
        "loc": ({"loc": loc}, (loc, ones)),
        "shared scale": ({"loc": loc, "scale_diag": scale[0]}, (loc, ones * scale[0])),
        "scale": ({"scale_diag": scale}, (0 * ones, scale)),
        "shared loc": ({"loc": loc[0], "scale_diag": scale}, (ones * loc[0], scale)),
    }[given]
    mixture = NormalMixture.of(logits, tfd.MultivariateNormalDiag(**arguments))
    expected, _ = in_float64(z, *full, logits)
    np.testing.assert_allclose(mixture.log_prob(z), expected, rtol=2e-6, atol=2e-5)


def test_a_batch_of_unknown_size():
    _, loc, scale, logits = numbers()
    compute = tf.function(log_prob, jit_compile=False)
    concrete = compute.get_concrete_function(
        tf.TensorSpec([None, None, D]), *(tf.constant(a) for a in (loc, scale, logits))
    )
    assert concrete.structured_outputs.shape.as_list() == [None, None]


def test_sizes_that_are_unknown_and_points_that_broadcast():
    ours, theirs, z = mixtures()
    _, loc, scale, logits = numbers(0.5)
    unknown = tf.TensorSpec([None, None])
    compute = tf.function(log_prob, [unknown, unknown, unknown, tf.TensorSpec([None])])
    expected = theirs.log_prob(z)
    np.testing.assert_allclose(compute(z, loc, scale, logits), expected, rtol=1e-5)
    expected = theirs.log_prob(z[:, :1])
    np.testing.assert_allclose(ours.log_prob(z[:, :1]), expected, rtol=1e-5)


def test_other_components_and_dtypes_make_a_mixture_of_tfp():
    logits = tf.zeros([2])
    others = [
        tfd.MultivariateNormalDiag(np.zeros([2, 3]), np.ones([2, 3])),  # float64
        tfd.MultivariateNormalTriL(tf.zeros([2, 3]), tf.eye(3, batch_shape=[2])),
        tfd.MultivariateNormalDiag(tf.zeros([4, 2, 3]), tf.ones([4, 2, 3])),
    ]
    for components in others:
        mixture = NormalMixture.of(tf.cast(logits, components.dtype), components)
        assert not isinstance(mixture, NormalMixture)
        assert isinstance(mixture, tfd.MixtureSameFamily.__mro__[1])


def test_a_config_and_a_copy_have_the_same_density():
    z, loc, scale, logits = numbers()
    mixture = NormalMixture.of(logits, tfd.MultivariateNormalDiag(loc, scale))
    expected = mixture.log_prob(z)
    again = deserialize_distribution(serialize_distribution(mixture))
    assert type(again) is NormalMixture
    np.testing.assert_allclose(again.log_prob(z), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(mixture.copy().log_prob(z), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("prior", ["mixture", "vamp"])
def test_the_priors_are_of_it(prior):
    layer = tfgen.layers.MixturePrior(2, 3)
    if prior == "vamp":
        layer = tfgen.layers.VampPrior(3)
        layer.attach(tfgen.layers.MultivariateNormalDiag(2), (None, 4))
    assert isinstance(layer(), NormalMixture)
