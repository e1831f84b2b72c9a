"""Bounds on log p(x), against closed forms, quadrature and exact log-likelihoods."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian, SharedScale, marginal, softplus_inverse
from tfgen import random
from tfgen.losses import ELBO, IWLB, Renyi

tfd = tfp.distributions

# p(z) = N(0, 1), p(x|z) = N(z, 1), x = 1: log p(x) = log N(1; 0, 2).
LOG_PX = -1.515512
PRIOR = tfd.MultivariateNormalDiag(tf.zeros([1]), tf.ones([1]))
LAYER = tfgen.layers.MultivariateNormalDiag(1)

# (mean, variance) of q(z|x), and the design's L_1, L_5, L_50 with their uncertainties.
TABLE = [
    ((0.0, 1.0), (-1.918939, -1.55754, -1.51901), (1e-6, 1.5e-4, 1.4e-4)),
    ((0.7, 0.5), (-1.555512, -1.52363, -1.51632), (1e-6, 0.6e-4, 0.6e-4)),
    ((0.5, 0.5), (-1.515512, -1.515512, -1.515512), (1e-6, 1e-6, 1e-6)),
]


def log_likelihood(z):
    return tfd.Normal(z[..., 0], 1.0).log_prob(1.0)


def posterior(mean, variance, batch=1):
    """q(z|x), `batch` times over, so that a batch holds replicates."""
    raw = softplus_inverse(np.sqrt(variance))
    return LAYER(tf.constant(np.tile([mean, raw], [batch, 1]), tf.float32))


def keys(batch, seed=0):
    return random.row_keys(seed, 0, tf.range(batch))


def replicates(loss, q, batch, seed=0):
    """`batch` independent values of a bound, in float64."""
    evaluate = tf.function(
        lambda: (
            loss.evaluate(
                posterior(*q, batch), PRIOR, log_likelihood, keys(batch, seed)
            ).bound
        ),
        autograph=False,
        jit_compile=True,
    )
    return evaluate().numpy().astype("float64")


def mean_and_error(values):
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize(("q", "expected", "uncertainty"), TABLE)
def test_bounds_are_the_designs(q, expected, uncertainty):
    cases = [
        (ELBO(kl="monte_carlo"), 400_000),
        (IWLB(5), 200_000),
        (IWLB(50), 20_000),
    ]
    for (loss, batch), value, sigma in zip(cases, expected, uncertainty, strict=True):
        mean, error = mean_and_error(replicates(loss, q, batch))
        assert abs(mean - value) < 4 * np.hypot(error, sigma) + 1e-6, loss


@pytest.mark.parametrize(("q", "expected", "uncertainty"), TABLE)
def test_log_px_of_many_samples_is_the_designs(q, expected, uncertainty):
    # The delta method's standard error of log mean w.
    batch, count = 20, 50_000
    z, log_q = tfgen.layers.sample_and_log_prob(posterior(*q, batch), keys(batch), count)
    log_w = log_likelihood(z) + PRIOR.log_prob(z) - log_q
    weights = np.exp(log_w.numpy().astype("float64")).ravel()
    error = weights.std() / weights.mean() / np.sqrt(weights.size)
    assert abs(np.log(weights.mean()) - LOG_PX) < 4 * error + 1e-6


def test_log_weights_do_not_spread_at_the_true_posterior():
    z, log_q = tfgen.layers.sample_and_log_prob(posterior(0.5, 0.5, 100), keys(100), 1000)
    log_w = (log_likelihood(z) + PRIOR.log_prob(z) - log_q).numpy()
    assert np.ptp(log_w) < 1e-5
    np.testing.assert_allclose(log_w, LOG_PX, atol=1e-5)


def test_analytic_elbo_is_the_closed_form():
    # E_q log p(x|z) - KL has noise of the reconstruction alone; average it exactly:
    # -log(2 pi)/2 - ((1 - m)^2 + v)/2 - (v + m^2 - 1 - log v)/2.
    for (m, v), (l1, _, _), _ in TABLE:
        exact = (
            -0.5 * np.log(2 * np.pi)
            - 0.5 * ((1 - m) ** 2 + v)
            - 0.5 * (v + m**2 - 1 - np.log(v))
        )
        assert exact == pytest.approx(l1, abs=1e-6)
        mean, error = mean_and_error(replicates(ELBO(kl="analytic"), (m, v), 200_000))
        assert abs(mean - exact) < 4 * error


def test_l2_is_the_double_integral_over_both_samples():
    # Gauss-Hermite in both samples knows the answer without any noise.
    m, v = 0.0, 1.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    z = m + np.sqrt(v) * nodes
    log_w = (
        tfd.Normal(z, np.float64(1)).log_prob(1.0)
        + tfd.Normal(np.float64(0), 1.0).log_prob(z)
        - tfd.Normal(np.float64(m), np.sqrt(v)).log_prob(z)
    ).numpy()
    pairs = np.logaddexp(log_w[:, None], log_w[None, :]) - np.log(2)
    exact = weights @ pairs @ weights
    mean, error = mean_and_error(replicates(IWLB(2), (m, v), 300_000))
    assert error < 2e-3
    assert abs(mean - exact) < 4 * error


@pytest.mark.parametrize("name", ["reparameterized", "stl", "dreg"])
def test_one_sample_iwlb_is_the_monte_carlo_elbo_on_the_same_noise(name):
    q = posterior(0.7, 0.5, 64)
    iwlb = IWLB(1, estimator=name).evaluate(q, PRIOR, log_likelihood, keys(64))
    elbo = ELBO(kl="monte_carlo").evaluate(q, PRIOR, log_likelihood, keys(64))
    for a, b in zip(iwlb[:4], elbo[:4], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_logged_parts_add_up_to_the_bound():
    for loss in (ELBO(3), ELBO(3, kl="monte_carlo"), ELBO(3, beta=4.0)):
        result = loss.evaluate(posterior(0.7, 0.5, 8), PRIOR, log_likelihood, keys(8))
        np.testing.assert_allclose(
            result.bound, result.reconstruction - result.kl, atol=1e-6
        )


def test_beta_weighs_the_objective_and_not_the_bound():
    plain, heavy = (
        ELBO(beta=beta).evaluate(posterior(0.7, 0.5, 8), PRIOR, log_likelihood, keys(8))
        for beta in (1.0, 4.0)
    )
    np.testing.assert_array_equal(heavy.bound, plain.bound)
    np.testing.assert_allclose(
        heavy.objective, heavy.reconstruction - 4.0 * heavy.kl, atol=1e-6
    )


def test_beta_changes_inside_a_graph_that_was_traced_before():
    loss = ELBO(beta=1.0)
    q = posterior(0.7, 0.5, 8)
    traces = []

    @tf.function(autograph=False)
    def objective():
        traces.append(1)
        return loss.evaluate(q, PRIOR, log_likelihood, keys(8))

    before = objective()
    loss.beta.assign(0.0)
    after = objective()
    assert len(traces) == 1
    np.testing.assert_allclose(after.objective, before.reconstruction, atol=1e-6)
    np.testing.assert_array_equal(after.bound, before.bound)


# A linear-Gaussian model of 10 dimensions.

MODEL = LinearGaussian()
SIZES = (1, 2, 5, 10, 100)


def _linear_gaussian_bounds(shift, stretch, num=2000):
    """L_K of every example and the exact log p(x): {K: [num]}, [num]."""
    _, x = MODEL.sample(num)
    vae = MODEL.vae(shift, stretch)
    log_w = vae.log_weights(x, sum(SIZES), seed=3).numpy().astype("float64")
    bounds, start = {}, 0
    for size in SIZES:  # each K on samples of its own
        part = log_w[start : start + size]
        bounds[size] = np.logaddexp.reduce(part, axis=0) - np.log(size)
        start += size
    return bounds, MODEL.log_prob(x)


def test_bounds_rise_with_k_and_stay_below_the_exact_log_px():
    bounds, exact = _linear_gaussian_bounds(shift=0.1, stretch=1.5)
    for small, large in itertools.pairwise(SIZES):
        mean, error = mean_and_error(bounds[large] - bounds[small])
        assert mean > -4 * error, (small, large)
    mean, error = mean_and_error(bounds[2] - bounds[1])
    assert mean > 4 * error, "L_2 must be strictly above L_1 where q is not the posterior"
    for size, values in bounds.items():
        mean, error = mean_and_error(values - exact)
        assert mean < 4 * error, size
    mean, _ = mean_and_error(bounds[100] - exact)
    assert mean > -0.05, "L_100 must be near the exact log p(x)"


def test_bounds_are_the_exact_log_px_at_the_true_posterior():
    bounds, exact = _linear_gaussian_bounds(shift=0.0, stretch=1.0, num=200)
    for values in bounds.values():
        np.testing.assert_allclose(values, exact, atol=2e-4)


@pytest.mark.slow
def test_linear_vae_trained_by_fit_reaches_the_maximum_likelihood_ppca():
    # Tipping and Bishop: the maximum of the likelihood has sigma^2 the mean of the
    # discarded eigenvalues, and W from the kept ones.
    _, x = LinearGaussian(seed=5).sample(2000)
    latent = 3
    mean, covariance = x.mean(0, dtype="float64"), np.cov(x.T.astype("float64"), bias=True)
    values, vectors = np.linalg.eigh(covariance)
    sigma2 = values[:-latent].mean()
    w = vectors[:, -latent:] * np.sqrt(values[-latent:] - sigma2)
    best = marginal(w, mean, np.sqrt(sigma2)).log_prob(x.astype("float64")).numpy().mean()

    layer = tfgen.layers.MultivariateNormalTriL(latent)
    encoder = keras.Sequential(
        [keras.Input([10]), keras.layers.Dense(layer.params_size(latent)), layer]
    )
    decoder = keras.Sequential(
        [
            keras.Input([latent]),
            keras.layers.Dense(10),
            SharedScale(),
            tfgen.layers.IndependentNormal([10]),
        ]
    )
    vae = tfgen.models.VAE(encoder, decoder)
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 3000)
    vae.compile(
        keras.optimizers.Adam(schedule), "elbo", steps_per_execution=20, jit_compile=True
    )
    vae.fit(x, batch_size=200, epochs=300, verbose=0)
    kernel, bias = decoder.layers[0].get_weights()
    (raw,) = decoder.layers[1].get_weights()
    reached = marginal(kernel.T, bias, np.log1p(np.exp(float(raw))))
    gap = best - reached.log_prob(x.astype("float64")).numpy().mean()
    assert -1e-6 < gap < 0.05


def test_eager_graph_and_xla_agree():
    losses = [
        ELBO(2),
        IWLB(5, estimator="stl"),
        IWLB(20, estimator="dreg", backward_samples=2),
        Renyi(0.5, 5),
    ]

    def run(loss, raw):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            result = loss.evaluate(LAYER.distribution(raw), PRIOR, log_likelihood, keys(16))
            objective = tf.reduce_sum(result.objective)
        return (*result[:4], tape.gradient(objective, raw))

    raw = posterior(0.7, 0.5, 16).raw_parameters
    for loss in losses:
        eager = run(loss, raw)
        for jit in (False, True):
            compiled = tf.function(run, autograph=False, jit_compile=jit)(loss, raw)
            for a, b in zip(eager, compiled, strict=True):
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5, err_msg=repr(loss))


# Renyi's bound.


def test_renyi_bound_spans_elbo_and_iwlb():
    log_w = tf.constant(np.random.default_rng(0).normal(size=[50, 200]) - 90, tf.float32)
    np.testing.assert_allclose(
        tfgen.losses.renyi(log_w, 0.0), tfgen.losses.iwlb(log_w), atol=2e-5
    )
    previous = tfgen.losses.renyi(log_w, -2.0)
    for alpha in (-1.0, 0.0, 0.5, 0.99, 1.01, 2.0, 5.0):  # falls as alpha rises
        value = tfgen.losses.renyi(log_w, alpha)
        assert np.all(value <= previous + 1e-5), alpha
        previous = value


@pytest.mark.parametrize("alpha", [-1.0, 0.5, 0.999, 1.0 - 1e-5, 1.0 + 1e-5, 1.5, 3.0])
def test_renyi_keeps_its_digits_near_alpha_one(alpha):
    log_w = np.random.default_rng(1).normal(size=[50, 100]) * 2 - 90
    log_w = log_w.astype("float32")
    order = 1 - np.float64(alpha)
    wide = log_w.astype("float64")
    largest = wide.max(0)
    power = order * (wide - largest)
    exact = largest + np.log1p(np.mean(np.expm1(power), axis=0)) / order
    np.testing.assert_allclose(tfgen.losses.renyi(log_w, alpha), exact, atol=1e-4)


def test_renyi_of_impossible_samples_is_no_nan():
    log_w = tf.constant([[-np.inf], [0.0]])
    np.testing.assert_allclose(tfgen.losses.renyi(log_w, 0.5), [2 * np.log(0.5)], rtol=1e-6)
    assert tfgen.losses.renyi(tf.fill([2, 1], -np.inf), 0.5)[0] == -np.inf


def test_renyi_bound_is_the_closed_form_of_many_samples():
    # With q = N(m, v) the integral of p(x, z)^(1 - a) q(z)^a is Gaussian.
    m, v, alpha = 0.0, 1.0, 0.5
    z = np.linspace(-12, 12, 200_001)
    log_joint = tfd.Normal(z, np.float64(1)).log_prob(1.0) + tfd.Normal(
        np.float64(0), 1.0
    ).log_prob(z)
    log_q = tfd.Normal(np.float64(m), np.sqrt(v)).log_prob(z)
    integrand = np.exp((1 - alpha) * log_joint + alpha * log_q)
    exact = np.log(np.trapezoid(integrand, z)) / (1 - alpha)
    values = replicates(Renyi(alpha, 1000), (m, v), 4000)
    mean, error = mean_and_error(values)
    assert abs(mean - exact) < 4 * error + 1e-3  # the bias at 1,000 samples is below 1e-3
    assert replicates(Renyi(-1.0, 1000), (m, v), 4000).mean() > LOG_PX > mean


def test_renyi_with_a_negative_order_is_labelled_an_upper_bound():
    assert Renyi(-1.0).label == "renyi_upper"
    assert Renyi(0.5).label == "renyi"


# Bad input.


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: IWLB(0), ValueError, r"`num_samples` must be at least 1; received 0"),
        (lambda: IWLB(-3), ValueError, r"`num_samples`.*received -3"),
        (lambda: ELBO(1.5), TypeError, r"`num_samples` must be a positive integer.*1\.5"),
        (lambda: ELBO(True), TypeError, r"`num_samples`"),
        (lambda: IWLB(5, "wimco"), ValueError, r"`estimator`.*'dreg'.*received 'wimco'"),
        (
            lambda: ELBO(estimator="dreg"),
            ValueError,
            r"\['reparameterized', 'stl', 'reinforce'",
        ),
        (lambda: ELBO(kl="exact"), ValueError, r"`kl`.*received 'exact'"),
        (lambda: ELBO(kl="analytic", estimator="stl"), ValueError, r"monte_carlo"),
        (lambda: ELBO(beta=-1.0), ValueError, r"`beta`.*-1"),
        (lambda: ELBO(beta=float("nan")), ValueError, r"`beta`.*nan"),
        (lambda: ELBO(beta=float("inf")), ValueError, r"`beta`.*inf"),
        (lambda: IWLB(5, backward_samples=6), ValueError, r"`backward_samples`.*5.*6"),
        (lambda: IWLB(5, backward_samples=0), ValueError, r"`backward_samples`"),
        (lambda: IWLB(5, backward_samples=2.0), TypeError, r"`backward_samples`"),
        (lambda: Renyi(1.0), ValueError, r"`alpha`.*ELBO"),
        (lambda: Renyi(float("inf")), ValueError, r"`alpha` must be finite"),
        (lambda: Renyi("0.5"), TypeError, r"`alpha` must be a number"),
        (lambda: tfgen.losses.renyi(tf.zeros([2, 1]), 1), ValueError, r"elbo"),
        (lambda: tfgen.losses.get_bound("elbow"), ValueError, r"'elbo'.*'iwlb'.*'elbow'"),
        (lambda: tfgen.losses.get_bound(3), TypeError, r"`loss`.*received 3"),
    ],
)
def test_bad_arguments_are_named(make, error, match):
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(
    "loss",
    [
        ELBO(2, kl="monte_carlo", estimator="stl", beta=0.5),
        IWLB(7, estimator="dreg", backward_samples=3),
        Renyi(-0.5, 4),
    ],
    ids=repr,
)
def test_config_gives_the_same_loss_again(loss):
    config = keras.saving.serialize_keras_object(loss)
    again = tfgen.losses.get_bound(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()


def test_analytic_kl_of_a_pair_without_one_is_refused():
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.zeros([2])),
        tfd.MultivariateNormalDiag(tf.zeros([2, 1]), tf.ones([2, 1])),
    )
    with pytest.raises(ValueError, match=r"`kl` 'analytic'.*'monte_carlo' or 'auto'"):
        ELBO(kl="analytic").check(posterior(0.0, 1.0), mixture)
    ELBO(kl="auto").check(posterior(0.0, 1.0), mixture)
    assert "Monte Carlo KL" in ELBO().describe(posterior(0.0, 1.0), mixture)
    assert "analytic KL" in ELBO().describe(posterior(0.0, 1.0), PRIOR)
