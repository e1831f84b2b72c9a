"""The GAN model: its step by hand, its metrics, its noise, its files, its errors."""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgen import losses, models, random
from tfgen.models.gan.monitor import Monitor


def linear_gan(latent_dim=2, **kwargs):
    """x = W z + b and a(x) = v·x + c: everything about it is known by hand.

    Run eagerly, unless told otherwise: tracing takes longer than these trainings.
    """
    keras.utils.set_random_seed(1)
    generator = keras.Sequential([keras.Input([latent_dim]), keras.layers.Dense(2)])
    discriminator = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    gan = models.GAN(generator, discriminator, latent_dim)
    weights = np.array([[1.0, 0.5], [-0.3, 0.8]], np.float32)[:latent_dim]
    generator.set_weights([weights, np.array([0.2, -0.1], np.float32)])
    discriminator.set_weights([np.array([[0.7], [-0.4]]), np.array([0.1])])
    if kwargs:
        gan.compile(sgd(), sgd(), **{"run_eagerly": "jit_compile" not in kwargs, **kwargs})
    return gan


def sgd():
    return keras.optimizers.SGD(0.5)


def small_gan(dtype=None):
    layers = keras.layers
    generator = keras.Sequential(
        [
            keras.Input([3]),
            layers.Dense(16, "relu", dtype=dtype),
            layers.Dense(2, dtype=dtype),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input([2]),
            layers.Dense(16, "relu", dtype=dtype),
            layers.Dense(1, dtype=dtype),
        ]
    )
    return models.GAN(generator, discriminator, latent_dim=3)


def data(count=64, seed=0):
    return np.random.default_rng(seed).standard_normal([count, 2]).astype(np.float32)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class ByHand:
    """The same training in NumPy, with SGD of rate 0.5, on the model's own noise."""

    def __init__(self, gan):
        (self.w, self.b), (v, c) = (
            gan.generator.get_weights(),
            gan.discriminator.get_weights(),
        )
        self.v, self.c = v[:, 0], c[0]
        key = random.key(gan._noise_seed.value)
        self.key = random.stream(key, random.Stream.TRAIN)

    def noise(self, step, number, rows):
        keys = random.row_keys(self.key, step, tf.range(rows))
        keys = random.stream(keys, random.Stream.UPDATE, number)
        latent = random.stream(keys, random.Stream.LATENT)
        return random.normal(latent, [len(self.w)]).numpy()

    def step(self, real, step, discriminator_steps, penalty_slope):
        for number in range(discriminator_steps):
            fake = self.noise(step, number, len(real)) @ self.w + self.b
            on_real = -sigmoid(-(real @ self.v + self.c)) / len(real)
            on_fake = sigmoid(fake @ self.v + self.c) / len(fake)
            self.v = self.v - 0.5 * (
                on_real @ real + on_fake @ fake + penalty_slope(self.v)
            )
            self.c = self.c - 0.5 * (on_real.sum() + on_fake.sum())
        z = self.noise(step, discriminator_steps, len(real))
        by_logit = -np.exp((z @ self.w + self.b) @ self.v + self.c) / len(z)
        self.w = self.w - 0.5 * np.outer(by_logit @ z, self.v)
        self.b = self.b - 0.5 * by_logit.sum() * self.v


PENALTIES = {
    None: lambda v: 0 * v,
    "r1": lambda v: 0.3 * v,
    "r1_r2": lambda v: 0.6 * v,
    "wgan_gp": lambda v: 0.3 * 2 * (np.linalg.norm(v) - 1) * v / np.linalg.norm(v),
}


