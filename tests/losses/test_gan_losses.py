"""GAN losses against the divergences they claim to descend, in closed form."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgen import losses

# p_gen = N(0, 1), p_data = N(0.5, 0.8²): narrower, so every moment of the ratio that
# the standard errors below need is finite. The optimal logit is then closed form.
DATA_MEAN, DATA_STDDEV = 0.5, 0.8
NUM_SAMPLES = 200_000


def log_normal(x, mean, stddev):
    return -0.5 * ((x - mean) / stddev) ** 2 - np.log(stddev * np.sqrt(2 * np.pi))


def optimal_logit(x, mean=0.0, stddev=1.0):
    return log_normal(x, DATA_MEAN, DATA_STDDEV) - log_normal(x, mean, stddev)


def slope_of_optimal_logit(x):
    return x - (x - DATA_MEAN) / DATA_STDDEV**2


def integrate(integrand):
    """∫ integrand(x) dx; spectrally accurate for these analytic, decaying functions."""
    x = np.linspace(-12.0, 12.0, 24001)
    return np.sum(integrand(x)) * (x[1] - x[0])


def gradient_of(functional, step=1e-4):
    """Central differences at (mean, stddev) = (0, 1)."""
    by_mean = functional(step, 1.0) - functional(-step, 1.0)
    by_stddev = functional(0.0, 1.0 + step) - functional(0.0, 1.0 - step)
    return np.array([by_mean, by_stddev]) / (2 * step)


def divergence(f_of_log_ratio):
    """(mean, stddev) -> E_gen f(r), f written as a function of log r."""

    def of_generator(mean, stddev):
        return integrate(
            lambda x: (
                np.exp(log_normal(x, mean, stddev))
                * f_of_log_ratio(optimal_logit(x, mean, stddev))
            )
        )

    return of_generator


def kl(a):
    return np.exp(a) * a


def reverse_kl(a):
    return -a


def jensen_shannon(a):
    return 0.5 * (np.exp(a) * a - (1 + np.exp(a)) * (np.log1p(np.exp(a)) - np.log(2)))


def pearson(a):
    return np.expm1(a) ** 2


def squared_hellinger(a):
    return np.expm1(a / 2) ** 2


def alpha_divergence(alpha):
    return lambda a: (np.expm1(alpha * a) - alpha * np.expm1(a)) / (alpha * (alpha - 1))


def ratio_times_log_ratio(r):
    return r * tf.math.log(r)


OBJECTIVES = {
    "maximum likelihood": (losses.MaximumLikelihood(), kl),
    "normalized": (losses.MaximumLikelihood(normalize=True), kl),
    "kl": (losses.FDivergence("kl"), kl),
    "f(r) = r log r": (losses.FDivergence(ratio_times_log_ratio), kl),
    "reverse kl": (losses.FDivergence("reverse_kl"), reverse_kl),
    "f(r) = -log r": (losses.FDivergence(lambda r: -tf.math.log(r)), reverse_kl),
    "jensen-shannon": (losses.FDivergence("jensen_shannon"), jensen_shannon),
    "pearson": (losses.FDivergence("pearson"), pearson),
    "f(r) = (r - 1)²": (losses.FDivergence(lambda r: (r - 1.0) ** 2), pearson),
    "hellinger": (losses.FDivergence("squared_hellinger"), squared_hellinger),
    "alpha -0.25": (losses.FDivergence("alpha", alpha=-0.25), alpha_divergence(-0.25)),
    "alpha 0": (losses.FDivergence("alpha", alpha=0.0), reverse_kl),
    "alpha 0.3": (losses.FDivergence("alpha", alpha=0.3), alpha_divergence(0.3)),
    "alpha 1": (losses.FDivergence("alpha", alpha=1.0), kl),
    "alpha 1.5": (losses.FDivergence("alpha", alpha=1.5), alpha_divergence(1.5)),
    "minimax": (losses.Minimax(), lambda a: 2 * jensen_shannon(a)),
    "non-saturating": (
        losses.NonSaturating(),
        lambda a: reverse_kl(a) - 2 * jensen_shannon(a),
    ),
}


def pathwise_gradient(loss, seed=0):
    """Mean and standard error of dL/d(mean, stddev) by x = mean + stddev eps."""
    eps = np.random.default_rng(seed).standard_normal(NUM_SAMPLES)
    logits = tf.constant(optimal_logit(eps))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss.generator(logits)
    by_logit = tape.gradient(value, logits).numpy() * NUM_SAMPLES
    by_sample = by_logit * slope_of_optimal_logit(eps)
    by_parameter = np.stack([by_sample, by_sample * eps])
    error = by_parameter.std(axis=1) / np.sqrt(NUM_SAMPLES)
    return by_parameter.mean(axis=1), error


@pytest.mark.parametrize("name", OBJECTIVES)
def test_generator_descends_the_divergence_it_names(name):
    # The standard error is at most 0.02 of gradients near 0.5; 4 of them are allowed.
    loss, f = OBJECTIVES[name]
    mean, error = pathwise_gradient(loss)
    np.testing.assert_array_less(error, 0.02)
    exact = gradient_of(divergence(f))
    np.testing.assert_array_less(np.abs(mean - exact), 4 * error + 1e-9)


def test_maximum_likelihood_has_the_gradient_of_the_negative_log_likelihood():
    # -E_data log N(x; m, s²) has the gradients -(δ - m)/s² and 1/s - E(x - m)²/s³.
    exact = np.array([-DATA_MEAN, 1 - DATA_MEAN**2 - DATA_STDDEV**2])
    for normalize in [False, True]:
        mean, error = pathwise_gradient(losses.MaximumLikelihood(normalize), seed=1)
        np.testing.assert_array_less(np.abs(mean - exact), 4 * error)


def test_score_function_form_of_maximum_likelihood_agrees_with_the_pathwise_one():
    # E[exp(a) d log p_gen], with d log p_gen = eps, eps² - 1 at mean 0, stddev 1.
    eps = np.random.default_rng(2).standard_normal(NUM_SAMPLES)
    weighted = -np.exp(optimal_logit(eps)) * np.stack([eps, eps**2 - 1])
    pathwise, error = pathwise_gradient(losses.MaximumLikelihood())
    both = np.hypot(error, weighted.std(axis=1) / np.sqrt(NUM_SAMPLES))
    np.testing.assert_array_less(np.abs(weighted.mean(axis=1) - pathwise), 4 * both)


@pytest.mark.parametrize("f", [tf.tanh, tf.sin, tf.exp], ids=["tanh", "sin", "exp"])
def test_general_objective_has_the_gradient_of_its_score_function_form(f):
    # Claim 3 for any f: d E f(a(G)) = ∫ f(a) dp_gen, with a held fixed.
    def expected_objective(mean, stddev):
        return -integrate(
            lambda x: np.exp(log_normal(x, mean, stddev)) * f(optimal_logit(x)).numpy()
        )

    mean, error = pathwise_gradient(losses.GeneratorObjective(f))
    exact = gradient_of(expected_objective)
    np.testing.assert_array_less(np.abs(mean - exact), 4 * error)


@pytest.mark.parametrize("delta", [0.5, 1.0])
def test_variance_of_the_weights_is_exp_delta_squared_minus_one(delta):
    # For unit Gaussians δ apart. E(w² - E w²)² = e^{6δ²} - e^{2δ²}: the standard error
    # of the mean of w² at δ = 1 is 0.045 of 2.718.
    eps = np.random.default_rng(3).standard_normal(NUM_SAMPLES)
    logits = tf.constant(delta * eps - 0.5 * delta**2)
    first = -float(losses.MaximumLikelihood()(logits))
    second = -float(losses.MaximumLikelihood()(2.0 * logits))
    error = np.sqrt((np.exp(6 * delta**2) - np.exp(2 * delta**2)) / NUM_SAMPLES)
    assert abs(second - first**2 - np.expm1(delta**2)) < 4 * error


def softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def sigmoid(a):
    return np.where(a < 0, np.exp(a), 1) / (1 + np.exp(-np.abs(a)))


EXACT = {
    "maximum_likelihood": (lambda a: -np.exp(a), lambda a: -np.exp(a)),
    "non_saturating": (lambda a: softplus(-a), lambda a: -sigmoid(-a)),
    "minimax": (lambda a: -softplus(a), lambda a: -sigmoid(a)),
    "kl": (lambda a: -np.exp(a), lambda a: -np.exp(a)),
    "reverse_kl": (lambda a: -a, lambda a: -np.ones_like(a)),
    "jensen_shannon": (
        lambda a: 0.5 * (np.log(2) - softplus(a)),
        lambda a: -0.5 * sigmoid(a),
    ),
    "pearson": (lambda a: -np.expm1(2 * a), lambda a: -2 * np.exp(2 * a)),
    "squared_hellinger": (lambda a: -np.expm1(a / 2), lambda a: -np.exp(a / 2) / 2),
    "least_squares": (lambda a: 0.5 * (a - 1) ** 2, lambda a: a - 1),
    "hinge": (lambda a: -a, lambda a: -np.ones_like(a)),
    "wasserstein": (lambda a: -a, lambda a: -np.ones_like(a)),
}
BATCHES = [
    [-1e4, -200.0, -30.0, 0.0],
    [1e4, 1.0],
    [-1e4, 1e4],
    [-1e-6, 2e-6],
    [17.0, 40.0, 80.0],
    [44.0] * 64,
    [88.6] * 64,
    [90.0] + [0.0] * 63,
    [176.0] * 64,
]


def value_and_gradient(objective, logits, **options):
    @tf.function(**options)
    def compute(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = objective(logits)
        return value, tape.gradient(value, logits)

    value, gradient = compute(logits)
    return value.numpy(), gradient.numpy()


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", EXACT)
def test_float32_is_finite_and_right_wherever_it_can_be(name, jit_compile):
    h, slope = EXACT[name]
    largest = np.finfo(np.float32).max
    for batch in BATCHES:
        logits = np.array(batch, np.float32)
        value, gradient = value_and_gradient(
            losses.get_gan_loss(name), tf.constant(logits), jit_compile=jit_compile
        )
        wide = logits.astype(np.longdouble)
        for ours, truth in [
            (value, np.mean(h(wide))),
            (gradient, slope(wide) / len(batch)),
        ]:
            representable = np.abs(truth) < largest
            # exp amplifies the rounding of its argument: 177 · 2⁻²³ = 2e-5.
            np.testing.assert_allclose(
                ours[representable],
                truth[representable].astype(np.float64),
                rtol=5e-5,
                atol=1e-7,
                err_msg=f"{batch[:4]}",
            )
            # Beyond it the overflow shows; nothing is clipped to something finite.
            assert not np.any(np.isfinite(ours[~representable])), batch[:4]


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: str(batch[:3]))
def test_normalized_maximum_likelihood_and_the_discriminator_never_overflow(batch):
    logits = tf.constant(batch)
    value, gradient = value_and_gradient(losses.MaximumLikelihood(normalize=True), logits)
    wide = np.array(batch, np.longdouble)
    shifted = np.exp(wide - wide.max())
    np.testing.assert_allclose(
        value, float(-wide.max() - np.log(shifted.mean())), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_allclose(
        gradient, (-shifted / shifted.sum()).astype(float), rtol=2e-5, atol=1e-30
    )
    loss = losses.NonSaturating()
    value, gradient = value_and_gradient(
        lambda a: loss.discriminator(a, a, label_smoothing=0.1), logits
    )
    exact_value = np.mean(softplus(-wide) + 0.1 * wide + softplus(wide))
    exact_gradient = (sigmoid(wide) - sigmoid(-wide) + 0.1) / len(batch)
    np.testing.assert_allclose(value, float(exact_value), rtol=1e-5)
    np.testing.assert_allclose(gradient, exact_gradient.astype(float), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("name", losses.known_gan_losses())
def test_half_precision_logits_are_reduced_in_float32(name, dtype):
    loss = losses.get_gan_loss(name)
    logits = tf.constant([12.0, -9.0, 0.5], dtype)  # exp(12) overflows float16
    for half, single in [
        (loss(logits, -logits), loss(*[tf.cast(v, tf.float32) for v in (logits, -logits)])),
        (
            loss.discriminator(logits, logits),
            loss.discriminator(*[tf.cast(logits, tf.float32)] * 2),
        ),
    ]:
        assert half.dtype == tf.float32
        assert float(half) == float(single)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_discriminator_loss_is_least_at_the_log_ratio_it_documents(smoothing):
    # A table of one logit a bin: the optimum is where the gradient vanishes.
    real, fake = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    logits = np.log((1 - smoothing) * real / (fake + smoothing * real))
    counts = 10
    logits = tf.constant(logits)

    def objective(table):
        return losses.Minimax().discriminator(
            tf.repeat(table, np.round(real * counts).astype(int)),
            tf.repeat(table, np.round(fake * counts).astype(int)),
            label_smoothing=smoothing,
        )

    _, gradient = value_and_gradient(objective, logits)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)


def test_critics_have_the_losses_of_their_papers():
    real, fake = np.array([2.0, 0.5]), np.array([-3.0, 0.25])
    cases = {
        "least_squares": 0.5 * (np.mean((real - 1) ** 2) + np.mean(fake**2)),
        "hinge": np.mean([0.0, 0.5]) + np.mean([0.0, 1.25]),
        "wasserstein": np.mean(fake) - np.mean(real),
    }
    for name, expected in cases.items():
        loss = losses.get_gan_loss(name)
        assert float(loss.discriminator(real, fake)) == pytest.approx(expected)
        assert not loss.logits_are_log_ratio


def test_penalties_are_those_of_a_known_function():
    # a(x) = |x|² / 2 has ∇a = x.
    x = tf.constant([[3.0, 4.0], [0.0, 1.0]])
    shifted = x + tf.constant([[0.0, 1.0], [1.0, 0.0]])
    quadratic = lambda x: 0.5 * tf.reduce_sum(x**2, axis=-1, keepdims=True)
    assert float(losses.r1_penalty(quadratic, x)) == pytest.approx(0.5 * (25 + 1) / 2)
    ours = losses.wgan_gp_penalty(quadratic, x, shifted, tf.constant([0.25, 1.0]))
    first = np.hypot(3.0, 4.75)
    assert float(ours) == pytest.approx(0.5 * ((first - 1) ** 2 + 0.0), rel=1e-5)


def test_r1_r2_penalises_the_slope_at_data_and_at_samples():
    # a(x) = |x|²/2: the means of |x|² are 13 over the data, 8.5 over the samples.
    quadratic = lambda x: 0.5 * tf.reduce_sum(x**2, axis=-1, keepdims=True)
    real = tf.constant([[3.0, 4.0], [0.0, 1.0]])
    fake = tf.constant([[0.0, 1.0], [4.0, 0.0]])
    assert float(losses.r1_r2_penalty(quadratic, real, fake)) == 0.5 * (13.0 + 8.5)
    # A linear critic's slope is the same everywhere: v = (1, -2), ½ 5 + ½ 5.
    linear = lambda x: x @ tf.constant([[1.0], [-2.0]])
    assert float(losses.r1_r2_penalty(linear, real, fake)) == 5.0


def normal_expectation(function, mean, variance):
    """E function(u), u ~ N(mean, variance), by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    u = mean + np.sqrt(variance) * nodes
    return np.sum(weights * function(u)) / np.sum(weights)


