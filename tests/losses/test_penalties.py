"""Penalties of a batch, against quadrature, enumeration and closed forms."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import softplus_inverse
from tfgen import random
from tfgen.losses import ELBO, IWLB, MMD, FreeBits, KLCapacity, TotalCorrelation, kl_parts
from tfgen.losses.penalties.total_correlation import _log_shares

tfd = tfp.distributions

KEYS = random.row_keys(0, 0, tf.range(2))


def standard(size):
    return tfd.MultivariateNormalDiag(tf.zeros([size]), tf.ones([size]))


# Three examples, two units; q(z) is a mixture of three Gaussians.
MEANS = np.array([[-1.0, -0.8], [0.2, 0.9], [1.5, 0.6]])
SCALES = np.array([[0.5, 0.4], [0.8, 0.6], [0.4, 0.9]])


def log_normal(z, mean, scale):
    return -0.5 * ((z - mean) / scale) ** 2 - np.log(scale) - 0.5 * np.log(2 * np.pi)


def exact_parts(units):
    """Mutual information, total correlation and dimension-wise KL, on a grid."""
    axis = np.linspace(-8, 8, 401)
    grid = np.stack(np.meshgrid(*[axis] * units, indexing="ij"), -1).reshape(-1, units)
    cell = (axis[1] - axis[0]) ** units
    each = log_normal(grid[:, None], MEANS[:, :units], SCALES[:, :units])  # [G, N, D]
    log_joint = np.logaddexp.reduce(each.sum(-1), axis=1) - np.log(3)
    log_product = (np.logaddexp.reduce(each, axis=1) - np.log(3)).sum(-1)
    log_prior = log_normal(grid, 0.0, 1.0).sum(-1)
    mass = np.exp(log_joint) * cell
    conditional = (np.exp(each.sum(-1)) * each.sum(-1)).sum(0).mean() * cell
    return np.array(
        [
            conditional - mass @ log_joint,
            mass @ (log_joint - log_product),
            mass @ (log_product - log_prior),
        ]
    )


@pytest.mark.parametrize("units", [1, 2])
def test_parts_of_the_kl_are_those_of_quadrature_and_their_sum_the_kl(units):
    # The batch is the whole data, so that q(z) is exact; many draws of z.
    q = tfd.MultivariateNormalDiag(
        tf.constant(MEANS[:, :units], tf.float32),
        tf.constant(SCALES[:, :units], tf.float32),
    )
    draws = tfgen.layers.sample(q, random.row_keys(1, 0, tf.range(3)), 4000)
    parts = tf.vectorized_map(lambda z: kl_parts(q, standard(units), z, 3), draws)
    parts = np.stack([part.numpy().astype("float64") for part in parts], axis=1)
    error = parts.std(0) / np.sqrt(len(parts))
    exact = exact_parts(units)
    assert np.all(np.abs(parts.mean(0) - exact) < 4 * error + 1e-6)
    kl = tf.reduce_mean(tfd.kl_divergence(q, standard(units)))
    assert exact.sum() == pytest.approx(float(kl), abs=1e-5)
    assert (exact[1] > 0.05) == (units == 2), "one unit has no total correlation"


def test_weights_of_a_batch_estimate_the_aggregate_posterior_without_bias():
    # Every batch of 3 examples of 5, by enumeration: the mean estimate of q(z_0).
    rng = np.random.default_rng(0)
    means, scales = rng.normal(size=[5, 1]), rng.uniform(0.3, 1.0, size=[5, 1])
    z = 0.4
    estimates = []
    for others in itertools.permutations(range(1, 5), 2):
        rows = [0, *others]
        q = tfd.MultivariateNormalDiag(means[rows], scales[rows])
        prior = tfd.MultivariateNormalDiag(np.zeros(1), np.ones(1))
        parts = kl_parts(q, prior, np.full([3, 1], z), 5)
        # log q(z|x_i) - log q^(z), averaged over rows: undo the average for row 0 alone.
        shares = _log_shares(3, 5, tf.float64)
        each = log_normal(z, means[rows, 0], scales[rows, 0])
        joint = np.log(np.exp(shares.numpy() + each[None]).sum(1))
        assert float(parts.mutual_information) == pytest.approx(np.mean(each - joint))
        estimates.append(np.exp(joint[0]))
    # Of batches that hold example 0. Those of example i averaged over i give q(z); here
    # row 0 has mean (1/N) q_0 + (1/N) sum of the others: q(z) itself.
    exact = np.exp(log_normal(z, means, scales)).mean()
    assert np.mean(estimates) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("kernel", ["rbf", "imq"])
def test_mmd_is_the_closed_form_between_gaussians(kernel):
    # z - z', z - y and y - y' are Gaussian. E exp(-|u|^2 / c) of u ~ N(m, v I) in D
    # dimensions is (1 + 2v/c)^(-D/2) exp(-|m|^2 / (c + 2v)), and c / (c + s) is the
    # integral of exp(-t s / c) exp(-t) over t > 0.
    size, batch, replicates = 2, 32, 600
    mean, scale = np.array([0.8, -0.5]), 0.6
    width = 2.0 * size

    def rbf(m, v, c):
        return (1 + 2 * v / c) ** (-size / 2) * np.exp(-(m @ m) / (c + 2 * v))

    def expected(m, v):
        if kernel == "rbf":
            return rbf(m, v, width)
        t = (np.arange(100_000) + 0.5) / 100_000 * 40
        values = [rbf(m, v, width / s) for s in t[::100]]
        return float(np.trapezoid(np.array(values) * np.exp(-t[::100]), t[::100]))

    exact = (
        expected(0 * mean, 2 * scale**2)
        - 2 * expected(mean, scale**2 + 1)
        + expected(0 * mean, 2.0)
    )
    q = tfd.MultivariateNormalDiag(
        tf.constant(np.tile(mean, [batch, 1]), tf.float32), tf.fill([batch, 2], scale)
    )
    penalty = MMD(1.0, kernel)

    @tf.function(autograph=False)
    def value(seed):
        keys = random.row_keys(seed, 0, tf.range(batch))
        return penalty(q, standard(2), tfgen.layers.sample(q, keys), keys)

    values = np.array([value(tf.constant(s)) for s in range(replicates)], "float64")
    error = values.std() / np.sqrt(replicates)
    assert error < exact / 20, "too few replicates to tell"
    assert abs(values.mean() - exact) < 4 * error + 1e-3 * exact


def test_mmd_of_equal_distributions_has_mean_zero():
    q = tfd.MultivariateNormalDiag(tf.zeros([16, 2]), tf.ones([16, 2]))
    penalty = MMD(1.0)

    @tf.function(autograph=False)
    def value(seed):
        keys = random.row_keys(seed, 0, tf.range(16))
        return penalty(q, standard(2), tfgen.layers.sample(q, keys), keys)

    values = [float(value(tf.constant(seed))) for seed in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_free_bits_give_the_objective_of_the_source():
    # -E log p(x|z) + sum_d max(nats, KL_d), in value and gradient.
    raw = tf.constant([[0.5, 0.02, 0.3, 0.54], [1.5, -0.03, 0.2, 0.52]])
    layer, nats = tfgen.layers.MultivariateNormalDiag(2), 0.2

    def kls(raw):
        mean, scale = raw[:, :2], tf.nn.softplus(raw[:, 2:])
        return 0.5 * (mean**2 + scale**2 - 1) - tf.math.log(scale)

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(raw)
        q = layer.distribution(raw)
        penalty = FreeBits(nats)(q, standard(2), q.sample(seed=0), KEYS)
        mine = tf.reduce_mean(tfd.kl_divergence(q, standard(2))) + penalty
        units = tf.reduce_mean(kls(raw), axis=0)
        source = tf.reduce_sum(tf.maximum(nats, units))
    assert units[0] > nats > units[1]
    assert float(mine) == pytest.approx(float(source), rel=1e-5)
    ours, theirs = tape.gradient(mine, raw), tape.gradient(source, raw)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(ours[:, 1], 0.0, atol=1e-6)  # the unit is free


def test_capacity_is_a_distance_and_changes_without_a_new_trace():
    layer = tfgen.layers.MultivariateNormalDiag(1)
    q = layer(tf.constant([[1.0, softplus_inverse(1.0)]], tf.float32))  # KL = 1/2
    penalty = KLCapacity(2.0)
    value = tf.function(lambda: penalty(q, standard(1), tf.zeros([1, 1]), KEYS[:1]))
    assert float(value()) == pytest.approx(1.5, abs=1e-6)
    penalty.capacity.assign(0.25)
    assert float(value()) == pytest.approx(0.25, abs=1e-6)


# In `fit`.


def make_vae(layer=tfgen.layers.MultivariateNormalDiag):
    encoder = [keras.Input([4]), keras.layers.Dense(layer.params_size(2)), layer(2)]
    likelihood = tfgen.layers.IndependentNormal
    decoder = [keras.Input([2]), keras.layers.Dense(8), likelihood([4])]
    return tfgen.models.VAE(keras.Sequential(encoder), keras.Sequential(decoder))


X = np.random.default_rng(0).normal(size=[9, 4]).astype("float32")
ALL = [FreeBits(0.3), KLCapacity(1.0, 2.0), TotalCorrelation(3.0, 9), MMD(4.0)]


@pytest.mark.slow
def test_bound_that_is_logged_stays_the_bound_and_the_loss_has_the_rest():
    vae = make_vae()
    logs = []
    for penalties, options in (
        ([], {"run_eagerly": True}),
        (ALL, {"run_eagerly": True}),
        (ALL, {"jit_compile": True}),
    ):
        vae.compile(keras.optimizers.SGD(0.0), ELBO(), penalties=penalties, **options)
        logs.append(vae.evaluate(X[:8], batch_size=4, return_dict=True, verbose=0))
    plain, eager, compiled = logs
    assert compiled == pytest.approx(eager, rel=1e-4)
    for name in ("elbo", "reconstruction", "kl"):
        assert eager[name] == pytest.approx(plain[name], rel=1e-5), name
    added = sum(p.weight * eager[p.label] for p in ALL)
    assert added > 0.1
    assert eager["loss"] == pytest.approx(plain["loss"] + added, rel=1e-5)


def test_gradient_of_a_penalty_is_the_same_beside_any_estimator():
    # DReG multiplies signals into its own z; the penalty's z is not of them.
    keys = random.row_keys(0, 0, tf.range(9))
    results = []
    for loss in (IWLB(4), IWLB(4, "dreg")):
        vae = make_vae()
        keras.utils.set_random_seed(1)
        vae.encoder.layers[0].kernel.assign(tf.random.normal([4, 4]))
        vae.compile("adam", loss, penalties=[MMD(1.0)])
        with tf.GradientTape() as tape:
            prediction = vae._predict_terms({"x": X}, X, keys, training=True)
            (value,) = prediction.penalties
        results.append(tape.gradient(value, vae.encoder.layers[0].kernel))
    np.testing.assert_allclose(*results, rtol=1e-5)
    assert np.abs(results[0]).max() > 1e-3


def test_compiled_model_keeps_its_penalties_when_saved(tmp_path):
    vae = make_vae()
    penalties = [FreeBits(0.25), TotalCorrelation(2.0, 9)]
    vae.compile("adam", "elbo", penalties=penalties, run_eagerly=True)
    vae.fit(X, verbose=0)
    vae.save(tmp_path / "vae.keras")
    again = keras.saving.load_model(tmp_path / "vae.keras")
    assert repr(again.penalties) == repr(vae.penalties)


@pytest.mark.parametrize("penalty", ALL, ids=repr)
def test_config_gives_the_same_penalty_again(penalty):
    (again,) = tfgen.losses.get_penalties([keras.saving.serialize_keras_object(penalty)])
    assert repr(again) == repr(penalty)


# Bad input.


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (
            lambda: FreeBits(-0.1),
            ValueError,
            r"`nats` must be finite.*-0\.1",
        ),
        (lambda: FreeBits("1"), TypeError, r"`nats` must be a number"),
        (lambda: TotalCorrelation(-1.0, 5), ValueError, r"`weight`.*received -1"),
        (
            lambda: TotalCorrelation(1.0, 0),
            ValueError,
            r"`num_examples`.*at least 1",
        ),
        (lambda: MMD(1.0, "linear"), ValueError, r"`kernel`.*'rbf'.*received 'linear'"),
        (lambda: MMD(1.0, scale=0.0), ValueError, r"`scale` must be above 0"),
        (lambda: KLCapacity(-1.0), ValueError, r"`capacity`.*at least 0"),
        (lambda: compiled(FreeBits(0.1)), TypeError, r"`penalties` must be a list"),
        (lambda: compiled(["mmd"]), TypeError, r"`penalties` must hold.*'mmd'"),
        (lambda: compiled([MMD(1.0), MMD(2.0)]), ValueError, r"different names.*'mmd'"),
    ],
)
def test_bad_arguments_are_named(make, error, match):
    with pytest.raises(error, match=match):
        make()


def compiled(penalties, layer=tfgen.layers.MultivariateNormalDiag):
    vae = make_vae(layer)
    vae.compile("adam", "elbo", penalties=penalties, run_eagerly=True)
    return vae


def test_posterior_whose_units_depend_on_each_other_is_refused_at_compile():
    for penalty in (FreeBits(0.1), TotalCorrelation(1.0, 9)):
        with pytest.raises(ValueError, match=r"`penalties`.*posterior whose units"):
            compiled([penalty], tfgen.layers.MultivariateNormalTriL)


@pytest.mark.parametrize("penalty", [TotalCorrelation(1.0, 9), MMD(1.0)], ids=repr)
def test_batch_of_one_is_refused(penalty):
    with pytest.raises(ValueError, match=r"`batch_size` must be at least 2.*received 1"):
        compiled([penalty]).fit(X, batch_size=1, verbose=0)
    # A last batch of a single example adds nothing.
    model = compiled([penalty])
    model.fit(X[:5], batch_size=4, shuffle=False, verbose=0)
    assert model.evaluate(X[:1], verbose=0, return_dict=True)[penalty.label] == 0.0
    assert model.evaluate(X[:4], verbose=0, return_dict=True)[penalty.label] != 0.0


def test_alternation_of_mean_field_takes_no_penalties():
    decoder = make_vae().decoder
    model = tfgen.models.MeanFieldVAE(9, decoder)
    with pytest.raises(
        ValueError, match=r"`penalties` must be left out if `posterior_steps`"
    ):
        model.compile("adam", "elbo", posterior_steps=1, penalties=[MMD(1.0)])
