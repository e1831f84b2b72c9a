"""Estimators for discrete latents, against enumeration in NumPy."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests import binary_latents as truth
from tfgen import random
from tfgen.losses import ELBO, IWLB
from tfgen.losses.estimators import OVIS, Reinforce

tfd = tfp.distributions

LAYER = tfgen.layers.IndependentBernoulli([truth.LATENTS])
PIXELS = tfgen.layers.IndependentBernoulli([truth.PIXELS])
X = tf.constant(truth.X, tf.float32)


def _replicates(loss, keys):
    """The bound and the gradients in a, w and c of each of B replicates."""
    count = tf.shape(keys)[0]
    a, w, c = (
        tf.tile(tf.constant(value, tf.float32)[None], [count, *(1 for _ in value.shape)])
        for value in (truth.A, truth.W, truth.C)
    )
    with tf.GradientTape() as tape:
        tape.watch([a, w, c])

        def log_likelihood(z):
            logits = tf.einsum("bij,kbj->kbi", w[..., :-1], z) + w[..., -1]
            return PIXELS.distribution(logits).log_prob(X)

        posterior, prior = LAYER.distribution(a), LAYER.distribution(c)
        result = loss.evaluate(posterior, prior, log_likelihood, keys)
        objective = tf.reduce_sum(result.objective)
    encoder, decoder, of_prior = tape.gradient(objective, [a, w, c])
    return result.bound, encoder, tf.reshape(decoder, [count, -1]), of_prior


def replicates(loss, count=100_000, seed=0, chunk=20_000):
    """As float64 arrays: bound [R], gradients [R, 3], [R, 24], [R, 3]."""
    run = tf.function(functools.partial(_replicates, loss), autograph=False)
    chunk = min(chunk, count)
    parts = [
        [value.numpy() for value in run(random.row_keys(seed, 0, first + tf.range(chunk)))]
        for first in range(0, count, chunk)
    ]
    return [np.concatenate(p).astype("float64") for p in zip(*parts, strict=True)]


def z_scores(samples, exact):
    """How many standard errors the mean of replicates is from the truth."""
    error = samples.std(0) / np.sqrt(len(samples))
    assert np.all(error < 0.02), "too few replicates to tell"
    return np.abs(samples.mean(0) - exact) / (error + 1e-7)


@functools.cache
def exact_gradients(num_samples):
    return truth.bound_gradients(num_samples)


UNBIASED = [
    (1, "reinforce"),
    (2, "reinforce"),
    (2, "vimco"),
    (2, "ovis"),
    (5, "reinforce"),
    (5, "vimco"),
    (5, "ovis"),
]
SLOW = [(20, "reinforce"), (20, "vimco"), (20, "ovis")]


@pytest.mark.parametrize(
    ("num_samples", "name"),
    [*UNBIASED, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
)
def test_gradient_of_the_importance_weighted_bound_is_unbiased(num_samples, name):
    # 10^5 replicates, seed 0; 30 parameters within 4 standard errors each.
    _, *found = replicates(IWLB(num_samples, estimator=name))
    for samples, exact in zip(found, exact_gradients(num_samples), strict=True):
        assert z_scores(samples, exact).max() < 4


@pytest.mark.parametrize("backward_samples", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["vimco", "reinforce"])
def test_gradient_with_some_samples_backward_is_unbiased(name, backward_samples):
    loss = IWLB(5, estimator=name, backward_samples=backward_samples)
    _, *found = replicates(loss)
    for samples, exact in zip(found, exact_gradients(5), strict=True):
        assert z_scores(samples, exact).max() < 4


@pytest.mark.parametrize("name", ["reinforce", "vimco"])
@pytest.mark.parametrize("kl", ["analytic", "monte_carlo"])
@pytest.mark.parametrize("num_samples", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_gradient_of_the_elbo_is_unbiased(name, kl, num_samples):
    _, *found = replicates(ELBO(num_samples, kl=kl, estimator=name))
    for samples, exact in zip(found, exact_gradients(1), strict=True):
        assert z_scores(samples, exact).max() < 4


@pytest.mark.parametrize(
    "loss",
    [
        ELBO(estimator="enumerate"),
        ELBO(estimator="enumerate", kl="monte_carlo"),
        IWLB(1, estimator="enumerate"),
    ],
    ids=repr,
)
def test_enumeration_gives_the_exact_bound_and_gradient(loss):
    value, *found = replicates(loss, count=2)
    np.testing.assert_allclose(value, truth.bound(1)[0], atol=1e-5)
    for samples, exact in zip(found, exact_gradients(1), strict=True):
        np.testing.assert_allclose(samples[0], exact, atol=1e-5)


def test_enumeration_draws_every_value_for_each_row():
    logits = tf.constant([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
    posterior = tfgen.layers.IndependentBernoulli(2)(logits)
    keys = tfgen.random.row_keys(0, 0, tf.range(3))
    draws = tfgen.losses.estimators.Enumerate().draw(posterior, keys, 1)
    assert draws.z.shape == (4, 3, 2)
    assert draws.log_posterior.shape == (4, 3)
    np.testing.assert_allclose(
        tf.reduce_logsumexp(draws.log_posterior, axis=0), 0, atol=1e-6
    )
    mean = tf.reduce_sum(tf.exp(draws.log_posterior)[..., None] * draws.z, axis=0)
    np.testing.assert_allclose(mean, tf.sigmoid(logits), atol=1e-6)


def test_rws_takes_two_samples_and_not_one():
    assert IWLB(2, estimator="rws").num_samples == 2
    with pytest.raises(ValueError, match=r"`num_samples` .*2.*'?rws.*received 1"):
        IWLB(1, estimator="rws")


def test_beta_weighs_the_kl_of_every_estimator_of_the_elbo():
    # d/da of E log p(x|z) - beta KL, by central differences of the enumerated value.
    beta, step = 0.3, 1e-5

    def objective(a):
        q = np.exp(truth.log_q(a))
        prior = (truth.Z * truth.C - np.logaddexp(0, truth.C)).sum(1)
        reconstruction = truth.log_joint() - prior
        return q @ (reconstruction - beta * (truth.log_q(a) - prior))

    moves = np.eye(3) * step
    exact = [
        (objective(truth.A + move) - objective(truth.A - move)) / (2 * step)
        for move in moves
    ]
    for kl in ("analytic", "monte_carlo"):
        _, found, *_ = replicates(ELBO(estimator="enumerate", kl=kl, beta=beta), 1)
        np.testing.assert_allclose(found[0], exact, atol=1e-5)
        _, found, *_ = replicates(ELBO(3, kl=kl, estimator="vimco", beta=beta))
        assert z_scores(found, exact).max() < 4


def test_decoder_of_rws_is_trained_by_the_bound_and_its_encoder_is_not():
    _, encoder, decoder, prior = replicates(IWLB(5, estimator="rws"))
    exact = exact_gradients(5)
    assert z_scores(decoder, exact[1]).max() < 4
    assert z_scores(prior, exact[2]).max() < 4
    assert z_scores(encoder, exact[0]).max() > 10


@pytest.mark.parametrize("num_samples", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_encoder_of_rws_gets_the_wake_phase_update(num_samples):
    # E sum_k v_k grad log q(z_k): the share of each value, by enumeration of all draws.
    share = truth.bound(num_samples)[2]
    exact = truth.gradients(share, share)[0]
    _, encoder, *_ = replicates(IWLB(num_samples, estimator="rws"))
    assert z_scores(encoder, exact).max() < 4
    # For K -> infinity it is -grad KL(p(z|x) || q), whose estimate is biased at small K.
    limit = truth.gradients(truth.posterior(), truth.posterior())[0]
    assert z_scores(encoder, limit).max() > 10


def test_rws_with_some_samples_backward_has_the_same_mean():
    _, *all_backward = replicates(IWLB(5, estimator="rws"), seed=1)
    _, *some = replicates(IWLB(5, estimator="rws", backward_samples=1))
    share = truth.bound(5)[2]
    for samples, exact in zip(some, truth.gradients(share, share), strict=True):
        assert z_scores(samples, exact).max() < 4
    np.testing.assert_allclose(
        some[0].std(0), all_backward[0].std(0), rtol=0.05
    )  # log q takes all samples, so that the encoder's noise is the same


def test_control_variate_of_ovis_that_contains_the_weight_is_biased():
    _, encoder, *_ = replicates(IWLB(5, estimator=OVIS(gamma=1.0)))
    assert z_scores(encoder, exact_gradients(5)[0]).max() > 10


def noise(samples):
    return samples.var(0).sum()


@pytest.mark.parametrize("num_samples", [2, 5, pytest.param(20, marks=pytest.mark.slow)])
def test_vimco_has_less_noise_than_reinforce_without_its_baseline(num_samples):
    bare = IWLB(num_samples, estimator=Reinforce(baseline=False))
    _, plain, *_ = replicates(bare, 20_000)
    _, vimco, *_ = replicates(IWLB(num_samples, estimator="vimco"), 20_000)
    assert noise(vimco) < noise(plain) / 5


def test_vimco_of_two_samples_is_leave_one_out_reinforce():
    _, vimco, *_ = replicates(IWLB(2, estimator="vimco"), 1000)
    _, plain, *_ = replicates(IWLB(2, estimator="reinforce"), 1000)
    np.testing.assert_allclose(vimco, plain, atol=1e-5)
    _, vimco, *_ = replicates(IWLB(5, estimator="vimco"), 1000)
    _, plain, *_ = replicates(IWLB(5, estimator="reinforce"), 1000)
    assert np.abs(vimco - plain).max() > 1e-2


def test_signal_to_noise_of_ovis_rises_with_the_number_of_samples():
    ratios = []
    for num_samples in (5, 20, 80):
        loss = IWLB(num_samples, estimator="ovis")
        _, encoder, *_ = replicates(loss, 20_000, chunk=1000)
        ratios.append(np.linalg.norm(encoder.mean(0)) / np.sqrt(noise(encoder)))
    assert np.all(np.diff(np.log(ratios)) > np.log(1.2)), ratios


def test_bounds_rise_with_the_number_of_samples_to_the_evidence():
    exact = [truth.bound(k)[0] for k in (1, 2, 5)]
    assert exact[0] < exact[1] < exact[2] < truth.log_evidence()
    for num_samples, value in zip((1, 2, 5), exact, strict=True):
        bound, *_ = replicates(IWLB(num_samples, estimator="reinforce"), 20_000)
        assert z_scores(bound, value) < 4


def test_estimators_do_not_change_the_value():
    names = ("reinforce", "vimco", "ovis", "rws")
    values = [replicates(IWLB(5, estimator=name), 100)[0] for name in names]
    values += [replicates(IWLB(5, estimator="vimco", backward_samples=1), 100)[0]]
    for value in values[1:]:
        np.testing.assert_allclose(value, values[0], atol=1e-6)


# Chains, and continuous latents.


def dense(inputs, units, values):
    """A dense layer on `inputs` with fixed starting weights."""
    layer = keras.layers.Dense(
        units, kernel_initializer=keras.initializers.Constant(values)
    )
    return layer(inputs)


def chain_model():
    """q(u|x) q(v|u), p(u) p(v|u) p(x|u, v): u, v of two bits, x of three."""
    rng = np.random.default_rng(3)
    bernoulli = tfgen.layers.IndependentBernoulli
    x, u, v = keras.Input([3], name="x"), keras.Input([2], name="u"), None
    v = keras.Input([2], name="v")
    draw = lambda *shape: rng.normal(0.0, 0.8, shape)
    both = keras.layers.Concatenate()([u, v])
    encoder = tfgen.layers.JointDistribution(
        {
            "u": keras.Model(x, bernoulli([2])(dense(x, 2, draw(3, 2)))),
            "v": keras.Model(u, bernoulli([2])(dense(u, 2, draw(2, 2)))),
        }
    )
    half = tfd.Independent(tfd.Bernoulli(logits=tf.zeros([2]), dtype=tf.float32), 1)
    prior = tfgen.layers.JointDistribution(
        {"u": half, "v": keras.Model(u, bernoulli([2])(dense(u, 2, draw(2, 2))))}
    )
    decoder = keras.Model([u, v], bernoulli([3])(dense(both, 3, draw(4, 3))))
    return tfgen.models.VAE(encoder, decoder, prior)


CHAIN_X = np.ones([1, 3], "float32")


def exact_chain_bound(model, num_samples):
    """L_K by all values of u and v, through the model's public distributions."""
    values = np.array(np.meshgrid(*[[0.0, 1.0]] * 4)).reshape(4, -1).T.astype("float32")
    z = {"u": values[:, None, :2], "v": values[:, None, 2:]}
    terms = model.log_weight_terms(CHAIN_X, z=z)
    log_q, total = (t[:, 0] for t in (terms.log_posterior, terms.total))
    if num_samples == 1:
        return tf.reduce_sum(tf.exp(log_q) * total)
    pair = tf.exp(log_q[:, None] + log_q[None])
    return tf.reduce_sum(
        pair * tf.math.log((tf.exp(total[:, None]) + tf.exp(total[None])) / 2)
    )


