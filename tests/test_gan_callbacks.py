"""Callbacks that watch a GAN: its learning rates, and whether it collapses."""

import warnings

import keras
import numpy as np
import pytest

from tfgen import callbacks, models

Scheduler = keras.callbacks.LearningRateScheduler


def make_gan(generator_rate=0.1, discriminator_rate=0.2):
    generator = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
    generator.set_weights([np.eye(2), np.zeros(2)])
    discriminator = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    gan = models.GAN(generator, discriminator, 2)
    sgd = keras.optimizers.SGD
    gan.compile(sgd(generator_rate), sgd(discriminator_rate), run_eagerly=True)
    return gan


def data(count=16):
    return np.random.default_rng(0).standard_normal([count, 2]).astype("float32")


def fit(gan, used, epochs=3, x=None):
    x = data() if x is None else x
    return gan.fit(x, epochs=epochs, callbacks=used, verbose=0).history


def test_both_rates_are_scheduled_and_logged():
    used = [
        Scheduler(lambda epoch: 0.1 / (epoch + 1)),
        callbacks.ForDiscriminator(Scheduler(lambda epoch: 0.4 / (epoch + 1))),
        callbacks.LearningRates(),
    ]
    gan = make_gan()
    history = fit(gan, used)
    assert history["learning_rate"] == pytest.approx([0.1, 0.05, 0.1 / 3])
    assert history["generator_learning_rate"] == pytest.approx([0.1, 0.05, 0.1 / 3])
    assert history["discriminator_learning_rate"] == pytest.approx([0.4, 0.2, 0.4 / 3])
    assert float(gan.discriminator_optimizer.learning_rate) == pytest.approx(0.4 / 3)


def test_a_plateau_lowers_the_discriminators_rate_alone():
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="constant", mode="min", factor=0.5, patience=1, min_delta=0.0
    )

    class Constant(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["constant"] = 1.0

    used = [Constant(), callbacks.ForDiscriminator(plateau), callbacks.LearningRates()]
    history = fit(make_gan(), used, epochs=4)
    assert history["generator_learning_rate"] == pytest.approx([0.1] * 4)
    assert history["discriminator_learning_rate"][-1] < 0.1
    assert "learning_rate" not in history


def test_schedules_of_keras_are_followed_by_both_and_logged():
    decay = keras.optimizers.schedules.ExponentialDecay
    gan = make_gan(decay(0.1, 1, 0.5), decay(0.2, 1, 0.25))
    history = fit(gan, [callbacks.LearningRates()])  # a step an epoch
    assert history["generator_learning_rate"] == pytest.approx([0.05, 0.025, 0.0125])
    assert history["discriminator_learning_rate"] == pytest.approx([0.05, 0.0125, 0.003125])


def test_what_is_no_callback_or_no_gan_is_refused():
    with pytest.raises(TypeError, match="`callback` must be a Keras callback"):
        callbacks.ForDiscriminator(lambda epoch: 0.1)
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    used = callbacks.ForDiscriminator(Scheduler(lambda epoch: 0.1))
    with pytest.raises(TypeError, match=r"needs a `tfgen.models.GAN`.*Sequential"):
        model.fit(data(), data(), callbacks=[used], verbose=0)


class Collapse(keras.callbacks.Callback):
    """From an epoch on all samples are one point."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 >= self.epoch:
            self.model.generator.set_weights([np.zeros([2, 2]), np.zeros(2)])


def test_a_collapse_is_logged_and_warned_of_once():
    guard, gan = callbacks.CollapseGuard(data(400)), make_gan(0.0, 0.0)
    message = r"Epoch 3: samples cover \d\.\d% .*may be collapsing.*gradient_penalty"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        history = fit(gan, [Collapse(3), guard], epochs=4)
    assert len(caught) == 1
    # Samples of the data's own law: 1 - 2^-5 = 0.969 of 400, with 4 standard errors.
    assert history["coverage"][:2] == pytest.approx([0.969] * 2, abs=4 * 0.012)
    assert max(history["coverage"][2:]) < 0.05  # the balls that hold one point


def test_a_generator_that_never_covers_is_warned_of_at_the_end():
    guard = callbacks.CollapseGuard(data(400), features=lambda x: x[:, :1], every=2)
    gan = make_gan(0.0, 0.0)
    gan.generator.set_weights([0.1 * np.eye(2), np.zeros(2)])
    with pytest.warns(
        RuntimeWarning, match=r"never covered more than \d+\.\d% of the data"
    ):
        history = fit(gan, [guard])
    assert len(history["coverage"]) == 1


def test_good_samples_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        fit(make_gan(0.0, 0.0), [callbacks.CollapseGuard(data(100))], epochs=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": data(5)}, ValueError, "at least 6 rows"),
        ({"x": data(), "every": 0}, ValueError, "`every`"),
        ({"x": data(), "threshold": 1.0}, ValueError, "`threshold`"),
    ],
)
def test_bad_guards_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        callbacks.CollapseGuard(**arguments)
