"""MIWAE, CIWAE, PIWAE, Renyi with DReG and the TVO: order, gradients, special cases."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen import random
from tfgen.losses import CIWAE, DAIS, ELBO, IWLB, MIWAE, PIWAE, TVO, Renyi, elbo, iwlb
from tfgen.losses.estimators import DReG

tfd = tfp.distributions

# p(z) = N(0, 1), p(x|z) = N(slope z, 1), x = 1, and q(z|x) = N(mean, softplus(raw)^2).
PRIOR = tfd.MultivariateNormalDiag(tf.zeros([1]), tf.ones([1]))
LAYER = tfgen.layers.MultivariateNormalDiag(1)
POINT = np.array([0.9, 0.3, 1.2])  # mean, raw, slope: q is off, and wide enough


def gradients(loss, batch, seed=0, point=POINT):
    """The bound and the gradient in (mean, raw, slope) of each replicate: [B], [B, 3]."""
    keys = random.row_keys(seed, 0, tf.range(batch))
    parameters = tf.tile(tf.constant(point, tf.float32)[tf.newaxis], [batch, 1])
    with tf.GradientTape() as tape:
        tape.watch(parameters)

        def log_likelihood(z):
            return tfd.Normal(parameters[:, 2] * z[..., 0], 1.0).log_prob(1.0)

        q = LAYER.distribution(parameters[:, :2])
        result = loss.evaluate(q, PRIOR, log_likelihood, keys)
        objective = tf.reduce_sum(result.objective)
    return [
        value.numpy().astype("float64")
        for value in (result.bound, tape.gradient(objective, parameters))
    ]


def expectation(reduce, count, point, nodes):
    """E reduce(log w) over `count` samples, by Gauss-Hermite in each, in float64."""
    mean, raw, slope = point
    scale = np.log1p(np.exp(raw))
    eps, weights = np.polynomial.hermite_e.hermegauss(nodes)
    weights = weights / weights.sum()
    z = mean + scale * eps
    log_w = -0.5 * ((1 - slope * z) ** 2 + z**2 + np.log(2 * np.pi)) + (
        0.5 * eps**2 + np.log(scale)
    )
    grid = np.stack([g.ravel() for g in np.meshgrid(*[log_w] * count, indexing="ij")])
    mass = functools.reduce(np.multiply.outer, [weights] * count).ravel()
    return float(mass @ reduce(tf.constant(grid)).numpy())


def exact_gradient(reduce, count, nodes=40, step=1e-4):
    """Central differences of the exact expectation, in (mean, raw, slope)."""
    moves = step * np.eye(3)
    ends = [
        [expectation(reduce, count, POINT + sign * move, nodes) for sign in (1, -1)]
        for move in moves
    ]
    return np.array([(up - down) / (2 * step) for up, down in ends])


def assert_gradient(loss, exact, batch=20_000):
    _, sampled = gradients(loss, batch)
    error = sampled.std(0) / np.sqrt(batch)
    assert np.all(error < 0.03), "too few replicates to tell"
    assert np.all(np.abs(sampled.mean(0) - exact) < 4 * error + 1e-6), repr(loss)


def renyi(alpha):
    return functools.partial(tfgen.losses.renyi, alpha=alpha)


@pytest.mark.parametrize(
    ("reduce", "losses"),
    [
        (iwlb, [MIWAE(3, 2), MIWAE(3, 2, "dreg"), PIWAE(1, 2), PIWAE(1, 2, "dreg")]),
        (CIWAE(2, 0.3).reduce, [CIWAE(2, 0.3), CIWAE(2, 0.3, "dreg")]),
        (renyi(0.4), [Renyi(0.4, 2), Renyi(0.4, 2, "dreg")]),
        (renyi(-0.5), [Renyi(-0.5, 2, "dreg")]),
        (TVO(2, (0.0, 0.2, 0.6)).reduce, [TVO(2, (0.0, 0.2, 0.6))]),
    ],
    ids=["l2", "ciwae", "renyi", "renyi_upper", "tvo"],
)
def test_gradient_is_that_of_the_exact_expectation(reduce, losses):
    exact = exact_gradient(reduce, 2)
    for loss in losses:
        assert_gradient(loss, exact)


@pytest.mark.parametrize("estimator", ["reparameterized", "dreg"])
def test_piwae_gives_the_encoder_a_looser_bound_than_the_decoder(estimator):
    loose, tight = exact_gradient(iwlb, 2), exact_gradient(iwlb, 4, nodes=18)
    exact = np.array([*loose[:2], tight[2]])
    assert np.all(np.abs(loose - tight) > 0.03), "the two must be told apart"
    assert_gradient(PIWAE(2, 2, estimator), exact, batch=40_000)


def test_piwae_is_exact_where_weights_underflow():
    # The second group's weights are e^-150 of the first's: 0 in float32. Its encoder's
    # gradient is still that of its own bound.
    def log_likelihood(z):
        return tf.constant([[0.0], [-150.0]]) + 2.0 * z[..., 0]

    def gradient(loss):
        keys = random.row_keys(0, 0, tf.range(1))
        raw = tf.constant([[0.3, 0.5]])
        with tf.GradientTape() as tape:
            tape.watch(raw)
            result = loss.evaluate(LAYER.distribution(raw), PRIOR, log_likelihood, keys)
            objective = tf.reduce_sum(result.objective)
        return tape.gradient(objective, raw)

    np.testing.assert_allclose(gradient(PIWAE(2, 1)), gradient(MIWAE(2, 1)), rtol=1e-4)


KEYS = random.row_keys(0, 0, tf.range(7))

# The linear-Gaussian model, whose log p(x) is known.

MODEL = LinearGaussian()


@functools.cache
def log_weights():
    """Log-weights `[24, 1000]` by a q that is off, and the exact log p(x) `[1000]`."""
    _, x = MODEL.sample(1000)
    log_w = MODEL.vae(0.2, 1.8).log_weights(x, 24, seed=3)
    return log_w, MODEL.log_prob(x)


def test_bounds_are_ordered_and_below_the_exact_log_px():
    log_w, exact = log_weights()
    chain = [
        elbo(log_w),
        MIWAE(8, 3).reduce(log_w),
        MIWAE(2, 12).reduce(log_w),
        iwlb(log_w),
        exact,
    ]
    for low, high in itertools.pairwise(chain):
        difference = np.asarray(high, "float64") - np.asarray(low, "float64")
        error = difference.std() / np.sqrt(len(difference))
        assert difference.mean() > 4 * error


def test_ciwae_and_tvo_lie_between_elbo_and_iwlb_for_every_example():
    log_w, _ = log_weights()
    low, high = elbo(log_w), iwlb(log_w)
    one = TVO(24, (0.0, 0.3)).reduce(log_w)
    more = TVO(24, (0.0, 0.1, 0.3, 0.6)).reduce(log_w)  # a finer sum: closer to the end
    for a, b in itertools.pairwise([low, one, more, high]):
        assert np.all(a < b)
    for a, b in itertools.pairwise([1.0, 0.8, 0.2, 0.0]):
        assert np.all(CIWAE(24, a).reduce(log_w) < CIWAE(24, b).reduce(log_w))


def test_fine_tvo_is_the_iwlb():
    # The integral over b of the mean of log w by shares w^b is log mean w.
    log_w, _ = log_weights()
    fine = TVO(24, np.arange(400) / 400).reduce(log_w)
    np.testing.assert_allclose(fine, iwlb(log_w), atol=0.06)


def same(left, right, batch=64, atol=2e-6, point=POINT):
    for a, b in zip(gradients(left, batch), gradients(right, batch), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=atol)


@pytest.mark.parametrize("estimator", ["reparameterized", "dreg"])
def test_special_cases_are_the_bounds_they_name_in_value_and_gradient(estimator):
    five = IWLB(5, estimator)
    mean = ELBO(5, "monte_carlo", "stl" if estimator == "dreg" else estimator)
    same(MIWAE(1, 5, estimator), five)
    same(MIWAE(5, 1, estimator), mean)
    same(PIWAE(1, 5, estimator), five)
    same(CIWAE(5, 0.0, estimator), five)
    same(CIWAE(5, 1.0, estimator), mean)
    same(Renyi(0.0, 5, estimator), five)
    same(Renyi(1 - 1e-4, 5, estimator), mean, atol=3e-3)


def test_special_cases_of_the_tvo():
    same(TVO(5, (0.0,)), ELBO(5, "monte_carlo"))
    same(TVO(1), ELBO(1, "monte_carlo"))


ONE_SAMPLE = [IWLB(1), MIWAE(1, 1), PIWAE(1, 1), CIWAE(1), TVO(1), Renyi(0.5, 1)]


@pytest.mark.parametrize("loss", ONE_SAMPLE, ids=repr)
def test_one_sample_of_one_example_gives_the_elbo(loss):
    same(loss, ELBO(1, "monte_carlo"), batch=1)


@pytest.mark.parametrize(
    "loss", [MIWAE(2, 2), PIWAE(2, 2), CIWAE(4), TVO(4), Renyi(0.5, 4)], ids=repr
)
def test_nothing_is_rounded_to_float32_under_float64(loss):
    # Moves of 1e-12 in the mean are seen, and small ones are those of the gradient.
    layer = tfgen.layers.MultivariateNormalDiag(1, dtype="float64")
    prior = tfd.MultivariateNormalDiag(np.zeros(1), np.ones(1))
    keys = random.row_keys(0, 0, tf.range(1))

    def evaluate(mean):
        q = layer.distribution(tf.stack([mean, tf.constant(0.3, tf.float64)])[None])
        return loss.evaluate(
            q,
            prior,
            lambda z: tfd.Normal(1.2 * z[..., 0], np.float64(1.0)).log_prob(1.0),
            keys,
        ).objective[0]

    mean = tf.constant(0.9, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        value = evaluate(mean)
    assert value.dtype == tf.float64
    if not isinstance(loss, PIWAE):
        slope = (evaluate(mean + 1e-7) - evaluate(mean - 1e-7)) / 2e-7
        np.testing.assert_allclose(tape.gradient(value, mean), slope, rtol=1e-6)
    assert evaluate(mean + 1e-12) != value


def test_dreg_of_renyi_vanishes_at_the_posterior():
    # Slope 1.2: the posterior is N(1.2 / 2.44, 1 / 2.44).
    scale = np.sqrt(1 / 2.44)
    posterior = np.array([1.2 / 2.44, np.log(np.expm1(scale)), 1.2])
    losses = Renyi(0.5, 8, "dreg"), MIWAE(2, 4, "dreg"), CIWAE(8, 0.5, "dreg")
    for loss in losses:
        assert np.abs(gradients(loss, 64, point=posterior)[1][:, :2]).max() < 1e-5
    assert np.abs(gradients(Renyi(0.5, 8), 64, point=posterior)[1][:, :2]).max() > 1e-2


def test_impossible_samples_give_no_nan():
    log_w = tf.constant([[-np.inf], [0.0], [1.0]])
    assert TVO(3).reduce(log_w)[0] == -np.inf  # as the ELBO, its first term
    assert np.isfinite(PIWAE(1, 3).reduce(log_w)[0])


def test_one_fit_logs_each_bound_under_its_label():
    _, x = MODEL.sample(20)
    vae = MODEL.vae(0.3)
    for loss in (MIWAE(2, 2, "dreg"), PIWAE(2, 2, "dreg"), CIWAE(2), TVO(2)):
        vae.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
        logs = vae.fit(x, batch_size=10, verbose=0).history
        assert logs["loss"][0] == pytest.approx(-logs[loss.label][0], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_bounds_under_mixed_precision_are_computed_in_float32(policy):
    layer = tfgen.layers.MultivariateNormalDiag(2, dtype=policy)
    encoder = [keras.Input([4]), keras.layers.Dense(4, dtype=policy), layer]
    likelihood = tfgen.layers.IndependentNormal([4], dtype=policy)
    decoder = [keras.Input([2]), keras.layers.Dense(8, dtype=policy), likelihood]
    vae = tfgen.models.VAE(keras.Sequential(encoder), keras.Sequential(decoder))
    x = np.random.default_rng(0).normal(size=[7, 4]).astype("float32")
    for loss in (
        MIWAE(2, 2, "dreg"),
        PIWAE(2, 2),
        CIWAE(3),
        TVO(3),
        Renyi(0.5, 3),
        DAIS(2),
    ):
        vae.compile(keras.optimizers.SGD(0.01), loss, run_eagerly=True)
        vae.fit(x, batch_size=6, verbose=0)  # the last batch has one row
        result = vae._predict_terms({"x": tf.constant(x)}, x, KEYS, True).evaluation
        assert result.bound.dtype == result.objective.dtype == tf.float32
        assert np.isfinite(result.bound).all()


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: MIWAE(0, 2), ValueError, r"`num_groups` must be at least 1; received 0"),
        (lambda: MIWAE(2, 0), ValueError, r"`group_size` must be at least 1; received 0"),
        (lambda: MIWAE(2.0, 2), TypeError, r"`num_groups` must be a positive integer"),
        (lambda: MIWAE(2, 2, "stl"), ValueError, r"`estimator` of MIWAE.*'dreg'.*'stl'"),
        (lambda: CIWAE(2, 1.5), ValueError, r"`beta` must lie in \[0, 1\]; received 1\.5"),
        (lambda: CIWAE(2, float("nan")), ValueError, r"`beta`.*nan"),
        (lambda: CIWAE(2, "1"), TypeError, r"`beta` must be a number; received '1'"),
        (lambda: CIWAE(0), ValueError, r"`num_samples` must be at least 1; received 0"),
        (lambda: PIWAE(2, 0), ValueError, r"`group_size` must be at least 1; received 0"),
        (lambda: Renyi(0.5, 0), ValueError, r"`num_samples` must be at least 1"),
        (lambda: Renyi(1.0, 2), ValueError, r"`alpha` must differ from 1; received 1"),
        (lambda: Renyi(float("inf"), 2), ValueError, r"`alpha` must be finite"),
        (lambda: TVO(0), ValueError, r"`num_samples` must be at least 1; received 0"),
        (
            lambda: CIWAE(2, -0.1),
            ValueError,
            r"`beta` must lie in \[0, 1\]; received -0\.1",
        ),
        (lambda: TVO(2, (0.1, 0.5)), ValueError, r"`betas` must begin with 0"),
        (lambda: TVO(2, (0.0, 0.5, 0.5)), ValueError, r"`betas`.*increase"),
        (lambda: TVO(2, (0.0, 1.0)), ValueError, r"`betas`.*below 1"),
        (lambda: TVO(2, ()), ValueError, r"`betas`.*received \(\)"),
        (lambda: TVO(2, 0.5), TypeError, r"`betas` must be a sequence.*received 0\.5"),
        (lambda: ELBO(5, estimator=DReG()), ValueError, r"`estimator` of ELBO.*DReG"),
        (
            lambda: MIWAE(2, 2).reduce(tf.zeros([4, 1]), tf.zeros([4, 1])),
            ValueError,
            r"`estimator` of MIWAE must draw z from q",
        ),
    ],
)
def test_bad_arguments_are_named(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(
    "loss",
    [
        MIWAE(2, 3, "dreg"),
        PIWAE(2, 3, DReG()),
        CIWAE(4, 0.25),
        TVO(4, (0.0, 0.5)),
        Renyi(0.5, 4, "dreg"),
    ],
    ids=repr,
)
def test_config_gives_the_same_loss_again(loss):
    again = tfgen.losses.get_bound(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert repr(again) == repr(loss)
    assert again.num_samples == loss.num_samples
