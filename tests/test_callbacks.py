"""Schedules against the lines they draw."""

import keras
import numpy as np
import pytest

from tests.linear_gaussian import LinearGaussian
from tfgen.callbacks import CapacityWarmup, CyclicalKL, KLWarmup
from tfgen.losses import ELBO, KLCapacity
from tfgen.models import GAN
from tfgen.training import TrainingWarning

MODEL = LinearGaussian()
_, X = MODEL.sample(40)


class Betas(keras.callbacks.Callback):
    """Notes beta as each execution begins."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.bound.beta.numpy()))


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 2}])
def test_beta_rises_in_a_line_and_stays(options):
    vae = MODEL.vae(0.5)
    vae.compile(keras.optimizers.SGD(0.0), ELBO(), **options)
    betas = Betas()
    history = vae.fit(
        X,
        batch_size=10,
        epochs=3,
        verbose=0,
        callbacks=[KLWarmup(2, start=0.2, end=1.0), betas],
    ).history
    stride = options.get("steps_per_execution", 1)
    epochs = np.arange(0, 12, stride) / 4  # of 4 steps
    np.testing.assert_allclose(
        betas.seen, 0.2 + 0.8 * np.minimum(1.0, epochs / 2), atol=1e-6
    )
    # The compiled step sees the change: the weights stand still, the loss rises to -ELBO.
    loss, elbo = np.array(history["loss"]), np.array(history["elbo"])
    assert loss[0] < -elbo[0] - 0.5
    assert loss[2] == pytest.approx(-elbo[2], rel=1e-5)


def test_warmup_goes_on_where_fit_does():
    vae = MODEL.vae()
    vae.compile(keras.optimizers.SGD(0.0), ELBO(), run_eagerly=True)
    with pytest.warns(TrainingWarning, match="ends after 4 epochs, with beta at 0.5"):
        vae.fit(X, initial_epoch=3, epochs=4, verbose=0, callbacks=[KLWarmup(8)])
    assert float(vae.bound.beta.numpy()) == pytest.approx(0.5)


def test_model_without_a_beta_is_refused():
    vae = MODEL.vae()
    vae.compile("adam", "iwlb", run_eagerly=True)
    text = r"`KLWarmup` changes the beta.*IWLB.*Train the first epochs by compile\(.*'elbo'"
    with pytest.raises(TypeError, match=text):
        vae.fit(X, verbose=0, callbacks=[KLWarmup(2)])


def test_model_without_a_kl_is_refused():
    generator = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
    discriminator = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    gan = GAN(generator, discriminator, 2)
    gan.compile(run_eagerly=True)
    with pytest.raises(TypeError, match=r"received a GAN, which has no KL"):
        gan.fit(X[:, :2], verbose=0, callbacks=[KLWarmup(2)])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((0,), ValueError, r"`num_epochs` must be positive and finite; received 0"),
        (("2",), TypeError, r"`num_epochs` must be a number; received '2'"),
        ((2, -1.0), ValueError, r"`start` must be at least 0 and finite; received -1"),
        ((2, 0.0, float("inf")), ValueError, r"`end` must be at least 0 and finite"),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        KLWarmup(*arguments)


class Capacities(keras.callbacks.Callback):
    """Notes the capacity as each execution begins."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(self.model.penalties[0].capacity.numpy()))


def test_cycles_rise_in_a_line_stay_and_begin_again():
    vae = MODEL.vae()
    vae.compile(keras.optimizers.SGD(0.0), ELBO(), run_eagerly=True)
    betas = Betas()
    schedule = CyclicalKL(2, num_cycles=2, ramp=0.5, end=0.8)
    vae.fit(X, batch_size=10, epochs=3, verbose=0, callbacks=[schedule, betas])
    cycle = [0.0, 0.4, 0.8, 0.8]  # of 4 steps
    np.testing.assert_allclose(betas.seen, [*cycle, *cycle, 0.8, 0.8, 0.8, 0.8], atol=1e-6)


def test_capacity_rises_in_a_line_and_stays():
    vae = MODEL.vae()
    penalties = [KLCapacity(0.0)]
    vae.compile(keras.optimizers.SGD(0.0), ELBO(), penalties=penalties, run_eagerly=True)
    capacities = Capacities()
    schedule = CapacityWarmup(1, end=8.0, start=4.0)
    vae.fit(X, batch_size=10, epochs=2, verbose=0, callbacks=[schedule, capacities])
    np.testing.assert_allclose(capacities.seen, [4, 5, 6, 7, 8, 8, 8, 8], atol=1e-6)


@pytest.mark.parametrize("schedule", [CyclicalKL(3), CapacityWarmup(3, 5.0)])
def test_schedule_that_ends_after_the_training_is_refused(schedule):
    vae = MODEL.vae()
    vae.compile("adam", ELBO(), penalties=[KLCapacity(0.0)], run_eagerly=True)
    with pytest.raises(ValueError, match=r"`num_epochs`.*received 3 with 2 epochs"):
        vae.fit(X, epochs=2, verbose=0, callbacks=[schedule])


def test_model_without_a_capacity_is_refused():
    vae = MODEL.vae()
    vae.compile("adam", ELBO(), run_eagerly=True)
    with pytest.raises(TypeError, match=r"`CapacityWarmup` changes the capacity.*\[\]"):
        vae.fit(X, verbose=0, callbacks=[CapacityWarmup(1, 5.0)])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: CyclicalKL(4, num_cycles=0), r"`num_cycles` must be at least 1"),
        (lambda: CyclicalKL(4, ramp=0.0), r"`ramp` must be above 0"),
        (lambda: CyclicalKL(4, ramp=1.5), r"`ramp` must lie in \[0, 1\]; received 1\.5"),
        (lambda: CapacityWarmup(0, 5.0), r"`num_epochs` must be positive"),
        (lambda: CapacityWarmup(2, -5.0), r"`end` must be at least 0"),
    ],
)
def test_bad_arguments_of_schedules_are_named(make, match):
    with pytest.raises(ValueError, match=match):
        make()