@pytest.mark.parametrize(
    ("discriminator_steps", "penalty"),
    [
        pytest.param(1, None, marks=pytest.mark.slow),
        (1, "r1"),
        pytest.param(2, "r1_r2", marks=pytest.mark.slow),
        (3, "wgan_gp"),
    ],
)
def test_training_is_the_algorithm_done_by_hand(discriminator_steps, penalty):
    gan = linear_gan(
        loss="maximum_likelihood",
        discriminator_steps=discriminator_steps,
        gradient_penalty=penalty,
        gradient_penalty_weight=0.3,
        jit_compile=False,
    )
    hand = ByHand(gan)
    real = data(40)
    gan.fit(real, batch_size=16, epochs=1, shuffle=False, verbose=0)
    for step in range(3):  # The last batch has 8 rows.
        batch = real[16 * step : 16 * step + 16]
        hand.step(batch, step, discriminator_steps, PENALTIES[penalty])
    w, b = gan.generator.get_weights()
    v, c = gan.discriminator.get_weights()
    np.testing.assert_allclose(w, hand.w, atol=2e-6)
    np.testing.assert_allclose(b, hand.b, atol=2e-6)
    np.testing.assert_allclose(v[:, 0], hand.v, atol=2e-6)
    np.testing.assert_allclose(c[0], hand.c, atol=2e-6)


@pytest.mark.parametrize(
    "how",
    [
        {"run_eagerly": True},
        {"jit_compile": True, "steps_per_execution": 3},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param(
            {"jit_compile": False, "steps_per_execution": 3}, marks=pytest.mark.slow
        ),
    ],
    ids=["eager", "xla and several steps", "xla", "several steps"],
)
def test_the_way_it_is_run_changes_no_number(how):
    histories = []
    for options in [{"jit_compile": False}, how]:
        keras.utils.set_random_seed(3)
        gan = small_gan()
        gan.compile("adam", "adam", generator_ema=0.9, **options)
        history = gan.fit(data(100), batch_size=32, epochs=2, verbose=0).history
        histories.append((history, gan.sample(5, seed=1).numpy()))
    (first, samples), (second, others) = histories
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], rtol=2e-5, err_msg=name)
    np.testing.assert_allclose(samples, others, atol=2e-5)


def test_set_random_seed_repeats_a_whole_fit_and_another_seed_does_not():
    finals = []
    for seed in [3, 3, 4]:
        keras.utils.set_random_seed(seed)
        gan = linear_gan(loss="maximum_likelihood")
        keras.utils.set_random_seed(seed)
        gan = models.GAN(gan.generator, gan.discriminator, 2)
        gan.compile(sgd(), sgd(), run_eagerly=True)
        gan.fit(data(), batch_size=16, shuffle=False, verbose=0)
        finals.append(gan.generator.get_weights()[0])
    np.testing.assert_array_equal(finals[0], finals[1])
    assert np.abs(finals[0] - finals[2]).max() > 1e-4


def test_a_sample_depends_on_its_own_seed_alone():
    gan = small_gan()
    together = gan.sample(seed=[5, -7, 2**62]).numpy()
    for seed, row in zip([5, -7, 2**62], together, strict=True):
        np.testing.assert_allclose(gan.sample(seed=[seed])[0], row, atol=1e-6)
    np.testing.assert_allclose(gan.sample(9, seed=3)[:4], gan.sample(4, seed=3), atol=1e-6)
    assert not np.allclose(gan.sample(4), gan.sample(4))


def test_samples_of_a_linear_generator_have_its_moments():
    # x = W z + b: mean b, covariance WᵀW; 20,000 samples, 4 standard errors.
    gan = linear_gan()
    (w, b), x = gan.generator.get_weights(), gan.sample(20_000, seed=0).numpy()
    covariance = w.T @ w
    variance = np.diag(covariance)
    np.testing.assert_array_less(np.abs(x.mean(0) - b), 4 * np.sqrt(variance / len(x)))
    error = np.sqrt((np.outer(variance, variance) + covariance**2) / len(x))
    np.testing.assert_array_less(np.abs(np.cov(x.T) - covariance), 4 * error)


