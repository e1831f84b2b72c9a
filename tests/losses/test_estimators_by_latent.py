"""Discrete beside continuous latents: one estimator for each, against quadrature."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tfgen import random
from tfgen.losses import ELBO, IWLB

tfd = tfp.distributions
tfl = tfgen.layers

# y one of three, z a number: p(y) uniform, p(z) = N(0, 1), p(x | y, z) = N(a_y + b z, 1).
MEANS, SLOPE, X = np.array([-1.0, 0.5, 2.0]), 0.7, 1.2
# q(y | x) = softmax(L), q(z | x, y) = N(m_y, s_y^2).
LOGITS = np.array([0.3, -0.2, 0.4])
M, S = np.array([0.8, 0.1, -0.4]), np.array([0.7, 1.1, 0.6])


def constant_dense(inputs, units, kernel, bias):
    layer = keras.layers.Dense(
        units,
        kernel_initializer=keras.initializers.Constant(kernel),
        bias_initializer=keras.initializers.Constant(bias),
    )
    return layer(inputs)


def raw_scale(scale):
    return np.log(np.expm1(scale))


def discrete_first():
    """q(y|x) q(z|x,y): y enumerated before z is drawn."""
    x, y, z = (keras.Input([n], name=name) for name, n in (("x", 1), ("y", 3), ("z", 1)))
    logits = constant_dense(x, 3, np.zeros([1, 3]), LOGITS)
    params = np.stack([M, raw_scale(S)], axis=1)  # one row for each y
    normal = tfl.MultivariateNormalDiag(1)(constant_dense(y, 2, params, np.zeros(2)))
    encoder = tfl.JointDistribution(
        {
            "y": keras.Model(x, tfl.OneHotCategorical(3)(logits)),
            "z": keras.Model(y, normal),
        }
    )
    return encoder, *model_of(y, z)


def continuous_first():
    """q(z|x) q(y|z): y enumerated at each draw of z."""
    x, y, z = (keras.Input([n], name=name) for name, n in (("x", 1), ("y", 3), ("z", 1)))
    params = constant_dense(x, 2, np.zeros([1, 2]), [0.5, raw_scale(0.8)])
    logits = constant_dense(z, 3, [[-1.0, 0.2, 0.9]], LOGITS)
    encoder = tfl.JointDistribution(
        {
            "z": keras.Model(x, tfl.MultivariateNormalDiag(1)(params)),
            "y": keras.Model(z, tfl.OneHotCategorical(3)(logits)),
        }
    )
    return encoder, *model_of(y, z)


def model_of(y, z):
    """The decoder and the prior."""
    both = keras.layers.Concatenate()([y, z])
    kernel = np.stack([np.append(MEANS, SLOPE), np.zeros(4)], axis=1)
    params = constant_dense(both, 2, kernel, [0.0, raw_scale(1.0)])
    prior = tfl.JointDistribution(
        {
            "y": tfl.LearnedPrior(tfl.OneHotCategorical(3)),
            "z": tfd.MultivariateNormalDiag(tf.zeros([1]), tf.ones([1])),
        }
    )
    return keras.Model([y, z], tfl.IndependentNormal([1])(params)), prior


MODELS = {"y first": discrete_first, "z first": continuous_first}
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def exact_elbo(encoder, decoder, prior):
    """The ELBO and its gradients, y by its values and z by Gauss-Hermite nodes.

    The nodes move with the parameters of q, as z = m + s eps does.
    """
    x = tf.constant([[X]])
    q, p = encoder({"x": x}), prior({})
    one_hot = tf.eye(3)[:, tf.newaxis]  # [y, 1, 3]
    eps = tf.constant(NODES, tf.float32)[:, tf.newaxis, tf.newaxis]
    total = 0.0
    for y in tf.unstack(one_hot):
        factor = q.factor("z", {"y": y})
        z = factor.mean() + factor.stddev() * eps  # [nodes, 1, 1]
        ys = tf.tile(y[tf.newaxis], [len(NODES), 1, 1])
        latents = {"y": ys, "z": z}
        log_q_y = q.factor("y", latents).log_prob(ys)
        likelihood = decoder({"y": ys[:, 0], "z": z[:, 0]}).log_prob(x)[:, tf.newaxis]
        log_w = likelihood + p.log_prob(latents) - q.log_prob(latents)
        share = tf.constant(WEIGHTS, tf.float32)[:, tf.newaxis] * tf.exp(log_q_y)
        total += tf.reduce_sum(share * log_w)
    return total


def gradients(parts, loss, rows=2000, batches=50):
    """Means over `rows` replicates of bound and gradient: [batches], [batches, P]."""
    encoder, decoder, prior = parts
    model = tfgen.models.VAE(encoder, decoder, prior)
    x = tf.fill([rows, 1], X)
    variables = model.trainable_variables

    @tf.function(autograph=False)
    def run(batch):
        keys = random.row_keys(0, batch, tf.range(rows))
        with tf.GradientTape() as tape:
            log_likelihood = lambda z: model._log_likelihood(x, z, {})
            result = loss.evaluate(encoder({"x": x}), prior({}), log_likelihood, keys)
            objective = tf.reduce_mean(result.objective)
        found = tape.gradient(objective, variables, unconnected_gradients="zero")
        flat = tf.concat([tf.reshape(g, [-1]) for g in found], 0)
        return tf.reduce_mean(result.bound), flat

    results = [run(tf.constant(batch)) for batch in range(batches)]
    bounds, found = (np.array([r[i].numpy() for r in results], "float64") for i in (0, 1))
    return bounds, found, variables


def assert_unbiased(samples, exact):
    error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    assert np.all(error < 0.02), "too few replicates to tell"
    assert np.all(np.abs(samples.mean(0) - exact) < 4 * error + 5e-5)


@pytest.mark.parametrize("order", MODELS)
@pytest.mark.parametrize(
    ("num_samples", "of_y"),
    [(1, "enumerate"), (3, "enumerate"), (3, "vimco"), (1, "reinforce")],
)
def test_gradient_of_mixed_latents_agrees_with_quadrature(order, num_samples, of_y):
    # 100,000 replicates, seed 0.
    parts = MODELS[order]()
    loss = ELBO(num_samples, estimator={"y": of_y, "z": "reparameterized"})
    bounds, found, variables = gradients(parts, loss)
    with tf.GradientTape() as tape:
        value = exact_elbo(*parts)
    exact = tape.gradient(value, variables)
    exact = np.concatenate([np.ravel(g.numpy()) for g in exact])
    assert np.count_nonzero(np.abs(exact) > 1e-4) > 10
    assert_unbiased(bounds, value.numpy())
    assert_unbiased(found, exact)


def test_enumerated_values_have_shares_that_sum_to_one():
    for make in MODELS.values():
        encoder, _, _ = make()
        estimator = tfgen.losses.estimators.get_estimator(
            {"y": "enumerate", "z": "reparameterized"}
        )
        keys = random.row_keys(0, 0, tf.range(4))
        draws = estimator.draw(encoder({"x": tf.fill([4, 1], X)}), keys, 5)
        assert draws.z["y"].shape == (15, 4, 3)
        assert draws.z["z"].shape == (15, 4, 1)
        np.testing.assert_allclose(tf.reduce_sum(tf.exp(draws.log_mass), 0), 1, rtol=1e-5)
        np.testing.assert_allclose(
            draws.log_posterior,
            encoder({"x": tf.fill([4, 1], X)}).log_prob(draws.z),
            rtol=1e-4,
            atol=1e-5,
        )


def test_importance_weighted_bound_of_one_sample_is_the_elbo_where_y_is_enumerated():
    parts = discrete_first()
    estimator = {"y": "enumerate", "z": "reparameterized"}
    one, _, _ = gradients(parts, IWLB(1, estimator=estimator), rows=100, batches=2)
    elbo, _, _ = gradients(parts, ELBO(1, estimator=estimator), rows=100, batches=2)
    np.testing.assert_allclose(one, elbo, atol=1e-5)


def test_vimco_beside_a_reparameterized_latent_is_unbiased_for_the_importance_bound():
    # Against REINFORCE without its baseline, whose one line is the definition: 250,000
    # replicates of each.
    plain = tfgen.losses.estimators.Reinforce(baseline=False)
    means = []
    for of_y in ("vimco", plain):
        loss = IWLB(2, estimator={"y": of_y, "z": "reparameterized"})
        _, found, _ = gradients(discrete_first(), loss, rows=5000)
        means.append((found.mean(0), found.var(0, ddof=1) / len(found)))
    (vimco, error), (reinforce, other) = means
    assert np.all(np.abs(vimco - reinforce) < 4 * np.sqrt(error + other) + 2e-5)
    assert error.sum() < other.sum() / 2
