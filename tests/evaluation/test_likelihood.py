"""log p(x) by importance sampling, against a model whose log p(x) is known."""

import re
import warnings

import numpy as np
import pytest
import tensorflow as tf

from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import bits_per_dimension, log_likelihood

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


@pytest.mark.parametrize("xla", [False, True])
def test_blocks_do_not_change_the_estimate(monkeypatch, xla):
    from tfgen.models import importance

    vae = MODEL.vae(0.1, 1.3)
    whole = log_likelihood(vae, X[:7], 100, seed=3)
    # Blocks of 3 rows, the last one filled up, and of 34 samples, the last one short.
    monkeypatch.setattr(importance, "_BLOCK_NUMBERS", 256 * 34)
    one_row = log_likelihood(vae, X[:7], 100, seed=3)
    monkeypatch.setattr(importance, "_BLOCK_NUMBERS", 256 * 300)
    monkeypatch.setattr(importance, "_XLA_NUMBERS", 0 if xla else 2**40)
    three_rows = log_likelihood(vae, X[:7], 100, seed=3)
    for a, b, c in zip(whole, one_row, three_rows, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5)
        np.testing.assert_allclose(c, a, rtol=2e-5)


def test_model_without_an_xla_kernel_falls_back_to_the_graph(monkeypatch):
    from tfgen.models import importance

    vae = MODEL.vae(0.1, 1.3)
    plain = vae.log_prob(X[:4], 20, seed=0)
    inner = vae.decoder

    def decoder(z, training=False):
        z = tf.reshape(tf.strings.to_number(tf.strings.as_string(z, 9)), tf.shape(z))
        return inner(tf.ensure_shape(z, [None, 3]), training=training)

    monkeypatch.setattr(vae, "_log_likelihood", lambda y, z: _via(decoder, y, z))
    monkeypatch.setattr(importance, "_XLA_NUMBERS", 0)
    np.testing.assert_allclose(vae.log_prob(X[:4], 20, seed=0), plain, rtol=1e-4)
    assert "_block_sums, XLA" in vae._functions, "XLA was never tried"


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
        ({"posterior": X}, TypeError, r"`posterior` must be what `model.refine`"),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        log_likelihood(MODEL.vae(), X, **arguments)


@pytest.mark.slow
def test_memory_is_bounded_for_many_images_and_samples(run_python):
    # 5,000 samples of 784 pixels for 2 x 100 images: the second hundred needs no more
    # memory than the first, which is all that grows, so 10,000 images don't either.
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
    assert second - first < 200