@pytest.mark.slow
def test_moving_average_is_its_recursion_and_makes_the_samples():
    gan = linear_gan(loss="non_saturating", generator_ema=0.6)
    average = gan.generator.get_weights()
    for update in range(1, 21):
        gan.fit(data(16), batch_size=16, shuffle=False, verbose=0)
        decay = min(0.6, update / (9 + update))
        average = [
            decay * old + (1 - decay) * new
            for old, new in zip(average, gan.generator.get_weights(), strict=True)
        ]
    for ours, theirs in zip(gan.averaged_generator.get_weights(), average, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    z = random.normal(random.fold_in(random.row_keys([3], 0, 0), 0), [2]).numpy()
    np.testing.assert_allclose(gan.sample(seed=[3]), z @ average[0] + average[1], atol=1e-5)
    assert np.abs(average[0] - gan.generator.get_weights()[0]).max() > 1e-3
    np.testing.assert_allclose(
        gan.predict(z, verbose=0), z @ average[0] + average[1], atol=1e-5
    )


def test_moving_average_copies_the_statistics_of_batch_normalization():
    layers = keras.layers
    generator = keras.Sequential(
        [keras.Input([3]), layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)]
    )
    gan = models.GAN(generator, keras.Sequential([layers.Dense(1)]), 3)
    gan.compile("adam", "adam", generator_ema=0.9, run_eagerly=True)
    gan.fit(data(), verbose=0)
    ours = gan.averaged_generator.layers[1].moving_variance
    np.testing.assert_array_equal(ours, generator.layers[1].moving_variance)
    assert np.abs(ours.numpy() - 1).max() > 1e-3
    assert not gan.averaged_generator.trainable_variables


def test_metrics_are_their_definitions():
    monitor = Monitor(losses.MaximumLikelihood(), has_penalty=False)
    weights = np.array([[0.5], [2.0], [1.0], [4.0]], np.float32)
    monitor.track_generator(tf.constant(-3.0), tf.math.log(weights))
    monitor.track_discriminator(
        tf.constant(1.0), tf.constant([[1.0], [-1.0]]), tf.constant([[-1.0], [-2.0]])
    )
    logs = {name: float(value) for name, value in monitor.logs.items()}
    assert logs == pytest.approx(
        {
            "generator_loss": -3.0,
            "discriminator_loss": 1.0,
            "accuracy": 0.75,
            "mean_ratio": 7.5 / 4,
            "ess": 7.5**2 / (4 * 21.25),
        }
    )
    assert monitor.largest_share == pytest.approx(4 / 7.5)


def test_metrics_weigh_batches_by_their_size():
    monitor = Monitor(losses.Wasserstein(), has_penalty=False)
    monitor.track_generator(tf.constant(1.0), tf.zeros([3, 1]))
    monitor.track_generator(tf.constant(5.0), tf.zeros([1, 1]))
    assert float(monitor.logs["generator_loss"]) == 2.0
    assert set(monitor.logs) == {"discriminator_loss", "generator_loss"}


QUICK = ("maximum_likelihood", "wasserstein")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in losses.known_gan_losses()
    ],
)
def test_every_objective_trains_and_moves_the_generator_to_the_data(name):
    # A shifted Gaussian: whatever the objective, the samples' mean moves towards it.
    gan = small_gan()
    gan.compile(
        keras.optimizers.Adam(5e-3),
        keras.optimizers.Adam(5e-3),
        loss=name,
        gradient_penalty="r1",
        gradient_penalty_weight=0.1,
        jit_compile=False,
    )
    before = gan.sample(500, seed=0).numpy().mean(0)
    history = gan.fit(0.5 * data(640) + [1.0, -1.0], batch_size=64, epochs=6, verbose=0)
    after = gan.sample(500, seed=0).numpy().mean(0)
    target = np.array([1.0, -1.0])
    assert np.linalg.norm(after - target) < 0.7 * np.linalg.norm(before - target)
    assert ("mean_ratio" in history.history) == losses.get_gan_loss(
        name
    ).logits_are_log_ratio


