"""VAE and IWAE: what `fit` takes, what is logged, and what comes back from a file."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
LAYERS = [
    tfgen.layers.MultivariateNormalDiag,
    tfgen.layers.MultivariateNormalTriL,
    tfgen.layers.MultivariateNormalScale,
]


@pytest.mark.parametrize(
    ("layer", "convolutional"),
    [
        *((layer, False) for layer in LAYERS),
        (LAYERS[0], True),
        *(pytest.param(layer, True, marks=pytest.mark.slow) for layer in LAYERS[1:]),
    ],
)
def test_every_posterior_trains_on_images(make_vae, digits, layer, convolutional):
    vae = make_vae(layer=layer, convolutional=convolutional)
    vae.compile(keras.optimizers.Adam(1e-2), "elbo", jit_compile=False)
    history = vae.fit(digits, batch_size=32, epochs=4, verbose=0).history
    assert set(history) == {"elbo", "kl", "loss", "reconstruction"}
    assert history["loss"][-1] < history["loss"][0] - 1.0
    assert vae.predict(digits[:5], verbose=0).shape == (5, 8, 8, 1)


def test_vectors_and_a_normal_likelihood_train():
    x = np.random.default_rng(0).normal(size=[64, 5]).astype("float32")
    normal = tfgen.layers.IndependentNormal
    encoder = keras.Sequential(
        [keras.layers.Dense(4), tfgen.layers.MultivariateNormalDiag(2)]
    )
    decoder = keras.Sequential([keras.layers.Dense(normal.params_size([5])), normal([5])])
    vae = tfgen.models.IWAE(encoder, decoder)
    vae.compile("adam", jit_compile=False)
    history = vae.fit(x, epochs=2, verbose=0).history
    assert set(history) == {"iwlb", "kl", "loss", "reconstruction"}


def test_what_is_logged_is_the_bound_at_beta_one(make_vae, digits):
    vae = make_vae()
    vae.compile("adam", tfgen.losses.ELBO(beta=4.0), run_eagerly=True)
    logs = vae.evaluate(digits, verbose=0, return_dict=True)
    assert logs["elbo"] == pytest.approx(logs["reconstruction"] - logs["kl"], abs=1e-4)
    assert logs["loss"] == pytest.approx(4 * logs["kl"] - logs["reconstruction"], abs=1e-4)


def test_logged_bounds_lie_below_log_p(make_vae, digits):
    vae = make_vae(tfgen.models.IWAE)
    vae.compile("adam", tfgen.losses.IWLB(10), run_eagerly=True)
    vae.fit(digits, epochs=3, verbose=0)
    bound = vae.evaluate(digits, verbose=0, return_dict=True)["iwlb"]
    log_prob = vae.log_prob(digits, num_samples=2000, seed=1)
    assert bound < float(tf.reduce_mean(log_prob))


def test_evaluate_does_not_depend_on_the_batch_size(make_vae, digits):
    vae = make_vae()
    vae.compile("adam", "iwlb", run_eagerly=True)
    results = [vae.evaluate(digits, batch_size=b, verbose=0) for b in (128, 32, 37)]
    np.testing.assert_allclose(results[1:], [results[0]] * 2, rtol=1e-5)


@pytest.mark.slow
def test_every_form_of_the_same_data_gives_the_same_training(make_vae, digits):
    def train(x, y=None, **kwargs):
        keras.utils.set_random_seed(1)
        vae = make_vae()
        vae.compile("adam", "elbo", run_eagerly=True)
        return vae.fit(x, y, epochs=2, shuffle=False, verbose=0, **kwargs).history["loss"]

    dataset = tf.data.Dataset.from_tensor_slices(digits).batch(50)
    losses = {
        "array again": train(digits, batch_size=50),
        "tensor": train(tf.constant(digits), batch_size=50),
        "pair": train(digits, digits, batch_size=50),
        "dataset": train(dataset),
        "dataset of pairs": train(dataset.map(lambda x: (x, x))),
    }
    array = train(digits, batch_size=50)
    for form, found in losses.items():
        np.testing.assert_allclose(found, array, rtol=1e-5, err_msg=form)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_generator_trains_a_model_that_was_never_built(digits, jit_compile):
    def batches():
        for start in range(0, 96, 32):
            yield (digits[start : start + 32],)

    normal = tfgen.layers.MultivariateNormalDiag
    encoder = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(normal.params_size(2)), normal(2)]
    )
    likelihood = tfgen.layers.IndependentBernoulli((8, 8, 1))
    decoder = keras.Sequential([keras.layers.Dense(64), likelihood])
    vae = tfgen.models.VAE(encoder, decoder)
    vae.compile("adam", "elbo", jit_compile=jit_compile)
    history = vae.fit(batches(), verbose=0).history
    # Untrained, each of 64 pixels has probability about 1/2.
    assert history["loss"] == pytest.approx([64 * np.log(2)], rel=0.2)
    assert vae.sample(2, seed=0).shape == (2, 8, 8, 1)


@pytest.mark.parametrize("how", [{"run_eagerly": True}, {"jit_compile": True}], ids=str)
def test_the_likelihood_is_of_y_and_the_encoder_sees_x(make_vae, digits, how):
    vae = make_vae()
    vae.compile("adam", tfgen.losses.ELBO(), **how)
    noisy = np.zeros_like(digits)
    given = vae.evaluate(noisy, digits, verbose=0, return_dict=True)
    rows = tf.range(len(digits))
    seed = tfgen.random.key(vae._noise_seed.value)
    stream = tfgen.random.stream(seed, tfgen.random.Stream.TEST)
    key = tfgen.random.row_keys(stream, 0, rows)
    z = tfgen.layers.sample(vae.encode(noisy).tensor_distribution, key)
    expected = tf.reduce_mean(vae.decode(z).log_prob(digits))
    assert given["reconstruction"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    "how",
    [{"run_eagerly": True}, pytest.param({"jit_compile": True}, marks=pytest.mark.slow)],
    ids=str,
)
@pytest.mark.parametrize("with_y", [False, True])
def test_sample_weight_is_not_dropped(make_vae, digits, how, with_y):
    weight = np.zeros(len(digits), "float32")
    weight[:40] = 2.0
    vae = make_vae()
    vae.compile("adam", "elbo", **how)
    y = digits if with_y else None
    logs = vae.evaluate(digits, y, sample_weight=weight, verbose=0, return_dict=True)
    kept = vae.evaluate(digits[:40], verbose=0, return_dict=True)
    # A zero weight removes an example from the averages; the loss is a mean over all.
    assert logs["elbo"] == pytest.approx(kept["elbo"], rel=1e-5)
    assert logs["loss"] == pytest.approx(-kept["elbo"] * 2 * 40 / 128, rel=1e-5)


def test_sample_weight_acts_on_training(make_vae, digits):
    def change(sample_weight):
        vae = make_vae()
        vae.compile(keras.optimizers.SGD(0.1), "elbo", run_eagerly=True)
        before = vae.trainable_weights[0].numpy().copy()
        vae.fit(digits, sample_weight=sample_weight, batch_size=128, verbose=0)
        return np.abs(vae.trainable_weights[0].numpy().copy() - before).max()

    zeros = np.zeros(len(digits), "float32")
    assert change(zeros) == 0.0
    assert change(zeros + 1) > 1e-4


@pytest.mark.slow
def test_validation_split_and_validation_data_agree(make_vae, digits):
    def train(x, **kwargs):
        keras.utils.set_random_seed(1)
        vae = make_vae()
        vae.compile("adam", "elbo", run_eagerly=True)
        return vae.fit(x, epochs=2, shuffle=False, verbose=0, **kwargs).history["val_elbo"]

    split = train(digits, validation_split=0.25)
    data = train(digits[:96], validation_data=(digits[96:],))
    bare = train(digits[:96], validation_data=digits[96:])
    dataset = tf.data.Dataset.from_tensor_slices(digits[96:]).batch(32)
    np.testing.assert_allclose(
        [split, bare, train(digits[:96], validation_data=dataset)], [data] * 3, rtol=1e-5
    )


@pytest.mark.slow
def test_one_seed_makes_a_whole_fit_repeat_itself(make_vae, digits):
    def train(seed):
        keras.utils.set_random_seed(seed)
        vae = make_vae()
        vae.compile("adam", "iwlb", run_eagerly=True)
        return vae.fit(digits, epochs=2, verbose=0).history["loss"]

    assert train(5) == train(5)
    assert train(5) != train(6)


def test_metrics_given_to_compile_see_y_and_the_mean(make_vae, digits):
    vae = make_vae()
    vae.compile(
        "adam",
        "elbo",
        metrics=[keras.metrics.MeanSquaredError(name="mse")],
        run_eagerly=True,
    )
    logs = vae.evaluate(digits, verbose=0, return_dict=True)
    assert 0 < logs["mse"] < 1


@pytest.mark.slow
def test_a_model_comes_back_from_a_file_in_a_new_process(
    make_vae, digits, tmp_path, run_python
):
    vae = make_vae(tfgen.models.IWAE, prior=tfd.MultivariateNormalDiag(tf.ones([3])))
    vae.compile(
        keras.optimizers.Adam(1e-2), tfgen.losses.IWLB(3, "dreg"), jit_compile=False
    )
    vae.fit(digits, batch_size=32, epochs=2, verbose=0)
    np.save(tmp_path / "x.npy", digits)
    vae.save(tmp_path / "vae.keras")
    printed = run_python(
        """
