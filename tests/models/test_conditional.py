"""A VAE of p(x|c) where the exact answer is known: the linear-Gaussian model given c."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tests.conditional_gaussian import (
    ConditionalGaussian,
    fitted_log_prob,
    maximum_log_likelihood,
)

MODEL = ConditionalGaussian()
DATA = MODEL.sample(400)
FEW = {name: value[:7] for name, value in DATA.items()}
SHIFT, STRETCH = 0.2, 1.25


def gap(shift, stretch):
    """KL(q || posterior) for q that is off by a shift and a stretch, in closed form."""
    covariance = MODEL.joint.conditional("z", "x", "c").covariance
    size = len(covariance)
    squares = np.linalg.inv(covariance).sum() * shift**2
    return 0.5 * (size * (stretch**2 - 1 - 2 * np.log(stretch)) + squares)


@pytest.fixture(scope="module")
def exact():
    """The true model with its true posterior."""
    return MODEL.vae()


@pytest.fixture(scope="module")
def off():
    """The true model with a posterior that is off."""
    return MODEL.vae(shift=SHIFT, stretch=STRETCH)


def test_every_weight_of_the_true_posterior_is_the_exact_log_px_given_c(exact):
    weights = exact.log_weights(FEW, 50, seed=0).numpy()
    assert np.ptp(weights, axis=0).max() < 1e-4
    np.testing.assert_allclose(weights[0], MODEL.log_prob(FEW), atol=1e-4)
    np.testing.assert_allclose(exact.log_prob(FEW, 10), MODEL.log_prob(FEW), atol=1e-4)


def test_bounds_rise_to_the_exact_log_px_given_c(off):
    truth = MODEL.log_prob(DATA)
    below = []
    for num_samples in (1, 5, 50):
        bound = off.log_prob(DATA, num_samples, seed=num_samples).numpy()
        error = bound.std() / np.sqrt(len(truth))
        below.append((truth - bound).mean())
        assert below[-1] > -4 * (truth - bound).std() / np.sqrt(len(truth)), error
        if num_samples == 1:  # known: L_1 is log p(x|c) - KL(q || posterior)
            error = (truth - bound).std() / np.sqrt(len(truth))
            assert abs(below[0] - gap(SHIFT, STRETCH)) < 4 * error
    assert below[0] > 2 * below[1] > 4 * below[2]
    np.testing.assert_allclose(
        off.log_prob(FEW, 20_000, seed=0), MODEL.log_prob(FEW), atol=0.02
    )


@pytest.mark.parametrize("kl", ["analytic", "monte_carlo"])
def test_evaluate_gives_the_exact_elbo(off, kl):
    off.compile(loss=tfgen.losses.ELBO(50, kl=kl), run_eagerly=True)
    elbo = off.evaluate(DATA, batch_size=64, verbose=0, return_dict=True)["elbo"]
    # 20 000 terms of log w, whose standard deviation is below 2: 0.014.
    truth = MODEL.log_prob(DATA).mean() - gap(SHIFT, STRETCH)
    assert abs(elbo - truth) < 4 * 0.014


def test_likelihood_takes_conditions(off):
    found = tfgen.evaluation.log_likelihood(off, FEW, 5000, seed=0)
    truth = MODEL.log_prob(FEW)
    assert np.all(np.abs(found[0] - truth) < 4 * np.asarray(found[1]) + 1e-4)


@pytest.mark.slow
def test_annealing_takes_conditions(off):
    truth = MODEL.log_prob(FEW)
    below = tfgen.evaluation.annealed_importance_sampling(off, FEW, 30, 8, seed=0)
    np.testing.assert_allclose(np.asarray(below[0]), truth, atol=0.5)


def test_refine_reaches_the_posterior_given_c(off):
    refined = off.refine(FEW, 150, seed=0)
    posterior = MODEL.joint.conditional("z", "x", "c")
    kl = posterior.law(FEW["x"], FEW["c"])
    mean = np.asarray(refined.mean(), "float64")
    factor = np.linalg.cholesky(np.asarray(refined.covariance(), "float64"))
    kl = type(kl)(mean, factor).kl_divergence(kl).numpy()
    assert kl.max() < 0.02 < gap(SHIFT, STRETCH)


def test_samples_have_the_law_of_x_given_c(exact):
    num, c = 20_000, np.array([[0.7, -1.2]], "float32")
    condition = {"c": np.repeat(c, num, 0)}
    x = exact.sample(condition=condition, seed=0).numpy().astype("float64")
    law = MODEL.joint.conditional("x", "c")
    error = np.sqrt(np.diag(law.covariance) / num)
    assert np.all(np.abs(x.mean(0) - law.mean(c)[0]) < 4 * error)
    # Var of a sample covariance: (C_ii C_jj + C_ij^2) / n.
    diagonal = np.diag(law.covariance)
    error = np.sqrt((np.outer(diagonal, diagonal) + law.covariance**2) / num)
    assert np.all(np.abs(np.cov(x.T) - law.covariance) < 4 * error)
    # The means: of law N((W A + B) c, W W^T).
    means = exact.sample_mean(condition=condition, seed=0).numpy().astype("float64")
    assert np.all(np.abs(means.mean(0) - law.mean(c)[0]) < 4 * np.sqrt(diagonal / num))
    assert np.all(np.abs(np.cov(means.T) - MODEL.w @ MODEL.w.T) < 4 * error)


def test_a_sample_depends_on_its_seed_and_condition_alone(exact):
    seeds, c = [5, 6, 5], FEW["c"][:3]
    together = exact.sample(seed=seeds, condition={"c": c}).numpy()
    for row, seed in enumerate(seeds):
        alone = exact.sample(seed=[seed], condition={"c": c[row : row + 1]})
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)
    assert not np.allclose(together[0], together[2])


def test_predict_is_the_mean_at_the_posteriors_mean_and_metrics_compare_with_it(off):
    z = MODEL.joint.conditional("z", "x", "c").mean(FEW["x"], FEW["c"]) + SHIFT
    mean = z @ MODEL.w.T + FEW["c"] @ MODEL.b.T
    for _ in range(2):
        np.testing.assert_allclose(off.predict(FEW, verbose=0), mean, atol=1e-5)
    off.compile(loss="elbo", metrics=["mse"], run_eagerly=True)
    logs = off.evaluate(FEW, verbose=0, return_dict=True)
    assert logs["mse"] == pytest.approx(np.mean((FEW["x"] - mean) ** 2), rel=1e-5)
    given = off.decode(z.astype("float32"), condition={"c": FEW["c"]}).mean()
    np.testing.assert_allclose(given, mean, atol=1e-5)


def test_a_saved_model_is_the_same_model(off, tmp_path):
    off.compile("adam", "iwlb")
    off.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    for get in (
        lambda vae: vae.log_weights(FEW, 3, seed=0),
        lambda vae: vae.sample(condition={"c": FEW["c"]}, seed=0),
    ):
        np.testing.assert_array_equal(get(again), get(off))


def train(epochs=3, **kwargs):
    keras.utils.set_random_seed(0)
    vae = MODEL.untrained()
    vae.compile(keras.optimizers.Adam(0.01), "elbo", **kwargs)
    history = vae.fit(DATA, batch_size=64, epochs=epochs, verbose=0).history
    return history, vae.get_weights()


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_fused_fit_is_the_plain_fit(jit_compile):
    history, weights = train(run_eagerly=True)
    fused_history, fused_weights = train(jit_compile=jit_compile, steps_per_execution=4)
    for name, values in history.items():
        np.testing.assert_allclose(fused_history[name], values, rtol=1e-5, err_msg=name)
    for value, fused in zip(weights, fused_weights, strict=True):
        np.testing.assert_allclose(fused, value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_fit_reaches_the_maximum_likelihood_solution():
    data = MODEL.sample(1000, seed=2)
    keras.utils.set_random_seed(0)
    vae = MODEL.untrained()
    rate = keras.optimizers.schedules.CosineDecay(0.03, 2000)
    vae.compile(keras.optimizers.Adam(rate), "elbo", steps_per_execution=10)
    vae.fit(data, batch_size=100, epochs=200, verbose=0)
    most = maximum_log_likelihood(data, MODEL.sizes["z"])
    assert MODEL.log_prob(data).mean() < most  # the closed form is a maximum
    found = fitted_log_prob(vae, data)
    assert most - 0.05 < found.mean() < most + 1e-3
    few = {name: value[:50] for name, value in data.items()}
    np.testing.assert_allclose(vae.log_prob(few, 2000, seed=0), found[:50], atol=0.05)


LABELS = ConditionalGaussian(condition_size=4)
LABEL = np.array([2, 0, 3, 1, 2])
ONE_HOT = np.eye(4, dtype="float32")[LABEL]
KINDS = {
    "integers": (LABEL, keras.Input([], name="c", dtype="int32")),
    "one-hot": (ONE_HOT, keras.Input([4], name="c")),
    "images": (ONE_HOT.reshape([-1, 2, 2, 1]), keras.Input([2, 2, 1], name="c")),
}


def embedded(network, vector):
    """The network with its input `c` computed from a label by the layer `vector`."""
    inputs = [i for i in network.inputs if i.name != "c"]

    def make(c):
        given = [vector(c) if i.name == "c" else i for i in network.inputs]
        return keras.Model([*inputs, c], network(given))

    return make


@pytest.mark.parametrize(
    "kind",
    ["integers", *(pytest.param(k, marks=pytest.mark.slow) for k in list(KINDS)[1:])],
)
def test_labels_are_integers_or_one_hot_or_images(kind):
    label, c = KINDS[kind]
    vector = {
        "integers": keras.layers.Embedding(4, 4, embeddings_initializer="identity"),
        "one-hot": keras.layers.Identity(),
        "images": keras.layers.Flatten(),
    }[kind]
    truth = LABELS.vae()
    parts = (truth.encoder, truth.decoder, truth.prior)
    vae = tfgen.models.VAE(*[embedded(part, vector)(c) for part in parts])
    data = {"x": LABELS.sample(5)["x"], "c": label}
    exact = LABELS.log_prob({"x": data["x"], "c": ONE_HOT})
    np.testing.assert_allclose(vae.log_prob(data, 3, seed=0), exact, atol=1e-4)
    np.testing.assert_allclose(
        vae.sample(condition={"c": label}, seed=1),
        truth.sample(condition={"c": ONE_HOT}, seed=1),
        atol=1e-5,
    )
    vae.compile("adam", tfgen.losses.ELBO(kl="monte_carlo"), run_eagerly=True)
    # One step, from the true posterior, at which the ELBO has no noise.
    loss = vae.fit(data, verbose=0).history["loss"]
    np.testing.assert_allclose(loss, [-np.mean(exact)], atol=1e-4)


REPLICAS = """
import json
import keras, tensorflow as tf
from tests.conditional_gaussian import ConditionalGaussian

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
model = ConditionalGaussian()
data = model.sample(107)  # the last batch, of 11, divides by nothing

