"""Models of several latents where the exact answer is known."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.gaussian_chain import ORDERS, GaussianChain
from tfgen import random
from tfgen.layers import MultivariateNormalDiag
from tfgen.losses import ELBO, IWLB

tfd = tfp.distributions
CHAIN = GaussianChain()
X = CHAIN.sample(300)


@pytest.mark.parametrize("order", ORDERS)
def test_every_weight_of_the_true_posterior_is_the_exact_log_px(order):
    weights = CHAIN.vae(order).log_weights(X[:20], 30, seed=0).numpy()
    # log w is a sum of 30 terms of magnitude 10 in float32: 1e-5 is its rounding.
    assert np.ptp(weights, axis=0).max() < 1e-4
    np.testing.assert_allclose(weights[0], CHAIN.log_prob(X[:20]), atol=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_bounds_rise_to_the_exact_log_px(order):
    vae, truth = CHAIN.vae(order, shift=0.2, stretch=1.2), CHAIN.log_prob(X)
    below = []
    for num_samples in (1, 5, 50):
        gaps = truth - vae.log_prob(X, num_samples, seed=num_samples).numpy()
        below.append(gaps.mean())
        assert below[-1] > -4 * gaps.std() / np.sqrt(len(X))
    assert below[0] > 1.5 * below[1] > 3 * below[2] > 0
    found = tfgen.evaluation.log_likelihood(vae, X[:5], 20_000, seed=0)
    np.testing.assert_allclose(found[0], truth[:5], atol=0.05)


# Gradients, of a chain of scalars. The reference is NumPy in float64: log w and its total
# derivative through z by finite differences, and its expectation by quadrature.

SMALL = GaussianChain(event_size=2, sizes=(1, 1))
ROW = SMALL.sample(1, seed=3)
OFF = {"shift": 0.4, "stretch": 1.5}


def networks(order, **off):
    """The factors of q by name, then `prior` (of z1 given z2) and `decoder`."""
    posterior = SMALL.posterior(order, MultivariateNormalDiag, **off)
    prior = SMALL.prior()
    parts = dict(posterior.factors)
    parts |= {"prior": prior.factors["z1"], "decoder": SMALL.decoder()}
    return posterior, prior, parts


def weights_of(parts):
    return {
        name: np.concatenate([w.ravel() for w in part.get_weights()]).astype("float64")
        for name, part in parts.items()
    }


def log_normal(value, loc, scale):
    return -0.5 * ((value - loc) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)


def dense(weights, *inputs):
    """Locations and scales of a Dense layer's Gaussians, each `[N, D]`."""
    h = np.stack(np.broadcast_arrays(*inputs), -1)
    size = weights.size // (h.shape[-1] + 1)
    kernel, bias = weights[:-size].reshape([-1, size]), weights[-size:]
    loc, raw = np.split(h @ kernel + bias, 2, -1)
    return loc, np.logaddexp(raw, 0.0)


def log_w(order, weights, eps):
    """log w at the standard normal numbers `eps` `[N, 2]`, one for each factor."""
    known, total = {"x": list(ROW[0].astype("float64"))}, 0.0  # lists of numbers or [N]
    for column, (name, given) in enumerate(ORDERS[order].items()):
        inputs = [value for g in given for value in known[g]]
        loc, scale = (v[..., 0] for v in dense(weights[name], *inputs))
        z = loc + scale * eps[:, column]
        known[name], total = [z], total - log_normal(z, loc, scale)
    loc, scale = (v[..., 0] for v in dense(weights["prior"], *known["z2"]))
    (z1,), (z2,) = known["z1"], known["z2"]
    total = total + log_normal(z2, 0.0, 1.0) + log_normal(z1, loc, scale)
    loc, scale = dense(weights["decoder"], z1)
    return total + log_normal(ROW[0].astype("float64"), loc, scale).sum(-1)


