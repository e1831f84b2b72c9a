"""z = mu + S eps has law N(mu, S S^T), for every kind of S."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tfgen.layers.linear_operator import DiagPlusLowRank, InvertibleMatrix

tfb = tfp.bijectors
tfd = tfp.distributions
tfl = tfgen.layers


def softplus(x):
    return np.log1p(np.exp(x))


def lower_triangular(raw, size):
    """The matrix of TFP's `FillScaleTriL`, by its documented order of the values."""
    filled = np.concatenate([raw[..., size:], raw[..., ::-1]], -1)
    filled = np.tril(filled.reshape(*raw.shape[:-1], size, size))
    i = np.arange(size)
    filled[..., i, i] = softplus(filled[..., i, i]) + 1e-5
    return filled


def low_rank(raw, size):
    factor = raw[..., size:].reshape(*raw.shape[:-1], size, 2)
    diagonal = softplus(raw[..., :size, np.newaxis]) * np.eye(size)
    return diagonal + factor @ np.swapaxes(factor, -1, -2)


def any_matrix(raw, size):
    return np.eye(size) + raw.reshape(*raw.shape[:-1], size, size)


# Each layer, and S as a function of the raw values after the location, in float64.
SCALES = {
    "Diag": (
        tfl.MultivariateNormalDiag,
        lambda raw, size: softplus(raw)[..., np.newaxis] * np.eye(size),
    ),
    "TriL": (tfl.MultivariateNormalTriL, lower_triangular),
    "Scale": (tfl.MultivariateNormalScale, any_matrix),
    "DiagPlusLowRank": (
        lambda size, **k: tfl.MultivariateNormalDiagPlusLowRank(size, rank=2, **k),
        low_rank,
    ),
}
every_scale = pytest.mark.parametrize("name", SCALES)


def example(name, size, batch, dtype="float64", spread=1.0):
    """A layer, parameters for it, and mu and S by hand."""
    make, scale = SCALES[name]
    layer = make(size, dtype=dtype)
    generator = np.random.default_rng(size)
    params = spread * generator.normal(size=[*batch, layer._params_size()])
    return layer, params, params[..., :size], scale(params[..., size:], size)


@every_scale
def test_mean_and_covariance_of_draws_are_mu_and_s_s_transposed(name):
    count, size = 50_000, 4
    layer, params, mu, scale = example(name, size, [2], "float32")
    z = layer(params).sample(count, seed=11).numpy().astype("float64")
    covariance = scale @ np.swapaxes(scale, -1, -2)
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    # 48 statistics, in standard errors: one beyond 4.5 by chance in 3,000 runs.
    assert np.max(np.abs(z.mean(0) - mu) / np.sqrt(variance / count)) < 4.5
    centred = z - mu
    found = np.einsum("nbi,nbj->bij", centred, centred) / count
    error = np.sqrt(
        (variance[..., :, None] * variance[..., None, :] + covariance**2) / count
    )
    assert np.max(np.abs(found - covariance) / error) < 4.5


@every_scale
def test_the_distribution_says_it_is_of_that_mean_and_covariance(name):
    layer, params, mu, scale = example(name, 5, [3])
    q = layer(params)
    np.testing.assert_allclose(q.mean(), mu, rtol=1e-12)
    expected = scale @ np.swapaxes(scale, -1, -2)
    np.testing.assert_allclose(q.covariance(), expected, rtol=1e-10, atol=1e-12)


@every_scale
def test_log_q_from_eps_is_the_log_density_of_z(name):
    layer, params, mu, scale = example(name, 50, [16], "float32", spread=0.3)
    z, log_q = layer(params).experimental_sample_and_log_prob(3, seed=2)
    # In float64 from mu and S by hand: eps = S^-1 (z - mu).
    eps = np.linalg.solve(scale, (z.numpy() - mu)[..., np.newaxis])[..., 0]
    by_hand = (
        -0.5 * np.sum(eps**2, -1)
        - np.linalg.slogdet(scale)[1]
        - 0.5 * 50 * np.log(2 * np.pi)
    )
    np.testing.assert_allclose(log_q, by_hand, rtol=1e-4)
    np.testing.assert_allclose(log_q, layer(params).log_prob(z), rtol=1e-4)