def test_validation_data_and_evaluate_give_the_losses_without_an_update():
    gan = linear_gan(loss="maximum_likelihood")
    x = data(48)
    weights = gan.generator.get_weights() + gan.discriminator.get_weights()
    first = gan.evaluate(x, batch_size=16, return_dict=True, verbose=0)
    again = gan.evaluate(x, batch_size=48, return_dict=True, verbose=0)
    # Noise is keyed by the row among all, so the batch size changes nothing but ess,
    # which is nonlinear in the batch.
    for name in ("generator_loss", "discriminator_loss", "accuracy"):
        assert first[name] == pytest.approx(again[name], rel=1e-5)
    trained = gan.generator.get_weights() + gan.discriminator.get_weights()
    for before, after in zip(weights, trained, strict=True):
        np.testing.assert_array_equal(before, after)
    history = gan.fit(x, validation_data=x, verbose=0).history
    assert "val_generator_loss" in history
    key = random.stream(random.key(gan._noise_seed.value), random.Stream.TEST)
    keys = random.row_keys(key, 0, tf.range(48))
    z = random.normal(random.stream(keys, random.Stream.LATENT), [2]).numpy()
    w, b, v, c = (*gan.generator.get_weights(), *gan.discriminator.get_weights())
    by_hand = -np.exp((z @ w + b) @ v + c).mean()
    assert history["val_generator_loss"][-1] == pytest.approx(by_hand, rel=1e-4)


def test_fit_takes_tf_data_of_unknown_length_and_keras_callbacks():
    gan = linear_gan(loss="normalized_maximum_likelihood")
    dataset = tf.data.Dataset.from_tensor_slices(data(70)).batch(16)
    dataset = dataset.filter(lambda x: True)
    rates = []
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
        keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: rates.append(
                float(gan.generator_optimizer.learning_rate)
            )
        ),
    ]
    history = gan.fit(dataset, epochs=2, callbacks=callbacks, verbose=0)
    assert len(history.history["generator_loss"]) == 2
    assert rates == pytest.approx([0.1, 0.05])
    assert gan.optimizer is gan.generator_optimizer


def test_convolutional_networks_with_spectral_normalization_train():
    layers = keras.layers
    generator = keras.Sequential(
        [
            keras.Input([4]),
            layers.Dense(4 * 4 * 4, "relu"),
            layers.Reshape([4, 4, 4]),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input([8, 8, 1]),
            layers.SpectralNormalization(layers.Conv2D(4, 4, strides=2)),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.SpectralNormalization(layers.Dense(1)),
        ]
    )
    gan = models.GAN(generator, discriminator, 4)
    gan.compile("adam", "adam", loss="hinge", run_eagerly=True)
    x = np.random.default_rng(0).random([32, 8, 8, 1], np.float32)
    before = gan.generator.get_weights()
    gan.fit(x, batch_size=16, verbose=0)
    for old, new in zip(before, gan.generator.get_weights(), strict=True):
        assert np.abs(old - new).max() > 0
    # One power iteration a call holds the last layer near spectral norm 1.
    kernel = discriminator.layers[-1].layer.kernel.numpy()
    assert np.linalg.norm(kernel, 2) == pytest.approx(1.0, abs=0.2)


@pytest.fixture
def under_policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def policies_and_penalties():
    quick = [("float64", "r1_r2"), ("mixed_float16", "wgan_gp")]
    for policy in ("float64", "mixed_bfloat16", "mixed_float16"):
        for penalty in ("r1_r2", "wgan_gp"):
            dtype = tf.float64 if policy == "float64" else tf.float32
            marks = () if (policy, penalty) in quick else pytest.mark.slow
            yield pytest.param(policy, dtype, penalty, marks=marks)


