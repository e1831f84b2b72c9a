"""log p(x) by importance sampling, against a model whose log p(x) is known."""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import LogLikelihood, bits_per_dimension, log_likelihood
from tfgen.evaluation.pareto import pareto_shape, tail_length
from tfgen.models import importance
from tfgen.models.importance import WeightSums

MODEL = LinearGaussian()
_, X = MODEL.sample(400)


def test_estimates_lie_within_their_standard_errors_of_the_exact_log_px():
    exact = MODEL.log_prob(X)
    log_p, error, ess, _ = log_likelihood(MODEL.vae(0.1, 1.3), X, 1000, seed=0)
    z = (log_p.numpy() - exact) / error.numpy()
    # z is near N(0, 1): of 400 its mean has a standard error of 0.05, its spread 0.035.
    assert abs(z.mean()) < 0.25
    assert 0.8 < z.std() < 1.25
    assert np.all((ess.numpy() > 10) & (ess.numpy() < 1000))


def test_error_and_effective_sample_size_are_those_of_the_weights():
    vae = MODEL.vae(0.1, 1.3)
    log_w = vae.log_weights(X[:5], 50, seed=2).numpy().astype("float64")
    w = np.exp(log_w - log_w.max(0))
    result = log_likelihood(vae, X[:5], 50, seed=2)
    np.testing.assert_allclose(
        result.log_prob, np.log(w.mean(0)) + log_w.max(0), rtol=0, atol=2e-5
    )
    np.testing.assert_allclose(
        result.effective_sample_size, w.sum(0) ** 2 / (w**2).sum(0), rtol=1e-4
    )
    relative = w.std(0, ddof=1) / w.mean(0) / np.sqrt(50)
    np.testing.assert_allclose(result.standard_error, relative, rtol=1e-3)


def test_true_posterior_has_no_error_and_every_sample_counts():
    result = log_likelihood(MODEL.vae(), X[:20], 100, seed=0)
    np.testing.assert_allclose(result.log_prob, MODEL.log_prob(X[:20]), atol=5e-4)
    np.testing.assert_allclose(result.effective_sample_size, 100.0, rtol=1e-3)
    assert np.all(result.standard_error.numpy() < 1e-2)


def check_blocks(vae, whole):
    parts = log_likelihood(vae, X[:7], 100, seed=3)
    for name, a in whole._asdict().items():
        tolerance = 1e-3 if name == "pareto_k" else 2e-5 * np.abs(a)
        np.testing.assert_array_less(np.abs(getattr(parts, name) - a), tolerance)


# One row and 34 samples, the last block short; three rows, the last block filled up.
@pytest.mark.parametrize("numbers", [34, 300])
def test_blocks_do_not_change_the_estimate(monkeypatch, numbers):
    vae = MODEL.vae(0.1, 1.3)
    whole = log_likelihood(vae, X[:7], 100, seed=3)
    monkeypatch.setattr(importance, "_BLOCK_NUMBERS", 256 * numbers)
    check_blocks(vae, whole)


# Two rows at a time, the last time filled up, in a program of all or of four, the last
# of these filled up; one row and 34 samples, the last program short.
@pytest.mark.slow
@pytest.mark.parametrize(("at_once", "at_all"), [(200, 700), (200, 400), (34, 68)])
def test_blocks_in_a_program_of_xla_do_not_change_it(monkeypatch, at_once, at_all):
    vae = MODEL.vae(0.1, 1.3)
    whole = log_likelihood(vae, X[:7], 100, seed=3)
    monkeypatch.setattr(importance, "_XLA_NUMBERS", 0)
    monkeypatch.setattr(importance, "_XLA_BLOCK_NUMBERS", 256 * at_once)
    monkeypatch.setattr(importance, "_XLA_PROGRAM_NUMBERS", 256 * at_all)
    largest = []
    of = WeightSums.of

    def spy(log_weights, keep):
        largest.append(int(np.prod(log_weights.shape)))
        return of(log_weights, keep)

    monkeypatch.setattr(WeightSums, "of", spy)
    check_blocks(vae, whole)
    assert 0 < max(largest) <= at_once