@every_scale
def test_gradients_in_mu_and_s_agree_with_finite_differences(name):
    layer, params, _, _ = example(name, 3, [2])
    layer(params)  # its seed generator is made outside of the trace

    @tf.function(autograph=False)
    def value(params):
        z, log_q = layer(params).experimental_sample_and_log_prob(2, seed=5)
        return tf.reduce_sum(tf.sin(z)) + tf.reduce_sum(log_q * tf.cos(z[..., 0]))

    params = tf.constant(params)
    with tf.GradientTape() as tape:
        tape.watch(params)
        total = value(params)
    gradient = tape.gradient(total, params).numpy()
    step = 1e-6
    for row, column in np.ndindex(*params.shape):
        move = np.zeros(params.shape)
        move[row, column] = step
        slope = (value(params + move) - value(params - move)) / (2 * step)
        np.testing.assert_allclose(gradient[row, column], slope, rtol=1e-6, atol=1e-7)


def test_tril_is_the_matrix_and_the_gradient_of_tfps_fill_scale_tril():
    raw = tf.constant(np.random.default_rng(0).normal(size=[7, 15]))
    params = tf.concat([tf.zeros([7, 5], tf.float64), raw], -1)
    by_tfp = tfb.FillScaleTriL(diag_shift=np.float64(1e-5))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([raw, params])
        ours = tfl.MultivariateNormalTriL.new(params, 5).scale.to_dense()
        theirs = by_tfp(raw)
        totals = [tf.reduce_sum(tf.sin(3 * matrix)) for matrix in (ours, theirs)]
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(
        tape.gradient(totals[0], params)[:, 5:], tape.gradient(totals[1], raw), rtol=1e-12
    )


def test_tril_is_tfps_class_with_its_attributes_copies_and_slices():
    layer, params, mu, scale = example("TriL", 4, [3])
    q = layer(params)
    inner = tfl.unwrap(q)
    assert isinstance(inner, tfd.MultivariateNormalTriL)
    np.testing.assert_allclose(q.scale_tril, scale, rtol=1e-12)
    np.testing.assert_allclose(q.loc, mu)
    for part in (inner[1:], q.copy(loc=np.zeros([3, 4]))[1:]):
        assert isinstance(part, tfd.MultivariateNormalTriL)
        np.testing.assert_allclose(part.scale_tril, scale[1:], rtol=1e-12)
        covariance = scale @ np.swapaxes(scale, -1, -2)
        np.testing.assert_allclose(part.covariance(), covariance[1:], rtol=1e-10)
    moved = q.copy(scale_tril=2.0 * scale)
    by_tfp = tfd.MultivariateNormalTriL(mu, 2.0 * scale)
    x = np.random.default_rng(5).normal(size=[3, 4])
    np.testing.assert_allclose(moved.log_prob(x), by_tfp.log_prob(x), rtol=1e-10)


@every_scale
def test_kl_divergence_is_the_closed_form(name):
    layer, params, mu, scale = example(name, 4, [3])
    prior = tfd.MultivariateNormalDiag(np.full(4, 0.5), np.array([1.0, 2.0, 0.5, 1.5]))
    precision = np.diag(1 / np.array([1.0, 4.0, 0.25, 2.25]))
    covariance = scale @ np.swapaxes(scale, -1, -2)
    away = mu - 0.5
    expected = 0.5 * (
        np.trace(precision @ covariance, axis1=-2, axis2=-1)
        + np.einsum("bi,ij,bj->b", away, precision, away)
        - 4
        - np.linalg.slogdet(precision)[1]
        - np.linalg.slogdet(covariance)[1]
    )
    np.testing.assert_allclose(layer(params).kl_divergence(prior), expected, rtol=1e-9)


# The operators, against numpy.


