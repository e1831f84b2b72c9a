"""What `fit` warns of, each provoked by a training that goes wrong; and that else it is
silent."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.callbacks import KLWarmup
from tfgen.losses import ELBO, IWLB
from tfgen.models.lasting_trouble import LastingTrouble
from tfgen.training import TrainingWarning

MODEL = LinearGaussian(event_size=4, latent_size=2)
_, X = MODEL.sample(60)
STILL = keras.optimizers.SGD


@pytest.fixture
def silent():
    """Within it a warning of the training is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingWarning)
        yield


def compiled(vae, loss, rate=0.0):
    vae.compile(STILL(rate), loss, run_eagerly=True)
    return vae


def of_training(caught):
    return [w for w in caught if issubclass(w.category, TrainingWarning)]


def test_a_posterior_that_collapses_is_warned_of_once_or_not_by_the_filter():
    vae = MODEL.vae()
    # The KL weighs 100 times what is right, so that q is driven to the prior.
    vae.compile(keras.optimizers.Adam(0.03), ELBO(beta=100.0), jit_compile=False)
    fit = {"x": X, "batch_size": 15, "epochs": 50, "verbose": 0}
    with pytest.warns(TrainingWarning, match="no unit of z has a KL.*KLWarmup") as caught:
        vae.fit(**fit)
    assert len(of_training(caught)) == 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=TrainingWarning)
        vae.fit(**{**fit, "epochs": 3})
    assert max(vae.latent_watch.kl["z"]) < 0.01
    assert of_training(caught) == []


def test_weights_of_which_one_is_all_are_warned_of():
    # sigma = 1e-3 holds z to 1e-3, and q is 300 times as wide.
    narrow = LinearGaussian(4, 2, sigma=1e-3)
    vae = compiled(narrow.vae(stretch=300.0), IWLB(20))
    with pytest.warns(TrainingWarning, match=r"K = 20 .* effective sample size is 1\.0"):
        vae.fit(narrow.sample(60)[1], batch_size=30, epochs=3, verbose=0)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("loss", [ELBO(), IWLB(5), IWLB(1)])
def test_a_healthy_training_is_silent(loss):
    compiled(MODEL.vae(shift=0.1), loss, 1e-3).fit(X, epochs=4, verbose=0)


@pytest.mark.usefixtures("silent")
def test_a_posterior_that_is_the_prior_for_two_epochs_is_not_warned_of():
    vae = compiled(MODEL.vae(), ELBO())
    one = tfp.bijectors.FillScaleTriL(diag_shift=1e-5).inverse(tf.eye(2))
    vae.encoder.layers[0].set_weights([np.zeros([4, 5]), np.concatenate([[0, 0], one])])
    vae.fit(X, epochs=2, verbose=0)
    assert max(vae.latent_watch.kl["z"]) < 1e-6


def test_a_warmup_that_ends_after_the_training_is_warned_of_as_it_begins():
    vae = compiled(MODEL.vae(), ELBO())
    text = r"ends after 2 epochs, with beta at 0\.25 and not at 1.*KLWarmup\(1\)"
    with pytest.warns(TrainingWarning, match=text):
        vae.fit(X, epochs=2, verbose=0, callbacks=[KLWarmup(8)])


@pytest.mark.usefixtures("silent")
def test_a_warmup_that_ends_with_the_training_is_not():
    vae = compiled(MODEL.vae(), ELBO())
    vae.fit(X, epochs=2, verbose=0, callbacks=[KLWarmup(2)])


def gan(shift, rate):
    """Data N(shift, I), and a generator that draws N(0, I) and is held."""
    generator = keras.Sequential([keras.Input([2]), keras.layers.Rescaling(1.0)])
    between = keras.layers.Rescaling(1.0, offset=-shift / 2)
    discriminator = keras.Sequential([keras.Input([2]), between, keras.layers.Dense(1)])
    model = tfgen.models.GAN(generator, discriminator, 2)
    optimizers = STILL(0.0), keras.optimizers.Adam(rate)
    model.compile(*optimizers, loss="non_saturating", run_eagerly=True)
    data = np.random.default_rng(0).normal(shift, 1.0, [96, 2]).astype("float32")
    return model, data


def test_a_discriminator_that_has_won_is_warned_of():
    model, data = gan(shift=10.0, rate=0.5)
    with pytest.warns(
        TrainingWarning, match=r"learns little from it.*gradient_penalty='r1'"
    ) as caught:
        model.fit(data, epochs=5, verbose=0)
    assert len(of_training(caught)) == 1


@pytest.mark.usefixtures("silent")
def test_a_gan_whose_samples_are_like_the_data_is_silent():
    model, data = gan(shift=0.0, rate=0.01)
    model.fit(data, epochs=4, verbose=0)


class Scripted(LastingTrouble):
    """Goes wrong in the epochs of a script."""

    def __init__(self, script):
        super().__init__()
        self.script = iter(script)

    def troubles(self, logs):
        return {"it": "it is wrong"} if next(self.script) == "x" else {}


@pytest.mark.parametrize(
    ("script", "said"),
    [("xx.xx.", []), ("xxxxxx", ["1 to 3"]), (".xxx.xxx", ["2 to 4"]), ("", [])],
)
def test_a_trouble_is_one_of_three_epochs_in_a_row_and_is_said_once(script, said):
    callback = Scripted(script)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback.on_train_begin()
        for epoch in range(len(script)):
            callback.on_epoch_end(epoch)
    assert [str(w.message) for w in caught] == [f"Epochs {s}: it is wrong" for s in said]


def test_the_effective_sample_size_is_that_of_each_examples_weights():
    watch = compiled(MODEL.vae(), IWLB(2)).latent_watch
    vae = MODEL.vae()
    log_weights = tf.math.log([[1.0, 5.0], [3.0, 5.0]])  # 4^2 / 10 and 2
    z = tf.zeros([2, 2, 2])
    draws = tfgen.losses.weights.Draws(z, tf.zeros([2, 2]))
    posterior, prior = vae.encode(X[:2]), vae.prior
    watch.update_state(posterior, prior, log_weights, draws, None)
    assert watch.ess == pytest.approx(1.8, abs=1e-6)
    watch.reset_state()
    watch.update_state(posterior, prior, log_weights, draws, tf.constant([3.0, 1.0]))
    assert watch.ess == pytest.approx((3 * 1.6 + 2) / 4, abs=1e-6)