def likelihood_of(model, x):
    return lambda z: model._log_likelihood(x, z, {})


def chain_gradients(model, loss, rows=1000, batches=100):
    """Means over `rows` replicates of the gradient in every weight, [batches, P]."""
    x = tf.tile(CHAIN_X, [rows, 1])
    variables = model.trainable_variables

    @tf.function(autograph=False)
    def run(batch):
        keys = random.row_keys(1, batch, tf.range(rows))
        with tf.GradientTape() as tape:
            posterior, log_likelihood = model.encode(x), likelihood_of(model, x)
            result = loss.evaluate(posterior, model.prior, log_likelihood, keys)
            objective = tf.reduce_mean(result.objective)
        found = tape.gradient(objective, variables, unconnected_gradients="zero")
        return tf.concat([tf.reshape(g, [-1]) for g in found], 0)

    return np.stack([run(tf.constant(b)).numpy() for b in range(batches)]).astype("float64")


@pytest.mark.parametrize(
    ("loss", "num_samples"),
    [
        (IWLB(2, estimator="vimco"), 2),
        pytest.param(IWLB(2, estimator="ovis"), 2, marks=pytest.mark.slow),
        pytest.param(ELBO(2, estimator="reinforce"), 1, marks=pytest.mark.slow),
        (ELBO(3, estimator={"u": "reinforce", "v": "vimco"}), 1),
    ],
    ids=repr,
)
def test_gradient_of_a_chain_reaches_every_network(loss, num_samples):
    model = chain_model()
    with tf.GradientTape() as tape:
        exact = exact_chain_bound(model, num_samples)
    exact = tape.gradient(exact, model.trainable_variables)
    exact = np.concatenate([g.numpy().ravel() for g in exact])
    assert np.all(np.abs(exact) > 1e-5)  # no weight is left out
    assert z_scores(chain_gradients(model, loss), exact).max() < 4


