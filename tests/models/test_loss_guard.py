"""A loss that is not finite stops `fit`, with step, term and the last good weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.losses import ELBO, IWLB
from tfgen.models import loss_guard

tfd = tfp.distributions

MODEL = LinearGaussian()
_, X = MODEL.sample(40)

WAYS = [
    {"run_eagerly": True},
    pytest.param({"jit_compile": False}, marks=pytest.mark.slow),
    {"jit_compile": True, "steps_per_execution": 3},
]


def rows(bad):
    """A dataset whose batch `bad`, of 4, is finite and makes networks overflow."""
    x = X.copy()
    x[4 * bad : 4 * bad + 4] = 3e38
    return tf.data.Dataset.from_tensor_slices(x).batch(4)


@pytest.mark.slow
@pytest.mark.parametrize("options", WAYS, ids=str)
def test_step_is_the_first_bad_one_and_weights_are_of_the_epoch_before(options):
    vae = MODEL.vae(0.5)
    vae.compile(keras.optimizers.SGD(1e-3), ELBO(), **options)
    vae.fit(X, batch_size=4, verbose=0)
    before = [w.numpy() for w in (*vae.weights, *vae.optimizer.variables)]
    with pytest.raises(
        FloatingPointError,
        match=r"`loss` is nan at step 6 of epoch 1: log p\(x\|z\), the reconstruction and "
        r"log p\(z\), the prior are not finite.*"
        r"`clipnorm`.*last good weights, before `fit`",
    ):
        vae.fit(rows(bad=5), verbose=0)
    for old, new in zip(before, (*vae.weights, *vae.optimizer.variables), strict=True):
        np.testing.assert_array_equal(old, new)
    vae.fit(X, batch_size=4, verbose=0)  # and training goes on


def test_later_epochs_leave_the_weights_of_the_last(monkeypatch):
    monkeypatch.setattr(loss_guard, "_SHARE", np.inf)  # a copy each epoch

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.weights_at = [w.numpy() for w in self.model.trainable_weights]
            if epoch == 2:
                self.model.encoder.layers[0].kernel.assign_add(tf.fill([10, 9], np.inf))

    vae = MODEL.vae(0.5)
    vae.compile(keras.optimizers.SGD(1e-3), ELBO(), run_eagerly=True)
    with pytest.raises(FloatingPointError, match=r"step 1 of epoch 3.*end of epoch 2"):
        vae.fit(X, epochs=4, verbose=0, callbacks=[Break()])
    for old, new in zip(vae.weights_at, vae.trainable_weights, strict=True):
        np.testing.assert_array_equal(old, new)


class BadLikelihood(keras.layers.Layer):
    """Raw parameters of a normal whose scale is no number for any z."""

    def call(self, x):
        return tf.concat([x, tf.fill(tf.shape(x), np.float32(np.nan))], axis=-1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2 * shape[-1])


@keras.saving.register_keras_serializable("tests")
class BadPrior(keras.layers.Layer):
    def call(self, inputs=None):
        return tfd.MultivariateNormalDiag(tf.fill([3], np.float32(np.nan)), tf.ones([3]))


def decoder(*middle):
    layers = [keras.Input([3]), keras.layers.Dense(10), *middle]
    return keras.Sequential([*layers, tfgen.layers.IndependentNormal([10])])


def fit(vae, loss):
    vae.compile("adam", loss, run_eagerly=True)
    with pytest.raises(FloatingPointError) as caught:
        vae.fit(X, verbose=0)
    return str(caught.value)


@pytest.mark.parametrize("loss", [ELBO(), ELBO(kl="monte_carlo"), IWLB(3)], ids=repr)
def test_term_at_fault_is_named(loss):
    bad_decoder = tfgen.models.VAE(MODEL.encoder(), decoder(BadLikelihood()))
    message = fit(bad_decoder, loss)
    assert "log p(x|z), the reconstruction is not finite" in message
    assert "posterior" not in message

    bad_prior = tfgen.models.VAE(MODEL.encoder(), MODEL.decoder(), BadPrior())
    message = fit(bad_prior, loss)
    assert "log p(z), the prior is not finite" in message
    assert "reconstruction" not in message

    # S = I + raw is singular: log q is infinite, z and all that it meets are finite.
    layer = tfgen.layers.MultivariateNormalScale(3)
    encoder = keras.Sequential([keras.Input([10]), keras.layers.Dense(12), layer])
    encoder.layers[0].set_weights([np.zeros([10, 12]), -1.0 * (np.arange(12) == 3)])
    message = fit(tfgen.models.VAE(encoder, MODEL.decoder()), loss)
    assert "log q(z|x), the posterior is not finite" in message
    assert "reconstruction" not in message


def test_weights_that_were_bad_from_the_start_are_told():
    vae = MODEL.vae()
    vae.encoder.layers[0].kernel.assign(np.full([10, 9], np.nan))
    assert "The weights were not finite before `fit`" in fit(vae, ELBO())


def test_loss_that_a_layer_adds_is_told_from_the_bound():
    class Added(keras.layers.Layer):
        def call(self, x):
            self.add_loss(tf.constant(np.nan))
            return x

    vae = tfgen.models.VAE(MODEL.encoder(), decoder(keras.layers.Dense(20), Added()))
    assert "a loss that a layer added" in fit(vae, ELBO())


def test_guard_can_stand_beside_the_users_callbacks():
    vae = MODEL.vae()
    vae.compile("adam", ELBO(), run_eagerly=True)
    seen = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(1))
    vae.fit(X, epochs=2, callbacks=callback, verbose=0)
    vae.fit(X, callbacks=keras.callbacks.CallbackList([callback], model=vae), verbose=0)
    assert len(seen) == 3


def gan(**options):
    keras.utils.set_random_seed(0)
    model = tfgen.models.GAN(
        keras.Sequential([keras.Input([2]), keras.layers.Dense(10)]),
        keras.Sequential([keras.Input([10]), keras.layers.Dense(1)]),
        latent_dim=2,
    )
    rates = keras.optimizers.Adam(1e-3), keras.optimizers.RMSprop(1e-3)
    model.compile(*rates, loss="non_saturating", generator_ema=0.9, **options)
    return model


def steep_gan(**options):
    """One whose logits overflow at the bad row of `rows`."""
    model = gan(**options)
    model.discriminator.set_weights([np.full([10, 1], 100.0), np.zeros([1])])
    return model


def state(model):
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    variables = [*model.weights, *(v for o in optimizers for v in o.variables)]
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize(
    "options", [{"run_eagerly": True}, {"jit_compile": False, "steps_per_execution": 3}]
)
def test_gan_goes_back_with_its_average_and_both_optimizers(options):
    model = steep_gan(**options)
    model.fit(X, batch_size=4, verbose=0)
    before = state(model)
    with pytest.raises(
        FloatingPointError,
        match=r"`\w+_loss` is (nan|inf) at step 6 of epoch 1: not finite: a\(x\) of the "
        r"data, .*diverged.*`clipnorm`.*last good weights, before `fit`",
    ):
        model.fit(rows(bad=5), verbose=0)
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    model.fit(X, batch_size=4, verbose=0)  # and training goes on


def test_guard_can_be_turned_off_and_is_saved_so(tmp_path):
    model = steep_gan(run_eagerly=True, guard=False)
    history = model.fit(rows(bad=5), verbose=0).history
    assert not np.isfinite(history["discriminator_loss"][-1])
    copy = steep_gan(run_eagerly=True)
    copy.compile_from_config(model.get_compile_config())
    copy.fit(rows(bad=5), verbose=0)


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize(
    ("epoch_seconds", "copies"),
    # A copy of 50 ms is due 5 s after the last: 40 s of epochs of 0.1 s leave room for
    # the first and 7 more; epochs of 10 s are copied each, but for the last.
    [(0.1, 8), (10.0, 4)],
)
def test_copies_take_a_hundredth_of_the_time_at_most(monkeypatch, epoch_seconds, copies):
    clock, taken = Clock(), []

    def slow_check(values):
        taken.append(clock.now)
        clock.now += 0.05
        return True

    monkeypatch.setattr(loss_guard, "time", clock)
    monkeypatch.setattr(loss_guard, "_all_finite", slow_check)
    model = gan(run_eagerly=True)
    guard = loss_guard.LossGuard(model.monitor.watch, [model.optimizer], str)
    guard.set_model(model)
    epochs = int(40 / epoch_seconds)
    guard.set_params({"epochs": epochs})
    guard.on_train_begin()
    for epoch in range(epochs):
        guard.on_epoch_begin(epoch)
        clock.now += epoch_seconds
        guard.on_train_batch_end(0, {"loss": 1.0})
        guard.on_epoch_end(epoch)
    assert len(taken) == copies
    assert 0.05 * (len(taken) - 1) <= 0.01 * clock.now


def test_a_long_epoch_is_copied_within(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(loss_guard, "time", clock)
    model = gan(run_eagerly=True)
    guard = loss_guard.LossGuard(model.monitor.watch, [model.optimizer], str)
    guard.set_model(model)
    guard.on_train_begin()
    guard.on_epoch_begin(0)
    for batch in range(45):
        clock.now += 1.0
        model.generator.layers[0].bias.assign(np.full([10], batch))
        guard.on_train_batch_end(batch, {"loss": 1.0})
    with pytest.raises(
        FloatingPointError, match="last good weights, of step 30 of epoch 1"
    ):
        guard.on_train_batch_end(45, {"loss": np.inf})
    np.testing.assert_array_equal(model.generator.layers[0].bias, np.full([10], 29.0))