@pytest.mark.parametrize(("policy", "dtype", "penalty"), list(policies_and_penalties()))
def test_every_precision_trains_draws_and_exports(
    under_policy, tmp_path, policy, dtype, penalty
):
    under_policy(policy)
    gan = small_gan()
    before = gan.generator.get_weights()[0]
    gan.compile(
        "adam", "adam", gradient_penalty=penalty, generator_ema=0.9, jit_compile=False
    )
    history = gan.fit(data(), batch_size=16, epochs=2, verbose=0).history
    assert all(np.all(np.isfinite(values)) for values in history.values())
    assert np.abs(gan.generator.get_weights()[0] - before).max() > 1e-4
    assert all(w.dtype == dtype.name for w in gan.trainable_variables)
    assert gan.sample(3).dtype == dtype
    assert gan.log_density_ratio(data(3)).dtype == dtype
    served = tf.saved_model.load(gan.export(tmp_path / "gan")).signatures["sample"]
    samples = served(seed=tf.constant([1, 2], tf.int64))["samples"]
    np.testing.assert_allclose(samples, gan.sample(seed=[1, 2]), atol=1e-6)


@pytest.mark.parametrize("policy", ["float16", "bfloat16"])
def test_half_precision_weights_are_refused_with_the_way_out(policy):
    with pytest.raises(ValueError, match=f"`generator` must keep.*'mixed_{policy}'"):
        small_gan(dtype=policy).compile("adam", "adam")


def test_fifty_numbers_of_samples_trace_twice():
    gan, traces = small_gan(), []
    generate = gan._sample_by_key
    gan._sample_by_key = lambda *args: traces.append(1) or generate(*args)
    for number in range(1, 51):
        assert gan.sample(number, seed=0).shape == (number, 2)
    assert len(traces) == 2


def test_samples_follow_a_new_average_after_a_new_compile():
    gan = linear_gan(loss="minimax", generator_ema=0.5)
    first = gan.sample(4, seed=0).numpy()
    gan.generator.set_weights([2 * w for w in gan.generator.get_weights()])
    np.testing.assert_array_equal(gan.sample(4, seed=0), first)
    gan.compile(sgd(), sgd(), generator_ema=0.5)
    np.testing.assert_allclose(gan.sample(4, seed=0), 2 * first, rtol=1e-6, atol=1e-6)
    gan.compile(sgd(), sgd())
    np.testing.assert_allclose(gan.sample(4, seed=0), 2 * first, rtol=1e-6, atol=1e-6)


def test_relativistic_step_is_the_algorithm_done_by_hand():
    # SGD of rate 0.5 on pairs: with u = a(x) - a(G(z)), the discriminator's slope in u is
    # -sigmoid(-u), the generator's sigmoid(u), for a(x) = v·x + c, G(z) = W z + b.
    gan = linear_gan(loss="relativistic_pairing")
    hand, real = ByHand(gan), data(16)
    gan.fit(real, batch_size=16, shuffle=False, verbose=0)
    fake = hand.noise(0, 0, 16) @ hand.w + hand.b
    pull = sigmoid(-(real - fake) @ hand.v)
    v = hand.v + 0.5 * pull @ (real - fake) / 16
    z = hand.noise(0, 1, 16)
    push = sigmoid((real - (z @ hand.w + hand.b)) @ v) / 16
    w = hand.w + 0.5 * np.outer(push @ z, v)
    b = hand.b + 0.5 * push.sum() * v
    np.testing.assert_allclose(gan.discriminator.get_weights()[0][:, 0], v, atol=2e-6)
    np.testing.assert_allclose(gan.generator.get_weights()[0], w, atol=2e-6)
    np.testing.assert_allclose(gan.generator.get_weights()[1], b, atol=2e-6)


def test_log_density_ratio_is_the_logit_in_chunks():
    gan = linear_gan(loss="maximum_likelihood")
    x = data(50)
    (v, c) = gan.discriminator.get_weights()
    ratio = gan.log_density_ratio(x, batch_size=16)
    np.testing.assert_allclose(ratio, x @ v[:, 0] + c, atol=1e-6)


@pytest.mark.parametrize("name", ["least_squares", "hinge", "wasserstein"])
def test_log_density_ratio_refuses_critics_and_smoothed_labels(name):
    with pytest.raises(ValueError, match="critic"):
        linear_gan(loss=name).log_density_ratio(data(2))
    with pytest.raises(ValueError, match="label_smoothing=0"):
        linear_gan(loss="minimax", label_smoothing=0.1).log_density_ratio(data(2))
    with pytest.raises(ValueError, match="call `compile"):
        linear_gan().log_density_ratio(data(2))