def exact(order, weights, num_samples, nodes=16):
    """L_K and its gradient by Gauss-Hermite quadrature over K pairs, K = 1 or 3.

    grad L_K = K E (w_1 / sum_k w_k) d log w_1, by symmetry.
    """
    points, mass = np.polynomial.hermite_e.hermegauss(nodes)
    eps = np.stack(np.meshgrid(points, points), -1).reshape([-1, 2])
    mass = np.outer(mass, mass).ravel() / mass.sum() ** 2
    value = log_w(order, weights, eps)
    if num_samples == 1:
        bound, share = mass @ value, np.ones_like(mass)
    else:
        w = np.exp(value - value.max())
        pairs, pair_mass = np.add.outer(w, w).ravel(), np.outer(mass, mass).ravel()
        share, bound = np.empty_like(w), 0.0
        for i in range(len(w)):
            total = w[i] + pairs
            share[i] = 3 * w[i] * (pair_mass / total).sum()
            bound += mass[i] * (pair_mass @ np.log(total / 3))
        bound += value.max()
    gradient = {}
    for name, flat in weights.items():
        gradient[name] = np.empty_like(flat)
        for i in range(len(flat)):
            up, down = flat.copy(), flat.copy()
            up[i], down[i] = flat[i] + 1e-5, flat[i] - 1e-5
            above = log_w(order, {**weights, name: up}, eps)
            slope = (above - log_w(order, {**weights, name: down}, eps)) / 2e-5
            gradient[name][i] = mass @ (share * slope)
    return bound, gradient


def estimates(loss, posterior, prior, parts, repeats=60, batch=1000):
    """Means over `batch` keys of the bound and of its gradient, `repeats` of each."""
    x = tf.repeat(ROW, batch, 0)
    variables = [part.trainable_variables for part in parts.values()]

    def run(keys):
        with tf.GradientTape() as tape:

            def log_likelihood(z):
                z1 = tf.reshape(z["z1"], [-1, 1])
                value = parts["decoder"](z1).log_prob(tf.repeat(ROW, tf.shape(z1)[0], 0))
                return tf.reshape(value, tf.shape(z["z1"])[:2])

            result = loss.evaluate(posterior({"x": x}), prior({}), log_likelihood, keys)
            objective = tf.reduce_mean(result.objective)
        flat = [
            tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)
            for gradients in tape.gradient(objective, variables)
        ]
        return tf.reduce_mean(result.bound), flat

    if repeats > 10:  # fewer take less time than tracing does
        run = tf.function(run, autograph=False)
    bounds, gradients = zip(
        *(run(random.row_keys(0, step, tf.range(batch))) for step in range(repeats)),
        strict=True,
    )
    stacked = {name: np.stack([g[i] for g in gradients]) for i, name in enumerate(parts)}
    return np.array(bounds), stacked


QUICK = [ELBO(estimator="stl"), IWLB(3, estimator="dreg", backward_samples=2)]
SLOW = [
    ELBO(kl="monte_carlo"),
    ELBO(num_samples=2),
    IWLB(3),
    IWLB(3, estimator="dreg"),
    IWLB(3, backward_samples=1),
]


@pytest.fixture(scope="module", params=ORDERS)
def small(request):
    posterior, prior, parts = networks(request.param, **OFF)
    flat = weights_of(parts)
    answers = {k: exact(request.param, flat, k) for k in (1, 3)}
    return request.param, posterior, prior, parts, answers


def test_the_quadrature_has_converged(small):
    order, *_, parts, answers = small
    for num_samples, nodes in ((1, 24), (3, 20)):
        bound, gradient = exact(order, weights_of(parts), num_samples, nodes)
        assert bound == pytest.approx(answers[num_samples][0], abs=2e-3)
        for name, value in gradient.items():
            np.testing.assert_allclose(answers[num_samples][1][name], value, atol=5e-3)


