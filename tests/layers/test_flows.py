"""RealNVP and planar flows: Jacobians, inverses, and use as posteriors and priors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.layers.families import BY_NAME, make
from tfgen.layers.planar_bijector import Planar

tfd = tfp.distributions
tfl = tfgen.layers

NAMES = [
    "InverseAutoregressiveFlow",
    "MaskedAutoregressiveFlow",
    "PlanarFlow",
    "RealNVP",
]


@pytest.mark.parametrize("name", NAMES)
def test_log_determinant_is_that_of_a_numeric_jacobian(name):
    family = BY_NAME[name]
    layer = make(family, dtype="float64")
    params = np.random.default_rng(4).normal(size=[1, family.params_size])
    bijector = layer(params).bijector
    x = np.random.default_rng(5).normal(size=[6, 3])
    step = 1e-6

    def f(x):
        return bijector.forward(x[:, None])[:, 0].numpy()

    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(3)]
    numeric = np.linalg.slogdet(np.stack(columns, -1))[1]
    log_det = bijector.forward_log_det_jacobian(x[:, None], 1)[:, 0]
    np.testing.assert_allclose(log_det, numeric, atol=1e-7)
    assert np.abs(numeric).min() > 1e-3
    y = tf.identity(bijector.forward(x[:, None]))  # another tensor: no cached inverse
    np.testing.assert_allclose(bijector.inverse(y)[:, 0], x, atol=1e-9)
    # Nor do densities depend on the way they are computed.
    again = bijector.inverse_log_det_jacobian(tf.identity(y), 1)[:, 0]
    np.testing.assert_allclose(again, -log_det, atol=1e-9)


def test_real_nvp_moves_every_dimension_and_each_half_by_the_other():
    layer = tfl.RealNVP(5, num_flows=2, hidden_units=[6], context_size=1)
    layer.build((None, 11))
    generator = np.random.default_rng(0)
    for weight in layer.trainable_weights:
        weight.assign(0.5 * generator.normal(size=weight.shape))
    params = generator.normal(size=[1, 11]).astype("float32")
    flows = layer(params).bijector.bijectors[::-1]
    x = tf.constant(generator.normal(size=[1, 5]), tf.float32)
    for flow, moved in zip(flows, ([2, 3, 4], [0, 1]), strict=True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = flow.forward(x)
        jacobian = tape.batch_jacobian(y, x)[0].numpy()
        kept = [i for i in range(5) if i not in moved]
        np.testing.assert_array_equal(jacobian[kept], np.eye(5)[kept])
        assert np.all(jacobian[np.ix_(moved, kept)] != 0)
        assert np.all(np.diag(jacobian)[moved] != 1)


def planar(u, w, b):
    return Planar(*(tf.convert_to_tensor(value, tf.float64) for value in (u, w, b)))


def test_planar_flow_is_a_bijection_for_any_u():
    # w.u far below -1, where x + u tanh(w.x + b) would fold.
    w, b = np.array([1.0, 2.0]), 0.3
    for scale in (-50.0, -3.0, 0.0, 3.0, 50.0):
        flow = planar(scale * w, w, b)
        t = np.linspace(-6, 6, 401)
        x = t[:, None] * w / (w @ w)
        along = flow.forward(x).numpy() @ w
        assert np.all(np.diff(along) > 0)
        if scale == 0.0:
            np.testing.assert_array_equal(flow.forward(x), x)
        np.testing.assert_allclose(flow.inverse(flow.forward(x) + 0.0), x, atol=1e-6)


def test_derivatives_of_the_planar_inverse_are_those_of_the_inverse_function():
    # First and second, in y and in the parameters: by finite differences.
    values = np.array([0.4, -0.9, 0.7, 0.5, 0.2, 0.8, -0.3])  # u, w, b, y

    @tf.function(autograph=False)
    def inverse(v):
        return planar(v[:2], v[2:4], v[4]).inverse(v[None, 5:])[0, 0]

    def at(values):
        return inverse(tf.constant(values))

    v = tf.Variable(values)
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            u, w, b = v[:2], v[2:4], v[4]
            value = Planar(u, w, b).inverse(v[tf.newaxis, 5:])[0, 0]
        gradient = inner.gradient(value, v)
    hessian = outer.jacobian(gradient, v).numpy()
    h, eye = 1e-4, np.eye(7)
    numeric = [(at(values + h * e) - at(values - h * e)) / (2 * h) for e in eye]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7)
    for i in range(7):
        for j in range(i + 1):
            a, b = h * eye[i], h * eye[j]
            second = (
                at(values + a + b)
                - at(values + a - b)
                - at(values - a + b)
                + at(values - a - b)
            ) / (4 * h * h)
            assert hessian[i, j] == pytest.approx(float(second), abs=2e-6)


@pytest.mark.parametrize("name", ["PlanarFlow", "RealNVP"])
def test_untrained_flow_is_the_diagonal_gaussian(name):
    layer = getattr(tfl, name)(3)
    params = np.zeros([2, layer._params_size()], "float32")
    params[:, :6] = np.random.default_rng(0).normal(size=[2, 6])
    if name == "RealNVP":
        params[:, 6:] = 1.0  # the context
    q, gaussian = layer(params), tfl.MultivariateNormalDiag(3)(params[:, :6])
    z = q.sample(5, seed=1)
    np.testing.assert_allclose(z, gaussian.sample(5, seed=1), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(q.log_prob(z), gaussian.log_prob(z), rtol=1e-5, atol=1e-5)


def test_single_flow_in_one_dimension_has_a_density_that_integrates_to_one():
    params = np.array([[0.3, -0.2, 2.0, 0.8, -0.4, -1.5, 1.1, 0.3]])
    q = tfl.PlanarFlow(1, num_flows=2, dtype="float64")(params)
    axis = np.linspace(-15, 15, 20_001)[:, None, None]
    assert np.trapezoid(q.prob(axis)[:, 0], axis[:, 0, 0]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("layer", [tfl.PlanarFlow(2, 6), tfl.RealNVP(2, context_size=0)])
def test_prior_of_flows_learns_what_no_gaussian_is(layer):
    # Two bumps: the best Gaussian has 0.5 log det (2 pi e C) nats.
    generator = np.random.default_rng(0)
    z = generator.normal(size=[600, 2]) * 0.3 + np.where(
        generator.random([600, 1]) < 0.5, -1.5, 1.5
    ) * np.array([1.0, 0.5])
    z = z.astype("float32")
    prior = tfl.LearnedPrior(type(layer).from_config(layer.get_config()))
    optimizer = keras.optimizers.Adam(0.03)
    optimizer.build(prior.trainable_weights)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(prior().log_prob(z))
        gradients = tape.gradient(loss, prior.trainable_weights)
        optimizer.apply_gradients(zip(gradients, prior.trainable_weights, strict=True))
        return loss

    losses = [float(step()) for _ in range(250)]
    gaussian = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.cov(z.T))[1]
    assert losses[-1] < gaussian - 0.2 < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PlanarFlow", "RealNVP"])
def test_vae_of_the_flow_trains_and_comes_back_from_a_file(name, tmp_path):
    layer = getattr(tfl, name)
    x = (np.random.default_rng(0).random([10, 6]) < 0.4).astype("float32")
    posterior = layer(2, num_flows=2)
    encoder = [keras.Input([6]), keras.layers.Dense(posterior._params_size()), posterior]
    likelihood = tfl.IndependentBernoulli([6])
    decoder = [keras.Input([2]), keras.layers.Dense(6), likelihood]
    kwargs = {"context_size": 0} if name == "RealNVP" else {}
    prior = tfl.LearnedPrior(layer(2, num_flows=2, **kwargs))
    vae = tfgen.models.IWAE(keras.Sequential(encoder), keras.Sequential(decoder), prior)
    loss = tfgen.losses.IWLB(2, "dreg")  # asks for the density of a given z
    vae.compile(keras.optimizers.Adam(0.02), loss, jit_compile=False)
    before = [w.numpy() for w in vae.trainable_weights]
    vae.fit(x[:5], batch_size=4, epochs=2, verbose=0)  # the last batch has one row
    for old, new in zip(before, vae.trainable_weights, strict=True):
        assert np.any(old != new.numpy()), new.path
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    np.testing.assert_allclose(
        again.log_weights(x, 3, seed=1), vae.log_weights(x, 3, seed=1), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("make_layer", "error", "match"),
    [
        (
            lambda: tfl.RealNVP(1),
            ValueError,
            r"`event_size` must be at least 2.*received 1",
        ),
        (
            lambda: tfl.RealNVP(0),
            ValueError,
            r"`event_size` must be at least 1; received 0",
        ),
        (lambda: tfl.RealNVP(2, num_flows=0), ValueError, r"`num_flows` must be at least"),
        (lambda: tfl.RealNVP(2, context_size=-1), ValueError, r"`context_size` must be at"),
        (lambda: tfl.PlanarFlow(0), ValueError, r"`event_size` must be at least 1"),
        (lambda: tfl.PlanarFlow(2, num_flows=2.0), TypeError, r"`num_flows` must be a pos"),
        (lambda: tfl.PlanarFlow(2, 1)(tf.zeros([1, 4])), ValueError, r"dimension of 9"),
        (lambda: tfl.RealNVP(2)(tf.zeros([1, 4])), ValueError, r"2·2 \+ 2 = 6"),
    ],
)
def test_bad_arguments_are_named(make_layer, error, match):
    with pytest.raises(error, match=match):
        make_layer()
