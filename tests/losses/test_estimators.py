"""Gradient estimators: unbiased where they say so, never a change of value."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen import random
from tfgen.losses import ELBO, IWLB

tfd = tfp.distributions

MODEL = LinearGaussian(event_size=4, latent_size=2, sigma=0.8)
LAYER = tfgen.layers.MultivariateNormalTriL(2)
PRIOR = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
W, B = (tf.constant(value, tf.float32) for value in (MODEL.w, MODEL.b))
_, X = MODEL.sample(1)


def raw_posterior(shift, stretch):
    """Raw parameters `[P]` of a posterior that is off by a shift and a stretch."""
    return MODEL.encoder(shift, stretch)(X).raw_parameters[0]


def gradients(loss, raw, batch, seed=0):
    """Values and gradients of each of `batch` replicates: [B], [B, P], [B, 8].

    The second gradient is the decoder's, in W, one copy of W a replicate.
    """

    def run(keys):
        encoder_params = tf.tile(raw[tf.newaxis], [batch, 1])
        decoder_params = tf.tile(W[tf.newaxis], [batch, 1, 1])
        with tf.GradientTape() as tape:
            tape.watch([encoder_params, decoder_params])

            def log_likelihood(z):
                mean = tf.einsum("bij,kbj->kbi", decoder_params, z) + B
                normal = tfd.MultivariateNormalDiag(mean, tf.fill([4], MODEL.sigma))
                return normal.log_prob(X[0])

            posterior = LAYER.distribution(encoder_params)
            result = loss.evaluate(posterior, PRIOR, log_likelihood, keys)
            objective = tf.reduce_sum(result.objective)
        encoder, decoder = tape.gradient(objective, [encoder_params, decoder_params])
        return result.bound, encoder, tf.reshape(decoder, [batch, -1])

    if batch > 1000:  # else compiling takes longer than running
        run = tf.function(run, autograph=False, jit_compile=True)
    outputs = run(random.row_keys(seed, 0, tf.range(batch)))
    return [value.numpy().astype("float64") for value in outputs]


def assert_means_agree(a, b, what):
    """Per component within 4 standard errors of a difference of independent means."""
    difference = a.mean(0) - b.mean(0)
    error = np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
    assert np.all(np.abs(difference) < 4 * error + 1e-6), what
    assert np.all(error < 0.05), f"{what}: too few replicates to tell"


OFF = raw_posterior(shift=0.3, stretch=1.4)

ESTIMATORS = {
    "elbo": [
        ELBO(kl="analytic"),
        ELBO(kl="monte_carlo"),
        ELBO(estimator="stl"),
        IWLB(1, estimator="dreg"),
    ],
    "iwlb": [
        IWLB(8),
        IWLB(8, estimator="dreg"),
        IWLB(8, backward_samples=1),
        IWLB(8, estimator="dreg", backward_samples=2),
    ],
}


@pytest.mark.parametrize("bound", ESTIMATORS)
def test_unbiased_estimators_agree_in_the_mean(bound):
    batch = 40_000
    first, *others = ESTIMATORS[bound]
    _, encoder, decoder = gradients(first, OFF, batch, seed=0)
    for seed, loss in enumerate(others, start=1):
        _, other_encoder, other_decoder = gradients(loss, OFF, batch, seed=seed)
        assert_means_agree(encoder, other_encoder, f"{loss!r}, encoder")
        assert_means_agree(decoder, other_decoder, f"{loss!r}, decoder")


def test_gradient_of_the_elbo_is_the_derivative_of_its_closed_form():
    # Not one estimator against another: the closed form, differentiated in float64.
    raw = tf.cast(OFF, tf.float64)
    layer = tfgen.layers.MultivariateNormalTriL(2, dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(raw)
        q = layer.distribution(raw).tensor_distribution
        residual = X[0].astype("float64") - MODEL.b - tf.linalg.matvec(MODEL.w, q.mean())
        spread = tf.linalg.trace(MODEL.w @ q.covariance() @ MODEL.w.T)
        squares = tf.reduce_sum(residual**2) + spread
        prior = tfd.MultivariateNormalDiag(tf.zeros([2], tf.float64))
        elbo = -0.5 * squares / MODEL.sigma**2 - tfd.kl_divergence(q, prior)
    exact = tape.gradient(elbo, raw).numpy()
    for loss in (ELBO(kl="analytic"), ELBO(estimator="stl")):
        _, encoder, _ = gradients(loss, OFF, 40_000)
        error = encoder.std(0) / np.sqrt(len(encoder))
        assert np.all(np.abs(encoder.mean(0) - exact) < 4 * error), repr(loss)


def test_stl_is_biased_on_the_importance_weighted_bound():
    # Known (arXiv 1810.04152, section 3). If this fails, the warning is to go.
    _, plain, _ = gradients(IWLB(8), OFF, 40_000, seed=0)
    _, stl, _ = gradients(IWLB(8, estimator="stl"), OFF, 40_000, seed=1)
    error = np.sqrt(plain.var(0) / len(plain) + stl.var(0) / len(stl))
    assert np.max(np.abs(plain.mean(0) - stl.mean(0)) / error) > 10


def test_estimators_do_not_change_the_value():
    for family in (
        [IWLB(8, estimator=name) for name in ("reparameterized", "stl", "dreg")]
        + [IWLB(8, estimator="dreg", backward_samples=3), IWLB(8, backward_samples=1)],
        [ELBO(kl="monte_carlo"), ELBO(estimator="stl")],
    ):
        values = [gradients(loss, OFF, 100)[0] for loss in family]
        for loss, value in zip(family[1:], values[1:], strict=True):
            np.testing.assert_allclose(value, values[0], atol=2e-6, err_msg=repr(loss))


@pytest.mark.parametrize(
    "loss",
    [
        ELBO(estimator="stl"),
        IWLB(8, estimator="stl"),
        IWLB(8, estimator="dreg"),
        IWLB(8, estimator="dreg", backward_samples=1),
    ],
    ids=repr,
)
def test_encoder_gradient_vanishes_at_the_true_posterior(loss):
    # Of the mean over a batch, as in training: |gradient| < 1e-5 where the
    # reparameterized one is a thousand times that.
    exact = raw_posterior(0.0, 1.0)
    _, encoder, _ = gradients(loss, exact, 256)
    assert np.abs(encoder.mean(0)).max() < 1e-5
    _, noisy, _ = gradients(IWLB(8), exact, 256)
    assert np.abs(noisy.mean(0)).max() > 1e-3


def test_dreg_has_less_noise_than_reparameterized_near_the_posterior():
    near = raw_posterior(0.02, 1.05)
    _, plain, _ = gradients(IWLB(32), near, 1000)
    _, dreg, _ = gradients(IWLB(32, estimator="dreg"), near, 1000)
    assert np.all(dreg.var(0) < plain.var(0) / 10)


def test_prior_that_shares_parameters_with_the_posterior_is_not_held():
    # A VampPrior is made of the encoder at pseudo-inputs. Its path into log p(z) stays:
    # here the prior is q itself, so that the gradient of log p(z) - log q(z|x) in q's
    # parameters is 0 when neither is held, and log p's own when only log q is.
    def gradient(estimator):
        raw = tf.tile(OFF[tf.newaxis], [512, 1])
        with tf.GradientTape() as tape:
            tape.watch(raw)
            q = LAYER.distribution(raw)
            keys = random.row_keys(0, 0, tf.range(512))
            loss = ELBO(kl="monte_carlo", estimator=estimator)
            flat = loss.evaluate(
                q, q.tensor_distribution, lambda z: tf.zeros(tf.shape(z)[:2]), keys
            )
            objective = tf.reduce_sum(flat.objective)
        return tape.gradient(objective, raw).numpy()

    np.testing.assert_allclose(gradient("reparameterized"), 0.0, atol=1e-4)
    held = gradient("stl")
    # d log p(z; raw) / d raw at fixed z: the score, of mean zero, which is not zero.
    assert np.abs(held).mean() > 0.1
    error = held.std(0) / np.sqrt(len(held))
    assert np.all(np.abs(held.mean(0)) < 4 * error)


def test_weights_of_a_flow_are_held_with_the_other_parameters_of_q():
    # At the posterior every parameter of q has a path gradient of zero, a flow's own
    # weights, which `raw_parameters` knows nothing of, included.
    slope = tf.Variable(2.0)

    def flow():
        base = tfd.MultivariateNormalDiag(tf.fill([64, 1], 0.3), tf.fill([64, 1], 0.5))
        return tfd.TransformedDistribution(base, tfp.bijectors.Scale(slope))

    target = tfd.MultivariateNormalDiag(tf.fill([1], 0.6), tf.fill([1], 1.0))
    keys = random.row_keys(0, 0, tf.range(64))
    for loss in (ELBO(estimator="stl"), IWLB(4, estimator="dreg")):
        with tf.GradientTape() as tape:
            result = loss.evaluate(flow(), target, lambda z: tf.zeros(z.shape[:2]), keys)
            objective = tf.reduce_mean(result.objective)
        assert abs(float(tape.gradient(objective, slope))) < 1e-5, repr(loss)


def test_gradient_taken_outside_of_the_function_that_made_the_bound():
    # DReG's weights are told to the backward pass after the forward pass made them.
    raw = tf.tile(OFF[tf.newaxis], [4, 1])
    keys = random.row_keys(0, 0, tf.range(4))
    loss = IWLB(8, estimator="dreg")

    def objective(raw):
        def log_likelihood(z):
            return -tf.reduce_sum((z - 1.0) ** 2, -1)

        result = loss.evaluate(LAYER.distribution(raw), PRIOR, log_likelihood, keys)
        return tf.reduce_sum(result.objective)

    results = []
    for function in (objective, tf.function(objective, autograph=False)):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            value = function(raw)
        results.append(tape.gradient(value, raw))
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


def test_samples_are_chosen_in_proportion_to_their_weights():
    weights = np.array([0.05, 0.0, 0.6, 0.35])
    batch = 50_000
    chosen = tfgen.losses.bounds.iwlb._choose(
        tf.tile(tf.constant(weights, tf.float32)[:, tf.newaxis], [1, batch]),
        random.row_keys(0, 0, tf.range(batch)),
        2,
    ).numpy()
    assert chosen.shape == (2, 4, batch)
    np.testing.assert_array_equal(chosen.sum(1), 1.0)
    share = chosen.mean((0, 2))
    error = np.sqrt(weights * (1 - weights) / (2 * batch))
    assert np.all(np.abs(share - weights) <= 4 * error)
    # With replacement: the two draws are independent.
    both = (chosen[0] * chosen[1]).sum(0).mean()
    expected = (weights**2).sum()
    assert abs(both - expected) < 4 * np.sqrt(expected * (1 - expected) / batch)


def test_backward_samples_run_where_the_batch_size_is_unknown():
    loss = IWLB(6, backward_samples=2)

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None, 5], tf.float32),
            tf.TensorSpec([None, 2], tf.uint32),
        ],
    )
    def bound(raw, keys):
        def log_likelihood(z):
            return tf.reduce_sum(z, axis=-1)

        return loss.evaluate(LAYER.distribution(raw), PRIOR, log_likelihood, keys).bound

    assert bound(tf.zeros([3, 5]), random.row_keys(0, 0, tf.range(3))).shape == [3]


# Signal to noise, and what `compile` says.


class _MixturePosterior(keras.Model):
    def call(self, x):
        mixture = tfd.Categorical(logits=tf.zeros([2]))
        components = tfd.MultivariateNormalDiag(x[:, None] + tf.zeros([2, 2]), tf.ones([2]))
        return tfd.MixtureSameFamily(mixture, components)


def _decoder():
    return keras.Sequential(
        [
            keras.Input([2]),
            keras.layers.Dense(4),
            tfgen.layers.IndependentNormal([2]),
        ]
    )


@pytest.mark.parametrize("estimator", ["reparameterized", "stl", "dreg"])
def test_posterior_that_cannot_be_reparameterized_is_refused_at_compile(estimator):
    vae = tfgen.models.VAE(_MixturePosterior(), _decoder())
    vae.build((None, 2))
    with pytest.raises(
        ValueError, match=rf"`estimator` '{estimator}'.*'reinforce', 'vimco'"
    ):
        vae.compile("adam", IWLB(5, estimator=estimator))


def test_stl_on_iwlb_warns_at_compile_and_only_for_more_than_one_sample():
    vae = MODEL.vae()
    with pytest.warns(UserWarning, match=r"'stl'.*biased.*estimator='dreg'"):
        vae.compile("adam", IWLB(5, estimator="stl"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vae.compile("adam", IWLB(1, estimator="stl"))
        vae.compile("adam", ELBO(estimator="stl"))
        vae.compile("adam", IWLB(5, estimator="dreg"))