def operators():
    generator = np.random.default_rng(3)
    matrix = generator.normal(size=[5, 4, 4])
    sigma, factor = np.exp(generator.normal(size=[5, 4])), generator.normal(size=[5, 4, 2])
    low = sigma[..., None] * np.eye(4) + factor @ np.swapaxes(factor, -1, -2)
    return {
        "invertible": (InvertibleMatrix(tf.constant(matrix), is_non_singular=True), matrix),
        "low rank": (DiagPlusLowRank(tf.constant(sigma), tf.constant(factor)), low),
    }


@pytest.mark.parametrize("name", operators())
@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("further", [(), (3,), (2, 3)], ids=str)
def test_solves_are_those_of_numpy(name, adjoint, further):
    operator, matrix = operators()[name]
    rhs = np.random.default_rng(4).normal(size=[*further, 5, 4, 2])
    dense = np.swapaxes(matrix, -1, -2) if adjoint else matrix
    np.testing.assert_allclose(
        operator.solve(rhs, adjoint=adjoint), np.linalg.solve(dense, rhs), rtol=1e-8
    )
    np.testing.assert_allclose(
        operator.matmul(rhs, adjoint=adjoint), dense @ rhs, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("name", operators())
def test_log_determinants_are_those_of_numpy(name):
    operator, matrix = operators()[name]
    np.testing.assert_allclose(
        operator.log_abs_determinant(), np.linalg.slogdet(matrix)[1], rtol=1e-10
    )


def test_a_new_scale_layer_is_the_identity_plus_what_it_is_given():
    q = tfl.MultivariateNormalScale(3)(tf.zeros([1, 12]))
    np.testing.assert_array_equal(q.covariance()[0], np.eye(3))


@pytest.mark.parametrize(
    ("make", "needs"),
    [
        (lambda: tfl.MultivariateNormalTriL(50), "50 + 50·51/2 = 1325"),
        (lambda: tfl.MultivariateNormalDiag(50), "2·50 = 100"),
        (lambda: tfl.MultivariateNormalScale(50), "50 + 50² = 2550"),
        (lambda: tfl.MultivariateNormalDiagPlusLowRank(50, 2), "2·50 + 50·2 = 200"),
    ],
)
def test_parameters_of_the_wrong_size_are_told_what_was_needed(make, needs):
    with pytest.raises(ValueError, match=r"received shape \(4, 7\)") as error:
        make()(tf.zeros([4, 7]))
    assert needs in str(error.value)


def test_no_use_of_a_distribution_warns(caplog):
    # TFP warns, in 30 lines, of a class that inherits its parent's parameters.
    for layer in (
        tfgen.layers.MultivariateNormalDiag(2),
        tfgen.layers.MultivariateNormalTriL(2),
        tfgen.layers.MultivariateNormalScale(2),
    ):
        q = layer(tf.zeros([3, layer.params_size(2)])).tensor_distribution
        assert q[0].sample().shape == [2]
        assert q.copy().batch_shape == [3]
    assert not caplog.records


@pytest.mark.parametrize("given", ["loc", "scale", "both", "a batch", "another rank"])
def test_kl_of_tril_to_any_diagonal_prior_is_tfps(given):
    layer, params, mu, scale = example("TriL", 4, [3])
    loc, deviations = np.linspace(-1.0, 1.0, 4), np.array([1.0, 2.0, 0.5, 1e-3])
    prior = {
        "loc": lambda: tfd.MultivariateNormalDiag(loc),
        "scale": lambda: tfd.MultivariateNormalDiag(scale_diag=deviations),
        "both": lambda: tfd.MultivariateNormalDiag(loc, deviations),
        "a batch": lambda: tfd.MultivariateNormalDiag(
            loc * np.arange(3)[:, None], deviations
        ),
        "another rank": lambda: tfd.MultivariateNormalDiag(
            loc, deviations * np.arange(1, 6).reshape(5, 1, 1)
        ),
    }[given]()
    expected = tfd.MultivariateNormalTriL(mu, scale).kl_divergence(prior)
    found = layer(params).kl_divergence(prior)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12)
