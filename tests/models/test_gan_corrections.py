"""Corrections of a GAN's samples, where the log-ratio and the law are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tfgen import models, random
from tfgen.models.gan.corrections import fit_calibration

MEAN, STDDEV = 0.7, np.sqrt(0.8)
layers = keras.layers
CORRECTIONS = {
    "rejection": models.RejectionSampling(),
    "metropolis_hastings": models.MetropolisHastings(),
    "langevin": models.LatentLangevin(num_steps=40, step_size=0.9),
}


def gaussians(slope=1.0, constant=0.0, **options):
    """G(z) = z, so p_gen = N(0, 1); a = slope (log N(x; 0.7, 0.8) - log N(x; 0, 1)) + c."""
    generator = keras.Sequential([keras.Input([1]), layers.Dense(1)])
    generator.set_weights([np.ones([1, 1]), np.zeros([1])])
    x = keras.Input([1])
    powers = layers.Concatenate()([x, layers.Multiply()([x, x])])
    discriminator = keras.Model(x, layers.Dense(1)(powers))
    variance = STDDEV**2
    kernel = np.array([[MEAN / variance], [0.5 - 0.5 / variance]])
    bias = np.array([-0.5 * MEAN**2 / variance - np.log(STDDEV)])
    discriminator.set_weights([slope * kernel, slope * bias + constant])
    gan = models.GAN(generator, discriminator, latent_dim=1)
    gan.compile("adam", "adam", jit_compile=False, **options)
    return gan


@pytest.fixture(scope="module")
def exact():
    return gaussians()


def held_out(count, seed=0):
    noise = np.random.default_rng(seed).standard_normal([count, 1])
    return (MEAN + STDDEV * noise).astype("float32")


def check_law(x, count):
    """Kolmogorov-Smirnov at 1 in 1000, mean and variance by 4 standard errors."""
    x = x.numpy()[:, 0].astype(np.float64)
    assert len(x) == count
    assert stats.kstest(x, "norm", (MEAN, STDDEV)).pvalue > 1e-3
    assert abs(x.mean() - MEAN) < 4 * STDDEV / np.sqrt(count)
    assert abs(x.var() - STDDEV**2) < 4 * STDDEV**2 * np.sqrt(2 / count)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_corrected_samples_have_the_law_of_the_data(exact, name):
    check_law(exact.sample(10_000, seed=1, correction=CORRECTIONS[name]), 10_000)
    plain = exact.sample(10_000, seed=1).numpy()[:, 0]
    assert stats.kstest(plain, "norm", (MEAN, STDDEV)).pvalue < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRECTIONS)
def test_a_hundred_thousand_corrected_samples_have_the_law_of_the_data(exact, name):
    check_law(exact.sample(100_000, seed=0, correction=CORRECTIONS[name]), 100_000)


def test_rejection_accepts_at_the_rate_of_its_bound(exact):
    # The largest log-ratio is at x = 3.5: 1.225 - log(0.8) / 2.
    bound = 1.225 - np.log(0.8) / 2
    correction = models.RejectionSampling(log_bound=bound)
    _, info = exact.sample(4000, seed=0, correction=correction, return_info=True)
    # 4,000 acceptances of rate r: a relative standard error of sqrt((1 - r) / 4000).
    rate = np.exp(-bound)
    assert info.acceptance_rate == pytest.approx(rate, rel=4 * np.sqrt((1 - rate) / 4000))
    assert info.log_bound == bound
    np.testing.assert_array_equal(info.num_accepted, 1)
    assert info.num_proposals.sum() == pytest.approx(4000 / rate, rel=0.06)
    found = exact.sample(1, seed=0, correction="rejection", return_info=True)[1].log_bound
    assert found == pytest.approx(bound, abs=0.02)


def test_rows_that_accept_nothing_get_a_proposal_by_its_weight(exact):
    # At M = 7 the rate is 0.0009, so that of 200 proposals a row most rows accept none.
    correction = models.RejectionSampling(num_proposals=200, log_bound=7.0)
    with pytest.warns(RuntimeWarning, match=r"of the samples are not corrected.*rate"):
        x, info = exact.sample(2000, seed=0, correction=correction, return_info=True)
    assert (info.num_accepted == 0).mean() > 0.7
    check_law(x, 2000)


@pytest.mark.parametrize("name", CORRECTIONS)
def test_a_constant_added_to_the_logit_changes_nothing(exact, name):
    shifted = gaussians(constant=2.5).sample(500, seed=3, correction=CORRECTIONS[name])
    expected = exact.sample(500, seed=3, correction=CORRECTIONS[name])
    # A draw on the edge of acceptance may fall to the other side by rounding.
    assert np.mean(np.abs(shifted - expected) > 1e-4) < 0.01


def test_a_logit_that_is_too_large_gives_a_wrong_law_and_calibration_mends_it():
    gan = gaussians(slope=1.5, constant=0.4)
    x = gan.sample(4096, seed=0, correction="rejection").numpy()[:, 0]
    assert stats.kstest(x, "norm", (MEAN, STDDEV)).pvalue < 1e-9
    calibration = gan.calibrate(held_out(20_000), seed=1)
    # The logit is 1.5 a + 0.4, so a = (logit - 0.4) / 1.5.
    assert abs(calibration.slope - 2 / 3) < 4 * calibration.slope_error
    assert abs(calibration.intercept + 0.4 / 1.5) < 4 * calibration.intercept_error
    assert calibration.slope_error < 0.05
    assert calibration.error_after < 0.02 < calibration.error_before
    assert abs(calibration.z_after) < 4 < abs(calibration.z_before)
    mended = models.RejectionSampling(calibration=calibration)
    check_law(gan.sample(4096, seed=1, correction=mended), 4096)
    x = held_out(100)
    ratio = gan.log_density_ratio(x, calibration=calibration)
    np.testing.assert_allclose(ratio, gaussians().log_density_ratio(x), atol=0.15)


def test_calibration_is_logistic_regression_by_another_implementation():
    sklearn = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    real, fake = rng.normal(1.0, 2.0, 400), rng.normal(-0.5, 1.0, 400)
    ours = fit_calibration(real, fake)
    x = np.concatenate([real[::2], fake[::2]])[:, None]
    theirs = sklearn.LogisticRegression(C=1e8, tol=1e-10).fit(x, np.arange(400) < 200)
    assert ours.slope == pytest.approx(theirs.coef_[0, 0], rel=1e-4)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-4)
    assert ours.log_bound == pytest.approx(
        ours.slope * max(real.max(), fake.max()) + ours.intercept
    )


@pytest.mark.parametrize("name", CORRECTIONS)
def test_a_sample_is_its_seed_alone_and_is_served_so(exact, tmp_path, name):
    seeds = [5, -7, 2**62]
    together = exact.sample(seed=seeds, correction=CORRECTIONS[name]).numpy()
    alone = [exact.sample(seed=[s], correction=CORRECTIONS[name])[0] for s in seeds]
    np.testing.assert_allclose(alone, together, atol=1e-5)
    path = exact.export(tmp_path / "gan", corrections={name: CORRECTIONS[name]})
    served = tf.saved_model.load(path).signatures[f"sample_{name}"]
    outputs = served(seed=tf.constant(seeds, tf.int64))
    np.testing.assert_allclose(outputs["samples"], together, atol=1e-5)
    assert (outputs["num_accepted"].numpy() >= 1).all()


def test_a_first_proposal_that_is_accepted_is_the_plain_sample(exact):
    x, info = exact.sample(300, seed=0, correction="rejection", return_info=True)
    first = info.num_proposals == 1
    assert 30 < first.sum() < 150
    np.testing.assert_allclose(x[first], exact.sample(300, seed=0)[first], atol=1e-6)


def test_a_correction_that_accepts_nothing_stops_and_says_why(exact):
    correction = models.RejectionSampling(num_proposals=3, log_bound=60.0)
    message = (
        r"accepted none of 30 proposals, a rate below 0.033.*lower `log_bound` than 60"
    )
    with pytest.raises(RuntimeError, match=message):
        exact.sample(10, seed=0, correction=correction)


@pytest.mark.parametrize("loss", ["wasserstein", "hinge", "least_squares"])
def test_a_critic_is_refused_with_the_reason(loss, tmp_path):
    gan = gaussians(loss=loss)
    for call in (
        lambda: gan.sample(2, correction="rejection"),
        lambda: gan.calibrate(held_out(10)),
        lambda: gan.export(tmp_path / "gan", corrections={"mh": "metropolis_hastings"}),
    ):
        with pytest.raises(ValueError, match="makes it a critic: its optimum is not"):
            call()


def test_pairs_know_the_ratio_but_for_a_constant_which_calibration_finds():
    gan = gaussians(constant=3.0, loss="relativistic_pairing")
    check_law(gan.sample(4000, seed=0, correction="metropolis_hastings"), 4000)
    with pytest.raises(ValueError, match=r"lacks a constant, which `GAN\.calibrate` finds"):
        gan.log_density_ratio(held_out(10))
    calibration = gan.calibrate(held_out(20_000), seed=0)
    assert abs(calibration.intercept + 3 * calibration.slope) < 0.2
    x = held_out(50)
    ratio = gan.log_density_ratio(x, calibration=calibration)
    np.testing.assert_allclose(ratio, gaussians().log_density_ratio(x), atol=0.2)


def test_a_ratio_that_is_none_is_warned_of():
    with pytest.warns(RuntimeWarning, match=r"exp\(a\) over .* is 2\d\.\d.*should be 1"):
        gaussians(constant=np.log(25.0)).log_density_ratio(held_out(4))
    with pytest.warns(RuntimeWarning, match=r"rests on \d\.\d of 1000 samples"):
        gaussians(slope=30.0).log_density_ratio(held_out(4))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_true_ratio_is_not_warned_of(exact):
    exact.log_density_ratio(held_out(4))


def conditional():
    """p(x|c) = N(m_c, 1) of a generator of N(0, 1): a = m_c x - m_c^2 / 2."""
    z, c = keras.Input([1], name="z"), keras.Input([], dtype="int32", name="c")
    nothing = layers.Embedding(2, 1, embeddings_initializer="zeros")(c)
    generator = keras.Model([z, c], layers.Add()([z, nothing]))
    x, c = keras.Input([1], name="x"), keras.Input([], dtype="int32", name="c")
    slope, offset = layers.Embedding(2, 1), layers.Embedding(2, 1)
    terms = [layers.Multiply()([x, slope(c)]), offset(c)]
    discriminator = keras.Model([x, c], layers.Add()(terms))
    slope.set_weights([np.array([[-0.5], [1.0]])])
    offset.set_weights([np.array([[-0.125], [-0.5]])])
    gan = models.GAN(generator, discriminator, latent_dim=1)
    gan.compile("adam", "adam", jit_compile=False)
    return gan


def test_a_condition_has_its_own_law():
    gan, c = conditional(), np.arange(6000) % 2
    x = gan.sample(seed=0, condition={"c": c}, correction="metropolis_hastings").numpy()
    for label, mean in enumerate([-0.5, 1.0]):
        of_class = x[c == label, 0]
        assert stats.kstest(of_class, "norm", (mean, 1.0)).pvalue > 1e-3
    with pytest.raises(ValueError, match="`log_bound` of the correction must be given"):
        gan.sample(seed=0, condition={"c": c}, correction="rejection")


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_outside_the_range_are_refused_before_any_step(label):
    gan = conditional()
    c = np.array([0, 1, label, 1])
    x = np.zeros([4, 1], "float32")
    with pytest.raises(ValueError, match=r"`x\['c'\]` must hold labels from 0 to 1"):
        gan.fit({"x": x, "c": c}, verbose=0)
    with pytest.raises(ValueError, match=r"`condition\['c'\]` must hold labels"):
        gan.sample(condition={"c": c})


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: models.RejectionSampling(num_proposals=0), ValueError, "at least 1"),
        (lambda: models.RejectionSampling(log_bound=np.inf), ValueError, "finite"),
        (lambda: models.MetropolisHastings(num_steps=1.5), TypeError, "`num_steps`"),
        (lambda: models.LatentLangevin(step_size=0.0), ValueError, "`step_size`.*positive"),
        (lambda: models.LatentLangevin(calibration=2.0), TypeError, "`GAN.calibrate`"),
    ],
)
def test_bad_arguments_are_refused_when_a_correction_is_made(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"correction": "azadi"}, ValueError, "Known: 'rejection'"),
        ({"correction": 3}, TypeError, "`correction` must be a name"),
        ({"return_info": True}, ValueError, "without a `correction`"),
    ],
)
def test_bad_requests_are_refused(exact, options, error, message):
    with pytest.raises(error, match=message):
        exact.sample(2, seed=0, **options)


def test_bad_calibrations_are_refused(exact):
    peak = np.full([50, 1], 3.5, "float32")  # where the log-ratio is largest
    with pytest.raises(ValueError, match="separated from the samples without an error"):
        exact.calibrate(peak, seed=0)
    with pytest.raises(ValueError, match="must have larger logits"):
        gaussians(slope=-1.0).calibrate(held_out(500), seed=0)
    with pytest.raises(ValueError, match="`bound_quantile` must lie"):
        exact.calibrate(held_out(50), bound_quantile=0.0)
    with pytest.raises(ValueError, match="at least 4 examples"):
        exact.calibrate(held_out(3))


def test_noise_of_a_correction_is_no_noise_of_the_sample():
    keys = random.row_keys(0, 0, tf.range(4))
    streams = {stream.value for stream in random.Stream}
    assert len(streams) == len(random.Stream.__members__)
    accept = random.uniform(random.stream(keys, random.Stream.ACCEPT))
    resample = random.uniform(random.stream(keys, random.Stream.RESAMPLE))
    assert (np.abs(accept - resample) > 1e-4).all()