@pytest.mark.slow
def test_overflow_stops_fit_and_names_the_objective_that_avoids_it():
    fused = {"jit_compile": True, "steps_per_execution": 4}
    for name, how in [("maximum_likelihood", fused), ("pearson", {"run_eagerly": True})]:
        gan = linear_gan(loss=name, **how)
        gan.discriminator.set_weights([np.zeros([2, 1]), np.array([200.0])])
        with pytest.raises(FloatingPointError, match=r"overflows.*normalize=True"):
            gan.fit(data(), batch_size=16, verbose=0)
    gan = linear_gan(loss="normalized_maximum_likelihood", run_eagerly=True)
    gan.discriminator.set_weights([np.zeros([2, 1]), np.array([200.0])])
    history = gan.fit(data(), batch_size=16, verbose=0)
    # -log mean exp(a), a = 200 at first
    assert history.history["generator_loss"][0] == pytest.approx(-200.0, abs=5.0)


def test_divergence_of_a_loss_that_cannot_overflow_is_reported_as_such():
    gan = linear_gan(loss="non_saturating", run_eagerly=True)
    gan.generator.set_weights([np.full([2, 2], np.nan), np.zeros([2])])
    with pytest.raises(FloatingPointError, match=r"is nan at step 1 of epoch 1.*'r1'"):
        gan.fit(data(), batch_size=16, verbose=0)


@pytest.mark.parametrize("name", ["normalized_maximum_likelihood", "non_saturating"])
def test_weights_on_one_sample_warn_where_the_objective_uses_them(name):
    gan = linear_gan(loss=name, run_eagerly=True)
    gan.discriminator.set_weights([np.array([[5e3], [0.0]]), np.array([0.0])])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gan.fit(data(), batch_size=16, verbose=0)
    told = [str(w.message) for w in caught if "belong to one sample" in str(w.message)]
    assert len(told) == (1 if name.startswith("normalized") else 0)


@pytest.mark.slow
def test_a_reloaded_model_goes_on_as_the_saved_one_would(tmp_path, run_python):
    gan = small_gan()
    gan.compile(
        keras.optimizers.Adam(1e-3),
        keras.optimizers.RMSprop(2e-3),
        loss=losses.FDivergence("alpha", alpha=0.7),
        discriminator_steps=2,
        gradient_penalty="wgan_gp",
        gradient_penalty_weight=3.0,
        generator_ema=0.8,
        jit_compile=False,
    )
    x = data()
    gan.fit(x, batch_size=16, shuffle=False, verbose=0)
    gan.save(tmp_path / "gan.keras")
    np.save(tmp_path / "x.npy", x)
    code = """
import json, sys
import keras, numpy as np, tfgen
folder = sys.argv[1]
gan = keras.saving.load_model(folder + "/gan.keras", safe_mode=True)
x = np.load(folder + "/x.npy")
first = gan.sample(seed=[3, 4]).numpy().tolist()
ratio = gan.log_density_ratio(x[:3]).numpy().tolist()
history = gan.fit(x, batch_size=16, epochs=2, shuffle=False, verbose=0).history
optimizer = type(gan.discriminator_optimizer).__name__
print("\\n" + json.dumps([first, ratio, history, optimizer]))
"""
    out = json.loads(run_python(code, tmp_path).splitlines()[-1])
    np.testing.assert_allclose(out[0], gan.sample(seed=[3, 4]), atol=1e-6)
    np.testing.assert_allclose(out[1], gan.log_density_ratio(x[:3]), atol=1e-6)
    history = gan.fit(x, batch_size=16, epochs=2, shuffle=False, verbose=0).history
    assert out[2].keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_allclose(out[2][name], values, rtol=1e-5, err_msg=name)
    assert out[3] == "RMSprop"