@pytest.mark.parametrize(
    "loss",
    [*QUICK, *(pytest.param(loss, marks=pytest.mark.slow) for loss in SLOW)],
    ids=repr,
)
def test_gradients_of_every_factor_are_the_exact_ones_in_the_mean(small, loss):
    _, posterior, prior, parts, answers = small
    bound, gradient = answers[3 if isinstance(loss, IWLB) else 1]
    bounds, found = estimates(loss, posterior, prior, parts)
    root = np.sqrt(len(bounds))
    assert abs(bounds.mean() - bound) < 4 * bounds.std() / root
    for name, value in found.items():
        error = value.std(0) / root + 1e-6
        distance = np.abs(value.mean(0) - gradient[name]) / error
        assert distance.max() < 4, f"{name}: {distance}"
        # Enough to tell an error of 20 % of the largest component of this part.
        assert error.max() < 0.05 * np.abs(gradient[name]).max(), name


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "loss", [ELBO(estimator="stl"), IWLB(3, estimator="dreg")], ids=repr
)
def test_the_posteriors_gradient_vanishes_at_the_true_posterior(order, loss):
    _, found = estimates(loss, *networks(order), repeats=2, batch=64)
    _, plain = estimates(IWLB(3), *networks(order), repeats=2, batch=64)
    for name in ORDERS[order]:
        assert np.abs(found[name]).max() < 1e-5 < 1e-2 < np.abs(plain[name]).max()


# What a model does beside training.


@pytest.fixture(scope="module", params=ORDERS)
def off(request):
    """The true model with a posterior every factor of which is off."""
    return CHAIN.vae(request.param, shift=0.3, stretch=1.3)


@pytest.mark.slow
def test_refine_ends_at_the_posterior(off):
    # A shift and a stretch of each factor are offsets of its raw parameters, so that the
    # family holds the true posterior, and refined weights are nearly the exact log p(x).
    few = X[:8]
    truth = CHAIN.log_prob(few)
    refined = off.refine(few, 150, learning_rate=0.1, seed=0)
    weights = off.log_weights(few, 500, seed=1, posterior=refined).numpy()
    before = off.log_weights(few, 500, seed=1).numpy()
    gaps = truth - weights.mean(0)
    assert gaps.max() < 0.05 < 1.0 < (truth - before.mean(0)).min()
    # An example's offsets are its own: they do not depend on who else is refined.
    others = np.concatenate([X[20:27], few[:1]])
    again = off.refine({"x": others}, 150, learning_rate=0.1, seed=0)
    again = off.log_weights(others, 500, seed=1, posterior=again).numpy()
    np.testing.assert_allclose(again.mean(0)[-1], weights.mean(0)[0], atol=0.02)


def test_samples_have_the_law_of_x(off):
    x = off.sample(20_000, seed=0).numpy().astype("float64")
    law = CHAIN.joint.conditional("x")
    variance = np.diag(law.covariance)
    assert np.all(np.abs(x.mean(0) - law.offset) < 4 * np.sqrt(variance / len(x)))
    error = np.sqrt((np.outer(variance, variance) + law.covariance**2) / len(x))
    assert np.all(np.abs(np.cov(x.T) - law.covariance) < 4 * error)


def test_predict_decodes_the_mean_factor_by_factor_and_metrics_compare_with_it():
    order = "ladder"
    off = CHAIN.vae(order, shift=0.3, stretch=1.3)
    known = {"x": X[:9]}
    for name, given in ORDERS[order].items():
        law = CHAIN.joint.conditional(name, *given)
        known[name] = law.mean(*[known[g] for g in given]) + 0.3
    mean = CHAIN.joint.conditional("x", "z1").mean(known["z1"])
    for _ in range(2):
        np.testing.assert_allclose(off.predict(X[:9], verbose=0), mean, atol=1e-5)
    off.compile(loss="iwlb", metrics=["mse"], run_eagerly=True)
    logs = off.evaluate(X[:9], verbose=0, return_dict=True)
    assert logs["mse"] == pytest.approx(np.mean((X[:9] - mean) ** 2), rel=1e-5)