@pytest.mark.parametrize(("slope", "offset"), [(0.5, 0.0), (1.3, 2.0)])
def test_pairing_losses_of_a_linear_critic_are_one_dimensional_integrals(slope, offset):
    # x ~ N(δ, 1), G(z) ~ N(0, 1), a(x) = w x + c: a(x) - a(G) ~ N(w δ, 2 w²), for any c.
    delta, count = 0.7, 200_000
    rng = np.random.default_rng(4)
    real = slope * (delta + rng.standard_normal(count)) + offset
    fake = slope * rng.standard_normal(count) + offset
    loss = losses.RelativisticPairing()
    law = (slope * delta, 2 * slope**2)
    for value, sign in [
        (loss.discriminator(real, fake), -1),
        (loss.generator(fake, real), 1),
    ]:
        exact = normal_expectation(lambda u, s=sign: softplus(s * u), *law)
        second = normal_expectation(lambda u, s=sign: softplus(s * u) ** 2, *law)
        error = np.sqrt((second - exact**2) / count)  # at most 0.004
        assert abs(float(value) - exact) < 4 * error


def test_pairing_critic_is_optimal_at_the_log_ratio_up_to_a_constant():
    # A table of one logit a bin and every pair of data and sample, so exact.
    real = np.repeat([0, 1, 2], [6, 3, 1])
    fake = np.repeat([0, 1, 2], [2, 3, 5])
    pairs = np.eye(3)[[(x, y) for x in real for y in fake]]
    log_ratio = np.log([0.6 / 0.2, 0.3 / 0.3, 0.1 / 0.5])

    def objective(table):
        return losses.RelativisticPairing().discriminator(
            tf.linalg.matvec(pairs[:, 0], table), tf.linalg.matvec(pairs[:, 1], table)
        )

    for constant in [0.0, 3.0]:
        _, gradient = value_and_gradient(objective, tf.constant(log_ratio + constant))
        np.testing.assert_allclose(gradient, 0.0, atol=1e-12)
    _, gradient = value_and_gradient(objective, tf.constant(1.1 * log_ratio))
    assert np.abs(gradient).max() > 1e-3