def test_exported_signatures_give_what_sample_gives(tmp_path):
    gan = small_gan()
    gan.compile("adam", "adam", generator_ema=0.5, run_eagerly=True)
    gan.fit(data(), verbose=0)
    path = gan.export(tmp_path / "gan")
    served = tf.saved_model.load(path).signatures
    assert set(served) == {"serving_default", "sample", "decode"}
    seeds = [1, 2, -3]
    for name in ("serving_default", "sample"):
        outputs = served[name](seed=tf.constant(seeds, tf.int64))
        assert set(outputs) == {"samples"}
        np.testing.assert_allclose(outputs["samples"], gan.sample(seed=seeds), atol=1e-6)
    z = data(5)[:, :1] * np.ones([1, 3], np.float32)
    np.testing.assert_allclose(
        served["decode"](z=tf.constant(z))["samples"], gan(z), atol=1e-6
    )
    assert str(gan.export(tmp_path / "gan")).endswith("2")


class Subclassed(keras.Model):
    def __init__(self, squash):
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.squash = squash

    def call(self, x):
        return tf.reshape(self.squash(self.dense(x)), [-1, 1])


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ([keras.layers.Dense(1, activation="sigmoid")], "sigmoid"),
        ([keras.layers.Dense(1), keras.layers.Activation("sigmoid")], "sigmoid"),
        (
            [keras.layers.Dense(1, activation="sigmoid"), keras.layers.Flatten()],
            "sigmoid",
        ),
        ([keras.layers.Dense(1, activation="softmax")], "softmax"),
        ([Subclassed(tf.sigmoid)], "sigmoid"),
        ([keras.layers.Dense(1, activation="sigmoid", dtype="mixed_float16")], "sigmoid"),
    ],
)
def test_squashed_discriminator_is_found_however_it_is_written(head, name):
    with pytest.raises(ValueError, match=f"ends in a {name}. Return logits"):
        models.GAN(keras.Sequential([keras.layers.Dense(2)]), keras.Sequential(head), 3)


@pytest.mark.parametrize("head", ["tanh", "relu", None])
def test_other_final_activations_are_left_to_the_user(head):
    discriminator = keras.Sequential([keras.layers.Dense(1, activation=head)])
    models.GAN(keras.Sequential([keras.layers.Dense(2)]), discriminator, 3)


def network(size_in, size_out):
    return keras.Sequential([keras.Input([size_in]), keras.layers.Dense(size_out)])


def two_outputs(size_in):
    x = keras.Input([size_in])
    return keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((network(3, 2), network(2, 5), 3), ValueError, r"one logit.*\(None, 5\)"),
        ((network(3, 2), two_outputs(2), 3), ValueError, "one logit.*2 outputs"),
        ((two_outputs(3), network(1, 1), 3), ValueError, "`generator` must have one"),
        (
            (network(3, 2), network(4, 1), 3),
            ValueError,
            r"`discriminator` must take.*\(2,\)",
        ),
        ((network(3, 2), network(2, 1), 7), ValueError, r"`generator` must take.*7"),
        ((network(3, 2), network(2, 1), 0), ValueError, "`latent_dim` must be at least 1"),
        ((network(3, 2), network(2, 1), 3.0), TypeError, "`latent_dim` must be"),
        ((tf.exp, network(2, 1), 3), TypeError, "`generator` must be a Keras"),
    ],
)
def test_networks_that_do_not_fit_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        models.GAN(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"discriminator_steps": 0}, ValueError, "`discriminator_steps` must be at least"),
        ({"discriminator_steps": 1.5}, TypeError, "`discriminator_steps`"),
        ({"loss": "mse"}, ValueError, "Known: 'maximum_likelihood'"),
        ({"gradient_penalty": "r2"}, ValueError, "None, 'r1', 'r1_r2', 'wgan_gp'"),
        ({"loss": lambda a: a}, TypeError, "maximise.*GeneratorObjective.*minimise"),
        ({"optimizer": "adam"}, TypeError, "`optimizer` is no argument.*generator_optim"),
        ({"metrics": ["mse"]}, TypeError, "`metrics` is no argument"),
        ({"weighted_metrics": ["mse"]}, TypeError, "`weighted_metrics` is no argument"),
        ({"guard": 1}, TypeError, "`guard` must be True or False"),
        ({"gradient_penalty_weight": -1.0}, ValueError, "`gradient_penalty_weight`"),
        ({"label_smoothing": 1.0}, ValueError, r"`label_smoothing` must lie in \[0, 1\)"),
        ({"label_smoothing": 0.1, "loss": "hinge"}, ValueError, "not defined for Hinge"),
        ({"generator_ema": 1.0}, ValueError, r"`generator_ema` must lie in \[0, 1\)"),
    ],
)
def test_bad_settings_fail_at_compile(options, error, message):
    with pytest.raises(error, match=message):
        small_gan().compile("adam", "adam", **options)