@pytest.mark.slow
def test_a_served_model_of_two_latents_gives_what_the_model_gives(tmp_path):
    off = CHAIN.vae("chain", shift=0.3, stretch=1.3)
    off.compile(loss="elbo")
    off(X[:1])
    signatures = tf.saved_model.load(off.export(tmp_path / "m", num_samples=4)).signatures
    seed = np.array([4, -7, 2**50], np.int64)
    mean = off.sample_mean(seed=seed).numpy()
    answer = signatures["serving_default"](seed=tf.constant(seed))
    np.testing.assert_allclose(answer["mean"], mean, atol=1e-6)
    np.testing.assert_allclose(answer["samples"], off.sample(seed=seed), atol=1e-6)
    rows = [2, 0, 1, 1]
    joined = signatures["sample"](seed=tf.constant(seed[rows]))
    np.testing.assert_allclose(joined["mean"], mean[rows], atol=1e-6)
    answer = signatures["encode"](x=tf.constant(X[:3]))
    assert set(answer) == {"mean_z1", "mean_z2", "scale_z1", "scale_z2"}
    law = CHAIN.joint.conditional("z1", "x")
    np.testing.assert_allclose(answer["mean_z1"], law.mean(X[:3]) + 0.3, atol=1e-5)
    scale = 1.3 * np.linalg.cholesky(law.covariance)
    np.testing.assert_allclose(answer["scale_z1"], np.tile(scale, [3, 1, 1]), atol=1e-5)
    law = CHAIN.joint.conditional("z2", "z1")
    np.testing.assert_allclose(
        answer["mean_z2"], law.mean(answer["mean_z1"].numpy()) + 0.3, atol=1e-5
    )
    z1 = np.ones([3, 3], "float32")
    arguments = {name: tf.constant(value) for name, value in {"z1": z1}.items()}
    if "z2" in signatures["decode"].structured_input_signature[1]:
        arguments["z2"] = tf.zeros([3, 2])
    answer = signatures["decode"](**arguments)
    expected = CHAIN.joint.conditional("x", "z1").mean(z1)
    np.testing.assert_allclose(answer["mean"], expected, atol=1e-5)


@pytest.mark.slow
def test_a_vamp_prior_stands_on_the_top_latent_of_a_ladder():
    encoder = CHAIN.posterior("ladder")
    pseudo = X[:4]

    def prior(top):
        z1 = CHAIN.joint.conditional("z1", "z2").network(MultivariateNormalDiag)
        return tfgen.layers.JointDistribution({"z2": top, "z1": z1})

    vamp = tfgen.layers.VampPrior(4, pseudo)
    vae = tfgen.models.VAE(encoder, CHAIN.decoder(), prior(vamp))
    plain = CHAIN.vae("ladder")
    z = {"z2": np.array([[0.3, -0.8]]), "z1": np.array([[0.1, 0.2, -0.4]])}
    law = CHAIN.joint.conditional("z2", "x")
    mixed = np.log(
        np.mean(np.exp(law.log_prob(z["z2"], pseudo)))
    ) - CHAIN.joint.conditional("z2").log_prob(z["z2"][0])
    z = {name: value.astype("float32") for name, value in z.items()}
    moved = vae.prior.log_prob(z) - plain.prior.log_prob(z)
    np.testing.assert_allclose(np.ravel(moved), mixed, atol=1e-4)
    vae.compile("adam", "iwlb", run_eagerly=True)
    before = vamp.trainable_variables[0].numpy().copy()
    vae.fit(X, verbose=0)
    assert np.any(vamp.trainable_variables[0].numpy() != before)


def test_a_vamp_prior_on_a_dependent_latent_is_refused():
    # q(z2|z1) of the chain is no function of x, of which pseudo-inputs are made.
    z1 = CHAIN.joint.conditional("z1", "z2").network(MultivariateNormalDiag)
    prior = tfgen.layers.JointDistribution({"z2": tfgen.layers.VampPrior(4), "z1": z1})
    with pytest.raises((TypeError, ValueError), match=r"`prior` of 'z2'.*Draw 'z2' first"):
        tfgen.models.VAE(CHAIN.posterior("chain"), CHAIN.decoder(), prior)(X[:2])


def test_active_units_are_counted_for_each_latent():
    units = tfgen.evaluation.active_units(CHAIN.vae("ladder"), X)
    assert set(units) == {"z1", "z2"}
    for name, found in units.items():
        means = CHAIN.joint.conditional(name, "x").mean(X)
        np.testing.assert_allclose(found.variance, means.var(0, ddof=1), rtol=0.1)
        assert found.num_active == means.shape[1]
