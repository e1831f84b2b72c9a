"""The Bernoulli with a cheaper log-probability is TFP's in value and gradient."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.bernoulli import Bernoulli, IndependentBernoullis

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


# Many entries.

CASES = {"tail": [67], "image": [8, 8, 1], "few": [5], "pixels": [784]}


def of_event(build, logits, x, rank):
    with tf.GradientTape() as outer:
        outer.watch(logits)
        with tf.GradientTape() as tape:
            tape.watch([logits, x])
            value = build(logits, rank).log_prob(x)
        slopes = tape.gradient(value, [logits, x])
        squares = tf.reduce_sum(slopes[0] ** 2)
    return value, *slopes, outer.gradient(squares, logits)


def ours(logits, rank):
    return IndependentBernoullis(Bernoulli(logits=logits, dtype=logits.dtype), rank)


def theirs(logits, rank):
    return tfd.Independent(tfd.Bernoulli(logits=logits, dtype=logits.dtype), rank)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_of_many_entries_it_is_the_sum_with_its_gradients(name, jit_compile):
    event, rng = CASES[name], np.random.default_rng(0)
    logits = tf.constant(rng.normal(size=[3, 2, *event], scale=8.0))
    x = tf.constant(rng.uniform(size=[2, *event]).round(1))  # broadcast, and grey
    args = (logits, x, len(event))
    run = tf.function(lambda: of_event(ours, *args), jit_compile=jit_compile)
    for found, expected in zip(run(), of_event(theirs, *args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    in_half = ours(tf.cast(logits, tf.float32), len(event)).log_prob(tf.cast(x, tf.float32))
    np.testing.assert_allclose(in_half, theirs(*args[::2]).log_prob(x), rtol=3e-6)


@pytest.mark.parametrize("logit", [-np.inf, -30.0, -20.0, 0.0, 20.0, 30.0, np.inf])
def test_of_many_entries_no_logit_overflows_or_is_lost(logit):
    logits = tf.fill([100], np.float32(logit))
    expected = tfd.Bernoulli(logits=np.float64(logit)).log_prob(float(logit > 0))
    value = ours(logits, 1).log_prob(tf.fill([100], float(logit > 0)))
    np.testing.assert_allclose(value, 100 * expected, rtol=1e-6)


def test_many_entries_are_sliced_copied_and_checked_as_tfps():
    logits = tf.constant(np.random.default_rng(0).normal(size=[4, 80]), tf.float32)
    x = tf.cast(logits > 0, tf.float32)
    p = ours(logits, 1)
    np.testing.assert_allclose(p[1:3].log_prob(x[1:3]), p.log_prob(x)[1:3], rtol=1e-6)
    np.testing.assert_allclose(p.copy().log_prob(x), p.log_prob(x))
    kl = tfd.kl_divergence(p, ours(-logits, 1))
    expected = tfd.kl_divergence(theirs(logits, 1), theirs(-logits, 1))
    np.testing.assert_allclose(kl, expected, rtol=1e-6)
    strict = IndependentBernoullis(
        Bernoulli(logits=logits, dtype=tf.float32, validate_args=True), 1, True
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        strict.log_prob(x + 2.0)
    kahan = IndependentBernoullis(
        Bernoulli(logits=logits, dtype=tf.float32), 1, experimental_use_kahan_sum=True
    )
    np.testing.assert_allclose(kahan.log_prob(x), p.log_prob(x), rtol=1e-6)


@pytest.mark.parametrize("known", [None, [None, None], [None, 80]])
def test_many_entries_may_have_an_unknown_shape(known):
    logits = tf.constant(np.random.default_rng(0).normal(size=[4, 80]), tf.float32)
    x = tf.cast(logits > 0, tf.float32)
    signature = [tf.TensorSpec(known, tf.float32)]
    run = tf.function(lambda raw: ours(raw, 1).log_prob(x), input_signature=signature)
    np.testing.assert_allclose(run(logits), theirs(logits, 1).log_prob(x), rtol=1e-6)


def test_of_many_entries_an_eighth_of_the_logarithms_is_taken():
    spec = tf.TensorSpec([3, 784])
    run = tf.function(lambda raw, x: ours(raw, 1).log_prob(x))
    operations = run.get_concrete_function(spec, spec).graph.get_operations()
    shapes = [op.outputs[0].shape for op in operations if op.type in ("Log", "Log1p")]
    assert shapes == [[3, 98]]
