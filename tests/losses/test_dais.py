"""Annealed bounds: on Gaussians a chain is a linear map, so all is known exactly."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.gaussian_chain import GaussianChain
from tests.linear_gaussian import LinearGaussian
from tests.losses.test_multi_sample_bounds import POINT, gradients
from tfgen import random
from tfgen.losses import DAIS, HIS, IWLB

tfd = tfp.distributions

# p(z) = N(0, 1), p(x|z) = N(slope z, 1), x = 1, q(z|x) = N(mean, softplus(raw)^2), as in
# test_multi_sample_bounds.


def quadratic_form(point, loss):
    """The matrix M and the constant c of log w = [xi, 1]^T M [xi, 1] + c.

    xi ~ N(0, I) are the numbers that a chain is made of: z and v stay affine in them.
    """
    mean, raw, slope = point
    scale, steps = np.log1p(np.exp(raw)), loss.num_steps
    unit = np.eye(steps + 2)  # a number a row, the constant last
    one = unit[-1]
    z, v = mean * one + scale * unit[0], unit[1]
    matrix = np.outer(unit[0], unit[0])  # -log q(z_0), twice
    step = loss.step_size * scale
    for i in range(1, steps + 1):
        t = 1.0 if isinstance(loss, HIS) else i / steps

        def force(z, t=t):
            of_p = -z + slope * (one - slope * z)
            return t * of_p - (1 - t) * (z - mean * one) / scale**2

        matrix += np.outer(v, v)
        v = v + 0.5 * step * force(z)
        z = z + step * v
        v = v + 0.5 * step * force(z)
        matrix -= np.outer(v, v)
        fresh = unit[min(i + 1, steps)]
        v = loss.momentum * v + np.sqrt(1 - loss.momentum**2) * fresh
    residual = one - slope * z
    matrix -= np.outer(z, z) + np.outer(residual, residual)
    return 0.5 * matrix, np.log(scale) - 0.5 * np.log(2 * np.pi)


def mean_of_log(point, loss):
    matrix, constant = quadratic_form(point, loss)
    return np.trace(matrix) + constant


def log_of_mean(point, loss):
    """log E exp(log w), a Gaussian integral."""
    matrix, constant = quadratic_form(point, loss)
    inner, edge = np.eye(len(matrix) - 1) - 2 * matrix[:-1, :-1], 2 * matrix[:-1, -1]
    exponent = 0.5 * edge @ np.linalg.solve(inner, edge) + matrix[-1, -1]
    return exponent - 0.5 * np.linalg.slogdet(inner)[1] + constant


def log_px(point):
    variance = 1 + point[2] ** 2
    return -0.5 * (1 / variance + np.log(2 * np.pi * variance))


CHAINS = [
    DAIS(1),
    DAIS(4, step_size=0.4),
    DAIS(3, step_size=0.7, momentum=0.0),
    HIS(3, step_size=0.4),
]


@pytest.mark.parametrize("loss", CHAINS, ids=repr)
def test_weights_are_unbiased_and_value_and_gradient_those_of_the_exact_expectation(loss):
    # The formula first: the chain's weights have mean p(x) exactly.
    assert log_of_mean(POINT, loss) == pytest.approx(log_px(POINT), abs=1e-10)
    exact = mean_of_log(POINT, loss)
    assert exact < log_px(POINT)
    moves = 1e-5 * np.eye(3)
    slopes = [
        (mean_of_log(POINT + move, loss) - mean_of_log(POINT - move, loss)) / 2e-5
        for move in moves
    ]
    batch = 20_000
    bound, gradient = gradients(loss, batch)
    error = np.sqrt(batch)
    assert abs(bound.mean() - exact) < 4 * bound.std() / error
    assert np.all(gradient.std(0) / error < 0.03), "too few replicates to tell"
    assert np.all(np.abs(gradient.mean(0) - slopes) < 4 * gradient.std(0) / error)
    ratio = np.exp(bound - log_px(POINT))
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / error


def test_more_steps_are_tighter():
    values = [mean_of_log(POINT, DAIS(num_steps)) for num_steps in (1, 4, 16, 64)]
    for low, high in itertools.pairwise([*values, log_px(POINT)]):
        assert low < high
    assert log_px(POINT) - values[-1] < 0.02


MODEL = LinearGaussian(event_size=6, latent_size=4)


def bounds_of(loss, vae, x, seed=0):
    keys = random.row_keys(seed, 0, tf.range(len(x)))
    result = loss.evaluate(
        vae.encode(x), vae.prior, lambda z: vae._log_likelihood(x, z, {"x": x}), keys
    )
    return result.bound.numpy().astype("float64")


def test_on_a_linear_gaussian_model_dais_lies_between_iwlb_and_log_px():
    _, x = MODEL.sample(3000)
    vae, exact = MODEL.vae(0.2, 1.3), MODEL.log_prob(x)
    one, more = bounds_of(IWLB(1), vae, x), bounds_of(IWLB(4), vae, x)
    chain = bounds_of(DAIS(8), vae, x)
    chains = bounds_of(DAIS(8, num_samples=4), vae, x)
    refined = bounds_of(HIS(3), vae, x)
    for low, high in (
        (one, chain),
        (one, refined),
        (more, chains),
        (chain, chains),
        (chains, exact),
    ):
        difference = high - low
        assert difference.mean() > 4 * difference.std() / np.sqrt(len(x))
    for values in (chain, chains):
        ratio = np.exp(values - exact)
        assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(x))


def small_vae(layer):
    is_flow = layer is tfgen.layers.RealNVP
    posterior = layer(2, num_flows=2, hidden_units=[4]) if is_flow else layer(2)
    size = posterior._params_size()
    encoder = [keras.Input([6]), keras.layers.Dense(size), posterior]
    likelihood = tfgen.layers.IndependentBernoulli([6])
    decoder = [keras.Input([2]), keras.layers.Dense(6), likelihood]
    return tfgen.models.VAE(keras.Sequential(encoder), keras.Sequential(decoder))


X = (np.random.default_rng(0).random([10, 6]) < 0.4).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "layer"),
    [(DAIS(2, 2), "MultivariateNormalTriL"), (HIS(1), "RealNVP")],
    ids=["dais", "his"],
)
def test_fit_trains_the_same_under_xla_as_eagerly(loss, layer):
    # A flow has no standard deviation: its spread is that of draws.
    logs = []
    for options in ({"run_eagerly": True}, {"jit_compile": True}):
        keras.utils.set_random_seed(0)  # of the weights and the noise
        vae = small_vae(getattr(tfgen.layers, layer))
        vae.compile(keras.optimizers.SGD(0.5), loss, **options)
        logs.append(vae.fit(X[:8], batch_size=4, shuffle=False, verbose=0).history)
    for name in ("loss", loss.label, "reconstruction", "kl"):
        np.testing.assert_allclose(logs[0][name], logs[1][name], rtol=2e-4)
    assert logs[0]["loss"][0] == pytest.approx(-logs[0][loss.label][0], rel=1e-5)


def test_chains_of_several_latents_are_unbiased_too():
    # z1 and z2 depend on each other, and all is Gaussian: log p(x) is known.
    model = GaussianChain()
    x = model.sample(2000)
    vae, exact = model.vae(shift=0.2, stretch=1.2), model.log_prob(x)
    values = bounds_of(DAIS(4, step_size=0.3), vae, x)
    ratio = np.exp(values - exact)
    assert ratio.std() < 2.0
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / np.sqrt(len(x))
    difference = values - bounds_of(IWLB(1), vae, x)
    assert difference.mean() > 4 * difference.std() / np.sqrt(len(x))


def test_bound_is_computed_in_float64_where_the_model_is():
    q = tfgen.layers.MultivariateNormalDiag(1, dtype="float64")
    prior = tfd.MultivariateNormalDiag(np.zeros(1), np.ones(1))
    keys = random.row_keys(0, 0, tf.range(1))
    result = DAIS(2).evaluate(
        q(np.array([[0.9, 0.3]])),
        prior,
        lambda z: tfd.Normal(1.2 * z[..., 0], np.float64(1.0)).log_prob(1.0),
        keys,
    )
    assert result.bound.dtype == tf.float64
    np.testing.assert_allclose(result.bound, gradients(DAIS(2), 1)[0], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: DAIS(0), ValueError, r"`num_steps` must be at least 1; received 0"),
        (lambda: DAIS(2.0), TypeError, r"`num_steps` must be a positive integer"),
        (lambda: DAIS(2, 0), ValueError, r"`num_samples` must be at least 1; received 0"),
        (lambda: DAIS(2, step_size=0), ValueError, r"`step_size` must be above 0"),
        (lambda: DAIS(2, step_size=-1), ValueError, r"`step_size` must be finite and at"),
        (lambda: DAIS(2, step_size="1"), TypeError, r"`step_size` must be a number"),
        (lambda: DAIS(2, momentum=1.5), ValueError, r"`momentum` must lie in \[0, 1\]"),
        (lambda: HIS(0), ValueError, r"`num_steps` must be at least 1; received 0"),
        (lambda: compiled("OneHotCategorical"), ValueError, "reparameterized"),
        (
            lambda: compiled("RelaxedOneHotCategorical", temperature=0.5),
            ValueError,
            r"`loss` DAIS.*relaxed latents.*IWLB",
        ),
    ],
)
def test_bad_arguments_are_named(make, error, match):
    with pytest.raises(error, match=match):
        make()


def compiled(name, **kwargs):
    layer = getattr(tfgen.layers, name)
    encoder = [keras.Input([6]), keras.layers.Dense(2), layer(2, **kwargs)]
    likelihood = tfgen.layers.IndependentBernoulli([6])
    decoder = [keras.Input([2]), keras.layers.Dense(6), likelihood]
    prior = tfgen.layers.LearnedPrior(layer(2, **kwargs))
    vae = tfgen.models.VAE(keras.Sequential(encoder), keras.Sequential(decoder), prior)
    vae.compile("adam", DAIS(2), run_eagerly=True)


@pytest.mark.parametrize("loss", [DAIS(2, 3, 0.25, 0.9), HIS(2, 3, 0.25)], ids=repr)
def test_config_gives_the_same_loss_again(loss):
    again = tfgen.losses.get_bound(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert repr(again) == repr(loss)
    assert again.momentum == loss.momentum