def test_bad_optimizers_fail_at_compile():
    shared = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="must be two objects"):
        small_gan().compile(shared, shared)
    with pytest.raises(ValueError, match="`use_ema` must be off"):
        small_gan().compile(keras.optimizers.Adam(use_ema=True), "adam")


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (
            np.zeros([8, 3], "float32"),
            {},
            ValueError,
            r"must have shape \(N, 2\).*\(8, 3\)",
        ),
        (np.zeros([8, 2], "uint8"), {}, TypeError, "must be floating point.*uint8"),
        (np.zeros([0, 2], "float32"), {}, ValueError, "at least one example"),
        (np.full([8, 2], np.nan), {}, ValueError, "must be finite"),
        (np.zeros([8, 2]), {"y": np.zeros([8])}, ValueError, "`y` must be left out"),
        (
            np.zeros([8, 2]),
            {"validation_data": np.zeros([4, 3])},
            ValueError,
            "`validation_data` must have shape",
        ),
        (
            tf.data.Dataset.from_tensors((tf.zeros([8, 2]), tf.zeros([8]))),
            {},
            ValueError,
            "must come alone",
        ),
        (tf.data.Dataset.from_tensors(tf.zeros([8, 4])), {}, ValueError, "must have shape"),
    ],
)
def test_bad_data_fail_before_the_first_step(x, options, error, message):
    gan = linear_gan(loss="maximum_likelihood")
    before = gan.generator.get_weights()[0]
    with pytest.raises(error, match=message):
        gan.fit(x, verbose=0, **options)
    np.testing.assert_array_equal(before, gan.generator.get_weights()[0])


def test_a_wholly_frozen_model_has_nothing_to_fit():
    gan = linear_gan(loss="minimax")
    gan.trainable = False
    gan.compile(sgd(), sgd(), jit_compile=False)
    with pytest.raises(ValueError, match=r"both frozen\. Set `trainable = True`"):
        gan.fit(data(16), verbose=0)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (np.full([8, 2], np.nan), {}, "must be finite; received NaN in example 0"),
        (np.zeros([8, 3]), {}, "must have shape"),
        (np.zeros([8, 2]), {"y": np.zeros([8])}, "`y` must be left out"),
    ],
)
def test_bad_data_are_no_evaluation(x, options, message):
    with pytest.raises(ValueError, match=message):
        linear_gan(loss="minimax").evaluate(x, verbose=0, **options)


def test_class_weight_and_an_empty_path_are_named():
    gan = linear_gan(loss="minimax")
    with pytest.raises(ValueError, match="`class_weight` must be left out"):
        gan.fit(data(8), class_weight={0: 1.0}, verbose=0)
    with pytest.raises(ValueError, match="`filepath` must name a directory"):
        gan.export("")


def test_bad_requests_for_samples_are_named():
    gan = linear_gan()
    with pytest.raises(ValueError, match="`num_samples` must be at least 1"):
        gan.sample(0)
    with pytest.raises(ValueError, match="`num_samples` must be given"):
        gan.sample()
    with pytest.raises(ValueError, match="must be left out"):
        gan.sample(3, seed=[1, 2])