def test_model_without_an_xla_kernel_falls_back_to_the_graph(monkeypatch):
    vae = MODEL.vae(0.1, 1.3)
    plain = vae.log_prob(X[:4], 20, seed=0)
    inner = vae.decoder

    def decoder(z, training=False):
        z = tf.reshape(tf.strings.to_number(tf.strings.as_string(z, 9)), tf.shape(z))
        return inner(tf.ensure_shape(z, [None, 3]), training=training)

    monkeypatch.setattr(vae, "_log_likelihood", lambda y, z, given: _via(decoder, y, z))
    monkeypatch.setattr(importance, "_XLA_NUMBERS", 0)
    np.testing.assert_allclose(vae.log_prob(X[:4], 20, seed=0), plain, rtol=1e-4)
    tried = [options for _, *options in vae._programs]
    assert [("jit_compile", True)] in tried, "XLA was never tried"


def _via(decoder, y, z):
    flat = decoder(tf.reshape(z, [-1, 3]))
    tiled = tf.tile(y, [tf.shape(z)[0], 1])
    return tf.reshape(flat.log_prob(tiled), tf.shape(z)[:2])


def test_small_effective_sample_size_warns_and_says_what_to_do():
    bad = MODEL.vae(shift=2.0, stretch=0.3)
    with pytest.warns(UserWarning, match=r"of 20 examples.*refine.*num_samples.*annealed"):
        log_likelihood(bad, X[:20], 200, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log_likelihood(MODEL.vae(), X[:20], 3, seed=0)  # few samples, all of them good


def gaussian_estimates(stretch, size, rows=400, num_samples=1000, seed=0):
    """Estimates of log 1 = 0 by q = N(0, stretch^2 I) for the posterior N(0, I)."""
    eps = np.random.default_rng(seed).normal(size=[num_samples, rows, size])
    log_w = size * np.log(stretch) + 0.5 * (1 - stretch**2) * np.sum(eps**2, axis=-1)
    sums = WeightSums.of(tf.constant(log_w), keep=tail_length(num_samples) + 1)
    return LogLikelihood.of(sums, num_samples)


@pytest.mark.parametrize("size", [1, 3, 10, 20])
@pytest.mark.parametrize("stretch", [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 1.2])
def test_errors_cover_the_truth_where_nothing_is_flagged(size, stretch):
    # The standard error of a coverage of .95 over 400 rows is .011: .93 - 2 x .011.
    result = gaussian_estimates(stretch, size)
    flagged = result.is_untrustworthy(1000)
    covered = np.abs(result.log_prob) <= 2 * result.standard_error.numpy()
    if flagged.mean() < 1:
        assert covered[~flagged].mean() > 0.93 - 0.022
    if covered.mean() < 0.9:
        assert flagged.all(), "errors that miss were not flagged"
    if stretch >= 0.9:
        assert flagged.mean() < 0.05


def test_shape_of_the_tail_comes_from_the_models_own_weights():
    vae = MODEL.vae(stretch=0.7)
    log_w = np.sort(vae.log_weights(X[:5], 300, seed=2).numpy(), axis=0)[::-1]
    result = log_likelihood(vae, X[:5], 300, seed=2)
    expected = pareto_shape(log_w[: tail_length(300) + 1])
    np.testing.assert_allclose(result.pareto_k, expected, atol=1e-3)
    few = log_likelihood(MODEL.vae(), X[:5], 20, seed=2)
    assert np.isnan(few.pareto_k).all()


def test_posterior_from_outside_leaves_a_vamp_prior_as_it_is():
    # Four inputs, as many as a posterior over two latents has raw parameters: what was
    # once taken for an input of the prior's own encoder.
    encoder = keras.Sequential(
        [
            keras.Input([4]),
            keras.layers.Dense(4),
            tfgen.layers.MultivariateNormalDiag(2),
        ]
    )
    decoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(8), tfgen.layers.IndependentNormal([4])]
    )
    vae = tfgen.models.VAE(encoder, decoder, tfgen.layers.VampPrior(3))
    x = np.random.default_rng(0).normal(size=[6, 4]).astype("float32")
    z = np.random.default_rng(1).normal(size=[6, 2]).astype("float32")
    by_encoder = log_likelihood(vae, x, 200, seed=0)
    prior, weights = vae.prior.log_prob(z).numpy(), [w.numpy() for w in vae.weights]
    outside = log_likelihood(vae, x, 200, seed=0, posterior=vae.encode(x))
    np.testing.assert_allclose(outside.log_prob, by_encoder.log_prob, atol=1e-5)
    np.testing.assert_array_equal(vae.prior.log_prob(z), prior)
    for before, after in zip(weights, vae.weights, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("policy", ["float64", "mixed_float16"])
def test_policies_of_other_precision_agree(policy):
    keras.config.set_dtype_policy(policy)
    try:
        vae = MODEL.vae(0.1, 1.3)
        result = log_likelihood(vae, X[:5], 500, seed=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(value.dtype == vae.variable_dtype for value in result)
    off = 4 * result.standard_error + (0.0 if policy == "float64" else 0.5)
    assert np.all(np.abs(result.log_prob - MODEL.log_prob(X[:5])) < off)


@pytest.mark.slow
def test_refined_posterior_mends_a_bad_encoder():
    bad = MODEL.vae(shift=2.0, stretch=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = log_likelihood(
            bad, X[:20], 500, seed=0, posterior=bad.refine(X[:20], 200, seed=1)
        )
    np.testing.assert_allclose(result.log_prob, MODEL.log_prob(X[:20]), atol=0.02)


def test_bits_per_dimension_of_a_uniform_byte_is_eight():
    np.testing.assert_allclose(bits_per_dimension(12 * np.log(1 / 256), [3, 4]), 8.0)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_samples": 1}, ValueError, r"`num_samples` must be at least 2.*received 1"),
        ({"num_samples": 0}, ValueError, r"`num_samples` must be at least 1; received 0"),
        ({"num_samples": 5.0}, TypeError, r"`num_samples`.*5\.0"),
        ({"posterior": X}, TypeError, r"`posterior` must be made by a layer"),
        (
            {"posterior": MODEL.vae().encode(X[3:])},
            ValueError,
            r"one distribution for each",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        log_likelihood(MODEL.vae(), X, **arguments)


@pytest.mark.slow
def test_memory_is_bounded_for_many_images_and_samples(run_python):
    # 5,000 samples of 784 pixels for 2 x 100 images: the second hundred needs no more
    # memory than the first, so 10,000 images don't either. At once it would need 1,568 MB
    # more; the peaks of runs and calls that need the same were up to 210 MB apart.
    code = """
import resource, numpy as np, keras, tfgen
tanh = lambda: keras.layers.Dense(200, "tanh")
encoder = keras.Sequential([keras.Input([784]), tanh(), keras.layers.Dense(100),
                            tfgen.layers.MultivariateNormalDiag(50)])
decoder = keras.Sequential([keras.Input([50]), tanh(), keras.layers.Dense(784),
                            tfgen.layers.IndependentBernoulli([784])])
vae = tfgen.models.VAE(encoder, decoder)
x = np.random.default_rng(0).integers(0, 2, [10_000, 784]).astype("float32")
import warnings; warnings.simplefilter("ignore")
peaks = []
for part in (x[:100], x[:200]):
    tfgen.evaluation.log_likelihood(vae, part, 5000, seed=0)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(*peaks)
"""
    first, second = map(int, re.findall(r"\d+", run_python(code, timeout=600)))
    assert second < 3000
    assert second - first < 500