def test_pairing_generator_has_the_gradient_of_its_integral():
    # a(x) = δ x, optimal for N(δ, 1) against N(θ, 1) at θ = 0:
    # d/dθ E softplus(a(x) - a(θ + ε)) = -δ E sigmoid(u), u ~ N(δ², 2 δ²).
    delta, count = 0.7, 200_000
    rng = np.random.default_rng(5)
    x, eps = delta + rng.standard_normal(count), rng.standard_normal(count)
    theta = tf.Variable(0.0, dtype=tf.float64)
    with tf.GradientTape() as tape:
        value = losses.RelativisticPairing().generator(delta * (theta + eps), delta * x)
    law = (delta**2, 2 * delta**2)
    exact = -delta * normal_expectation(sigmoid, *law)
    second = delta**2 * normal_expectation(lambda u: sigmoid(u) ** 2, *law)
    error = np.sqrt((second - exact**2) / count)  # 0.0003 of 0.4
    assert abs(float(tape.gradient(value, theta)) - exact) < 4 * error


def test_penalty_of_a_flat_critic_has_a_finite_gradient():
    weight = tf.Variable([[0.0]])
    x = tf.ones([4, 1])
    with tf.GradientTape() as tape:
        penalty = losses.wgan_gp_penalty(lambda x: x @ weight, x, 2 * x, tf.fill([4], 0.5))
    assert np.all(np.isfinite(tape.gradient(penalty, weight)))