@pytest.mark.parametrize(
    "estimator", ["enumerate", {"u": "enumerate", "v": "enumerate"}], ids=repr
)
def test_chain_is_enumerated_exactly(estimator):
    model = chain_model()
    with tf.GradientTape() as tape:
        value = exact_chain_bound(model, 1)
    exact = tape.gradient(value, model.trainable_variables)
    exact = np.concatenate([g.numpy().ravel() for g in exact])
    loss = ELBO(estimator=estimator)
    found = chain_gradients(model, loss, rows=2, batches=1)[0]
    np.testing.assert_allclose(found, exact, atol=1e-5)
    result = loss.evaluate(
        model.encode(CHAIN_X),
        model.prior,
        likelihood_of(model, CHAIN_X),
        random.row_keys(0, 0, tf.range(1)),
    )
    np.testing.assert_allclose(result.bound, [value], atol=1e-5)


@pytest.mark.parametrize("name", ["reinforce", "vimco"])
def test_score_function_of_a_continuous_posterior_agrees_with_the_closed_form(name):
    # ELBO of q = N(m, s^2), p(z) = N(0, 1), p(x|z) = N(z, 1): its derivative in m is
    # x - 2 m, and in s it is 1/s - 2 s.
    count, m, s, x = 100_000, 0.3, 0.8, 1.0
    loc, scale = tf.fill([count], m), tf.fill([count], s)
    with tf.GradientTape() as tape:
        tape.watch([loc, scale])
        result = ELBO(4, kl="monte_carlo", estimator=name).evaluate(
            tfd.Normal(loc, scale),
            tfd.Normal(0.0, 1.0),
            lambda z: tfd.Normal(z, 1.0).log_prob(x),
            random.row_keys(0, 0, tf.range(count)),
        )
        objective = tf.reduce_sum(result.objective)
    found = [g.numpy().astype("float64") for g in tape.gradient(objective, [loc, scale])]
    for samples, exact in zip(found, (x - 2 * m, 1 / s - 2 * s), strict=True):
        assert z_scores(samples, exact) < 4
