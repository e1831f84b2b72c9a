"""The Bernoulli with a cheaper log-probability is TFP's in value and gradient."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.bernoulli import Bernoulli

tfd = tfp.distributions
LOGITS = [-np.inf, -200.0, -30.0, -1.0, -1e-8, 0.0, 1e-8, 1.0, 17.0, 200.0, np.inf]


def log_prob_and_gradient(bernoulli, x, dtype):
    logits = tf.constant(LOGITS, dtype)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = bernoulli(logits=logits, dtype=dtype).log_prob(tf.constant(x, dtype))
    return value, tape.gradient(value, logits)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("x", [0.0, 0.3, 1.0])
def test_log_prob_and_gradient_are_tfps(x, dtype, jit_compile):
    run = functools.partial(log_prob_and_gradient, Bernoulli, x, dtype)
    value, gradient = tf.function(run, jit_compile=jit_compile, autograph=False)()
    expected, expected_gradient = log_prob_and_gradient(tfd.Bernoulli, x, dtype)
    tiny = {"rtol": 1e-6, "atol": 1e-37}  # XLA flushes denormal numbers
    np.testing.assert_allclose(value, expected, **tiny)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6, atol=1e-7)


def test_data_are_broadcast_against_logits_and_may_be_integers():
    logits = tf.constant(np.random.default_rng(0).normal(size=[3, 4, 5]), tf.float32)
    x = tf.constant(np.random.default_rng(1).integers(0, 2, [4, 5]), tf.int32)
    expected = tfd.Bernoulli(logits=logits).log_prob(x)
    np.testing.assert_allclose(
        Bernoulli(logits=logits).log_prob(x), expected, rtol=1e-6, atol=1e-6
    )


def test_probs_are_tfps():
    probs = tf.constant([0.0, 0.2, 1.0])
    np.testing.assert_allclose(
        Bernoulli(probs=probs).log_prob(1), tfd.Bernoulli(probs=probs).log_prob(1)
    )


def test_kl_divergence_is_registered_as_tfps():
    a, b = Bernoulli(logits=[0.3]), Bernoulli(logits=[-1.0])
    expected = tfd.kl_divergence(tfd.Bernoulli(logits=[0.3]), tfd.Bernoulli(logits=[-1.0]))
    np.testing.assert_allclose(tfd.kl_divergence(a, b), expected)