@keras.saving.register_keras_serializable("tfgen_tests")
def neyman(r):
    return 1.0 / r - 1.0


SERIALISABLE = [
    *(losses.get_gan_loss(name) for name in losses.known_gan_losses()),
    losses.FDivergence("alpha", alpha=0.3),
    losses.FDivergence(neyman),
    losses.GeneratorObjective(neyman),
]


@pytest.mark.parametrize("loss", SERIALISABLE, ids=lambda loss: type(loss).__name__)
def test_config_round_trip_through_json_gives_the_same_losses(loss):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    copy = keras.saving.deserialize_keras_object(config, safe_mode=True)
    assert type(copy) is type(loss)
    real, fake = [0.3, -1.0], [0.7, 0.2]
    assert float(copy(fake, real)) == float(loss(fake, real))
    assert float(copy.discriminator(real, fake)) == float(loss.discriminator(real, fake))


@pytest.mark.parametrize(
    "loss", [losses.GeneratorObjective(tf.exp), losses.FDivergence(lambda r: r)]
)
def test_unregistered_function_is_refused_in_a_config_not_pickled(loss):
    with pytest.raises(ValueError, match="must be registered"):
        loss.get_config()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: losses.get_gan_loss("mle"), ValueError, "Known: 'maximum_likeli"),
        (lambda: losses.get_gan_loss(3), TypeError, "`loss` must be"),
        (lambda: losses.get_gan_loss(tf.exp), TypeError, "maximise.*minimise"),
        (lambda: losses.get_gan_loss(lambda a: a), TypeError, "GeneratorObjective"),
        (lambda: losses.get_gan_loss(losses.Minimax), TypeError, "`loss` must be"),
        (lambda: losses.FDivergence("kld"), ValueError, "'reverse_kl'"),
        (lambda: losses.FDivergence(2.0), TypeError, "`f` must be"),
        (lambda: losses.FDivergence("alpha"), ValueError, "`alpha` must be given"),
        (lambda: losses.FDivergence("kl", alpha=1.0), ValueError, "`alpha` must"),
        (lambda: losses.FDivergence("alpha", np.inf), ValueError, "must be finite"),
        (lambda: losses.GeneratorObjective("exp"), TypeError, "`f` must be"),
        (lambda: losses.MaximumLikelihood(normalize=1), TypeError, "`normalize`"),
        (lambda: losses.Minimax()(np.zeros([0, 1])), ValueError, "at least one"),
        (lambda: losses.Minimax()(np.zeros([4, 2])), ValueError, "one number"),
        (lambda: losses.Minimax()([1, 2]), TypeError, "`fake_logits` must be"),
        (lambda: losses.RelativisticPairing()([1.0]), ValueError, "`real_logits` must be"),
        (
            lambda: losses.RelativisticPairing()([1.0], [1.0, 2.0]),
            ValueError,
            "paired; received 2 and 1",
        ),
        (
            lambda: losses.RelativisticPairing().discriminator([1.0], [1.0, 2.0]),
            ValueError,
            "paired; received 1 and 2",
        ),
        (
            lambda: losses.Minimax().discriminator([1.0], [1.0], label_smoothing=1.0),
            ValueError,
            "`label_smoothing` must lie",
        ),
        (
            lambda: losses.Hinge().discriminator([1.0], [1.0], label_smoothing=0.1),
            ValueError,
            "not defined for Hinge",
        ),
    ],
)
def test_bad_input_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