def train(strategy):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        vae = model.untrained()
        vae.compile(keras.optimizers.Adam(0.01), "iwlb")
    return vae.fit(data, batch_size=32, epochs=2, verbose=0).history

two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
print(json.dumps([train(tf.distribute.get_strategy()), train(two)]))
"""


@pytest.mark.slow
def test_two_replicas_train_as_one(run_python):
    import json

    alone, together = json.loads(run_python(REPLICAS).strip().splitlines()[-1])
    assert alone.keys() == together.keys() >= {"loss", "iwlb"}
    for name, values in alone.items():
        np.testing.assert_allclose(together[name], values, rtol=1e-5, err_msg=name)


def served(path):
    return tf.saved_model.load(path).signatures


def test_a_served_model_gives_what_the_model_gives(off, tmp_path):
    off.compile(loss="elbo")
    signatures = served(off.export(tmp_path / "served", num_samples=4))
    seeds = np.array([3, -1, 2**40], np.int64)
    few = {name: tf.constant(value[:3]) for name, value in FEW.items()}
    c = few["c"]
    mean = off.sample_mean(seed=seeds, condition={"c": c}).numpy()
    for name in ("sample", "serving_default"):
        answer = signatures[name](seed=tf.constant(seeds), c=c)
        np.testing.assert_allclose(answer["mean"], mean, atol=1e-6)
        samples = off.sample(seed=seeds, condition={"c": c})
        np.testing.assert_allclose(answer["samples"], samples, atol=1e-6)
    # Joined with another's rows, and padded with copies of a row, as a server does.
    rows = [1, 2, 0, 0, 0]
    joined = signatures["sample"](seed=tf.gather(seeds, rows), c=tf.gather(c, rows))
    np.testing.assert_allclose(joined["mean"], mean[rows], atol=1e-6)
    q = off.encode(few)
    answer = signatures["encode"](**few)
    np.testing.assert_allclose(answer["mean"], q.mean(), atol=1e-6)
    scale = np.linalg.cholesky(np.asarray(q.covariance()))
    np.testing.assert_allclose(answer["scale"], scale, atol=1e-5)
    answer = signatures["decode"](z=tf.zeros([3, 2]), c=c)
    np.testing.assert_allclose(answer["mean"], FEW["c"][:3] @ MODEL.b.T, atol=1e-5)
    bounds = signatures["iwlb"](seed=tf.constant(seeds), **few)["iwlb"]
    assert bounds.shape == [3]
    assert np.all(bounds - MODEL.log_prob(few) < 3.0)  # e^-3 bounds such a draw's odds


def test_a_request_without_its_condition_or_of_another_batch_is_refused(off, tmp_path):
    off.compile(loss="elbo")
    signatures = served(off.export(tmp_path / "served"))
    seed = tf.constant([1, 2], tf.int64)
    with pytest.raises((TypeError, ValueError), match=r"\bc\b"):
        signatures["sample"](seed=seed)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match="`c`"):
        signatures["sample"](seed=seed, c=tf.zeros([3, 2]))
