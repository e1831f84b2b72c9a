"""Joint distributions of named factors, against the Gaussians that they write down."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.gaussian_chain import ORDERS, GaussianChain
from tests.linear_gaussian import LinearGaussian
from tfgen import random
from tfgen.layers import IndependentNormal, JointDistribution, MultivariateNormalDiag

tfd = tfp.distributions
CHAIN = GaussianChain()
X = CHAIN.sample(6)


def names(order):
    return list(ORDERS[order])


@pytest.mark.parametrize("order", ORDERS)
def test_log_prob_is_the_sum_of_the_conditionals(order):
    q = CHAIN.posterior(order)({"x": X})
    z = q.sample(4, seed=0)
    assert q.batch_shape == [6]
    assert {name: tuple(v.shape) for name, v in z.items()} == {
        "z1": (4, 6, 3),
        "z2": (4, 6, 2),
    }
    known = {"x": np.broadcast_to(X, [4, *X.shape]), **{n: v.numpy() for n, v in z.items()}}
    exact = sum(
        CHAIN.joint.conditional(name, *given).log_prob(known[name], *map(known.get, given))
        for name, given in ORDERS[order].items()
    )
    np.testing.assert_allclose(q.log_prob(z), exact, atol=1e-4)
    again, log_prob = q.experimental_sample_and_log_prob(4, seed=0)
    np.testing.assert_allclose(log_prob, exact, atol=1e-4)
    for name, value in z.items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize("order", ORDERS)
def test_samples_have_the_joint_law(order):
    num = 40_000
    z = CHAIN.posterior(order)({"x": X[:1]}).sample(num, seed=0)
    found = np.concatenate([z["z2"][:, 0], z["z1"][:, 0]], -1).astype("float64")
    joint = CHAIN.joint  # of z2, z1, x; the law of both latents given x:
    rest, x = slice(0, 5), joint.slices["x"]
    gain = joint.covariance[rest, x] @ np.linalg.inv(joint.covariance[x, x])
    mean = joint.mean[rest] + gain @ (X[0] - joint.mean[x])
    covariance = joint.covariance[rest, rest] - gain @ joint.covariance[x, rest]
    variance = np.diag(covariance)
    assert np.all(np.abs(found.mean(0) - mean) < 4 * np.sqrt(variance / num))
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / num)
    assert np.all(np.abs(np.cov(found.T) - covariance) < 4 * error)


@pytest.mark.slow
def test_a_row_draws_the_same_in_any_batch_and_compiled():
    layer = CHAIN.posterior("ladder")
    keys = random.row_keys(3, 0, tf.range(6))

    def draw(x, keys):
        return tfgen.layers.sample_and_log_prob(layer({"x": x}), keys, 2)

    whole = tf.nest.flatten(draw(X, keys))
    alone = tf.nest.flatten(draw(X[4:5], keys[4:5]))
    compiled = tf.nest.flatten(tf.function(draw, jit_compile=True)(tf.constant(X), keys))
    for value, row, fused in zip(whole, alone, compiled, strict=True):
        np.testing.assert_allclose(row[:, 0], value[:, 4], atol=2e-6)
        np.testing.assert_allclose(fused, value, atol=1e-5)


def test_a_prior_without_inputs_has_one_law():
    prior = CHAIN.prior()({})
    z = prior.sample(50_000, seed=0)
    z1 = z["z1"].numpy().reshape([-1, 3]).astype("float64")
    law = CHAIN.joint.conditional("z1")
    error = np.sqrt(np.diag(law.covariance) / len(z1))
    assert np.all(np.abs(z1.mean(0) - law.offset) < 4 * error)
    both = {name: np.asarray(v).reshape([50_000, -1])[:4] for name, v in z.items()}
    exact = CHAIN.joint.conditional("z2").log_prob(both["z2"])
    exact = exact + CHAIN.joint.conditional("z1", "z2").log_prob(both["z1"], both["z2"])
    np.testing.assert_allclose(np.ravel(prior.log_prob(both)), exact, atol=1e-4)


# One latent named `z` is the plain model.

PLAIN = LinearGaussian(event_size=4, latent_size=2)
_, DATA = PLAIN.sample(10)


def pair():
    plain = PLAIN.vae(shift=0.3, stretch=1.3)
    normal = tfd.MultivariateNormalDiag(tf.zeros([2]), tf.ones([2]))
    joint = tfgen.models.VAE(
        JointDistribution({"z": plain.encoder}),
        plain.decoder,
        JointDistribution({"z": normal}),
    )
    return plain, joint


def test_one_latent_named_z_is_the_plain_model_to_the_last_bit():
    tf.config.run_functions_eagerly(True)
    try:
        plain, joint = pair()
        for get in (
            lambda vae: vae.log_weights(DATA, 5, seed=3),
            lambda vae: vae.sample(6, seed=3),
            lambda vae: vae.sample_mean(seed=[2, -1]),
            lambda vae: vae.log_prob(DATA, 20, seed=3),
            lambda vae: vae.reconstruct(DATA, seed=3),
        ):
            np.testing.assert_array_equal(get(joint), get(plain))
    finally:
        tf.config.run_functions_eagerly(False)


def bound_and_gradients(vae, loss):
    keys = random.row_keys(0, 0, tf.range(len(DATA)))
    joint = isinstance(vae.encoder, JointDistribution)
    variables = vae.encoder.trainable_variables

    def log_likelihood(z):
        x = tf.tile(DATA, [loss.num_samples, 1])
        z = tf.reshape(z["z"] if joint else z, [-1, 2])
        return tf.reshape(vae.decoder(z).log_prob(x), [loss.num_samples, -1])

    def run():
        with tf.GradientTape() as tape:
            result = loss.evaluate(vae.encoder(DATA), vae.prior, log_likelihood, keys)
            objective = tf.reduce_mean(result.objective)
        return result.bound, tape.gradient(objective, variables)

    return run


LOSSES = [
    tfgen.losses.ELBO(2, kl="monte_carlo"),
    tfgen.losses.ELBO(estimator="stl"),
    tfgen.losses.IWLB(3, estimator="dreg"),
]


@pytest.mark.parametrize(
    ("loss", "compiled"),
    [
        *((loss, False) for loss in LOSSES),
        *(pytest.param(loss, True, marks=pytest.mark.slow) for loss in LOSSES[:2]),
        (LOSSES[2], True),
    ],
    ids=repr,
)
def test_one_latent_named_z_has_the_plain_models_bound_and_gradients(loss, compiled):
    answers = []
    for vae in pair():
        run = bound_and_gradients(vae, loss)
        run = tf.function(run, autograph=False, jit_compile=True) if compiled else run
        answers.append(tf.nest.flatten(run()))
        assert len(answers[-1]) == 3  # the bound, and gradients in a kernel and a bias
    for plain, joint in zip(*answers, strict=True):
        if compiled:
            np.testing.assert_allclose(joint, plain, rtol=1e-6, atol=2e-6)
        else:
            np.testing.assert_array_equal(joint, plain)


# Two independent latents of different shapes. The columns of W are orthogonal, so the true
# posterior is a product: of v = W'W's diagonal, means v^-1.. and variances s^2/(v + s^2).

SIGMA, SCALES = 0.5, np.array([1.0, 0.7, 1.3, 0.9, 1.1, 0.6, 0.8])
ORTHOGONAL = np.linalg.qr(np.random.default_rng(0).normal(size=[9, 7]))[0] * SCALES


def product_vae():
    x = keras.Input([9], name="x")
    a, b = keras.Input([3], name="a"), keras.Input([2, 2], name="b")
    gain = ORTHOGONAL / (SCALES**2 + SIGMA**2)
    scale = SIGMA / np.sqrt(SCALES**2 + SIGMA**2)

    def factor(columns, layer):
        dense = keras.layers.Dense(2 * len(columns))
        model = keras.Model(x, layer(dense(x)))
        bias = np.concatenate([0 * columns, np.log(np.expm1(scale[columns]))])
        dense.set_weights(
            [np.concatenate([gain[:, columns], 0 * gain[:, columns]], 1), bias]
        )
        return model

    joined = keras.layers.Concatenate()([a, keras.layers.Flatten()(b)])
    dense = keras.layers.Dense(18)
    decoder = keras.Model([b, a], IndependentNormal([9])(dense(joined)))
    bias = np.concatenate([np.zeros(9), np.full(9, np.log(np.expm1(SIGMA)))])
    dense.set_weights([np.concatenate([ORTHOGONAL.T, np.zeros([7, 9])], 1), bias])
    encoder = JointDistribution(
        {
            "a": factor(np.arange(3), MultivariateNormalDiag(3)),
            "b": factor(np.arange(3, 7), IndependentNormal([2, 2])),
        }
    )
    flat = tfd.Independent(tfd.Normal(tf.zeros([2, 2]), 1.0), 2)
    prior = JointDistribution({"b": flat, "a": tfd.MultivariateNormalDiag(tf.zeros([3]))})
    return tfgen.models.VAE(encoder, decoder, prior)


def test_independent_latents_of_different_shapes_weigh_exactly():
    vae = product_vae()
    law = tfd.MultivariateNormalTriL(
        np.zeros(9), np.linalg.cholesky(ORTHOGONAL @ ORTHOGONAL.T + SIGMA**2 * np.eye(9))
    )
    x = law.sample(5, seed=0).numpy()
    weights = vae.log_weights(x.astype("float32"), 20, seed=0).numpy()
    assert np.ptp(weights, axis=0).max() < 1e-4
    np.testing.assert_allclose(weights[0], law.log_prob(x), atol=1e-4)
    drawn = vae.sample(20_000, seed=0).numpy().astype("float64")
    covariance = law.covariance().numpy()
    variance = np.diag(covariance)
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / len(drawn))
    assert np.all(np.abs(np.cov(drawn.T) - covariance) < 4 * error)


def test_the_layer_is_saved_with_its_factors(tmp_path):
    vae = product_vae()
    x = np.ones([2, 9], "float32")
    vae.compile("adam", "iwlb")
    vae(x)
    vae.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(
        again.log_weights(x, 3, seed=0), vae.log_weights(x, 3, seed=0)
    )


def normal(size, **inputs):
    given = [keras.Input([n], name=name) for name, n in inputs.items()]
    joined = given[0] if len(given) == 1 else keras.layers.Concatenate()(given)
    return keras.Model(
        given, MultivariateNormalDiag(size)(keras.layers.Dense(2 * size)(joined))
    )


@pytest.mark.parametrize(
    ("factors", "error", "match"),
    [
        (lambda: {}, ValueError, "at least one latent"),
        (lambda: [normal(2, x=4)], TypeError, "`factors` must be a dict"),
        (lambda: {"z1": 3}, TypeError, "'z1': 3"),
        (lambda: {"z": normal(2, z=2)}, ValueError, r"'z' takes \['z'\]"),
        (
            lambda: {"z2": normal(2, z1=3), "z1": normal(3, x=4)},
            ValueError,
            r"'z2' takes \['z1'\].* received the order \['z2', 'z1'\]. Put",
        ),
        (
            lambda: {"z2": normal(2, z1=3), "z1": normal(3, z2=2)},
            ValueError,
            "a cycle can't be drawn",
        ),
    ],
    ids=["none", "list", "number", "itself", "wrong order", "cycle"],
)
def test_factors_that_can_not_be_drawn_are_refused(factors, error, match):
    with pytest.raises(error, match=match):
        JointDistribution(factors())


def test_a_factor_that_takes_what_there_is_not_is_refused():
    layer = JointDistribution({"z1": normal(3, x=4), "z2": normal(2, z1=3, x=4, y=2)})
    with pytest.raises(ValueError, match=r"`factors\['z2'\]`.*inputs named .*'y'"):
        layer({"x": np.zeros([2, 4], "float32")})
    dense = keras.Sequential([keras.Input([4]), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match=r"`factors\['z1'\]` must return one distribution"):
        JointDistribution({"z1": dense})({"x": np.zeros([2, 4], "float32")})