import json, sys, keras, numpy as np, tfgen
vae = keras.saving.load_model(sys.argv[1], safe_mode=True)
x = np.load(sys.argv[2])
log_weights = vae.log_weights(x[:4], 5, seed=3).numpy().tolist()
fit = vae.fit(x, batch_size=32, shuffle=False, verbose=0).history
print(json.dumps([type(vae).__name__, repr(vae.bound), log_weights, fit["loss"]]))
""",
        tmp_path / "vae.keras",
        tmp_path / "x.npy",
    )
    name, bound, log_weights, loss = json.loads(printed)
    assert (name, bound) == ("IWAE", repr(vae.bound))
    np.testing.assert_allclose(
        log_weights, vae.log_weights(digits[:4], 5, seed=3), rtol=1e-5
    )
    here = vae.fit(digits, batch_size=32, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(loss, here, rtol=1e-4)  # optimizer state and noise, too


def test_log_weights_are_the_three_terms(make_vae, digits):
    vae = make_vae()
    x = digits[:6]
    log_weights = vae.log_weights(x, 4, seed=9)
    keys = tfgen.random.row_keys(9, 0, tf.range(6))
    q = vae.encode(x)
    z = tfgen.layers.sample(q.tensor_distribution, keys, 4)
    log_likelihood = tf.stack([vae.decode(z[k]).log_prob(x) for k in range(4)])
    expected = log_likelihood + vae.prior.log_prob(z) - q.log_prob(z)
    np.testing.assert_allclose(log_weights, expected, rtol=1e-4, atol=1e-3)


def test_log_prob_in_blocks_is_log_prob_at_once(make_vae, digits, monkeypatch):
    vae = make_vae()
    whole = vae.log_prob(digits[:10], num_samples=50, seed=2)
    monkeypatch.setattr(tfgen.models.importance, "_BLOCK_NUMBERS", 256 * 7)
    np.testing.assert_allclose(vae.log_prob(digits[:10], 50, seed=2), whole, rtol=1e-5)
    expected = tfgen.losses.iwlb(vae.log_weights(digits[:10], 50, seed=2))
    np.testing.assert_allclose(whole, expected, rtol=1e-5)


def test_one_seed_is_one_sample(make_vae):
    vae = make_vae(tfgen.models.IWAE)
    several = vae.sample(seed=[3, 2**40, -1])
    np.testing.assert_array_equal(several[1:2], vae.sample(seed=[2**40]))
    np.testing.assert_array_equal(several[:1], vae.sample(1, seed=3))
    assert np.abs(vae.sample(50) - vae.sample(50)).max() == 1  # fresh numbers
    np.testing.assert_array_equal(vae.sample(5, seed=1), vae.sample(9, seed=1)[:5])


def test_samples_follow_the_model(make_vae):
    vae = make_vae(latent_dim=2)
    n = 20_000
    draws = vae.sample(n, seed=0).numpy()
    z = vae.prior.sample(n, seed=(1, 2))
    mean = vae.decode(z).mean().numpy().mean(axis=0)
    error = np.sqrt(0.25 / n) * np.sqrt(2)  # Bernoulli's largest, twice
    assert np.abs(draws.mean(axis=0) - mean).max() < 5 * error


def test_the_summary_says_which_kl_is_in_use(make_vae, digits):
    def objective(vae, loss):
        vae.compile("adam", loss, jit_compile=False)
        lines = []
        vae.summary(print_fn=lambda text, **_: lines.append(text))
        return lines[-1]

    assert "analytic KL" in objective(make_vae(), "elbo")
    assert "Monte Carlo KL" in objective(make_vae(), tfgen.losses.ELBO(kl="monte_carlo"))
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.zeros([2])), tfd.MultivariateNormalDiag(tf.eye(2, 3))
    )
    assert "Monte Carlo KL" in objective(make_vae(prior=mixture), "elbo")


def test_analytic_and_monte_carlo_kl_agree(make_vae, digits):
    vae = make_vae()
    logs = []
    for kl in ("analytic", "monte_carlo"):
        vae.compile("adam", tfgen.losses.ELBO(500, kl=kl), run_eagerly=True)
        logs.append(vae.evaluate(digits, verbose=0, return_dict=True)["kl"])
    assert logs[0] == pytest.approx(logs[1], abs=4 * np.sqrt(3 / 2 / (500 * 128)))


def test_it_stands_in_a_functional_model(make_vae, digits):
    vae = make_vae()
    x = keras.Input((8, 8, 1))
    model = keras.Model(x, keras.layers.Flatten()(vae(x)))
    assert model.predict(digits[:3], verbose=0).shape == (3, 64)


def test_mixed_precision_trains(digits, make_vae):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        vae = make_vae()
        vae.compile("adam", "elbo", jit_compile=False)
        history = vae.fit(digits, epochs=2, verbose=0).history
    finally:
        keras.config.set_dtype_policy("float32")
    assert history["loss"][1] < history["loss"][0]
    assert vae.encode(digits[:2]).dtype == tf.float32


def test_samples_and_likelihoods_of_many_sizes_are_traced_twice(make_vae, digits):
    vae = make_vae()
    samples = [vae.sample_mean(n, seed=3) for n in range(1, 9)]
    values = [vae.log_prob(digits[:n], 2, seed=3) for n in range(1, 9)]
    for results in (samples, values):
        for n, result in enumerate(results, start=1):
            np.testing.assert_allclose(result, results[-1][:n], rtol=1e-5, atol=1e-6)
    traces = [f.experimental_get_tracing_count() for f in vae._programs.values()]
    assert traces == [2, 2]
