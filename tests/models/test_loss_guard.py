"""A loss that is not finite stops `fit`, with step, term and the last good weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tests.linear_gaussian import LinearGaussian
from tfgen.losses import ELBO, IWLB

tfd = tfp.distributions

MODEL = LinearGaussian()
_, X = MODEL.sample(40)

WAYS = [{"run_eagerly": True}, {"jit_compile": False}, {"steps_per_execution": 3}]


def rows(bad):
    """A dataset, which is not checked ahead, whose batches of 4 turn bad at one."""
    x = X.copy()
    x[4 * bad : 4 * bad + 4] = np.nan
    return tf.data.Dataset.from_tensor_slices(x).batch(4)


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_step_is_the_first_bad_one_and_weights_are_of_the_epoch_before(options):
    vae = MODEL.vae(0.5)
    vae.compile(keras.optimizers.SGD(1e-3), ELBO(), **options)
    vae.fit(X, batch_size=4, verbose=0)
    before = [w.numpy() for w in (*vae.weights, *vae.optimizer.variables)]
    with pytest.raises(
        FloatingPointError,
        match=r"`loss` is nan at step 6 of epoch 1: no term .*dataset holds NaN.*"
        r"`clipnorm`.*last good weights, before `fit`",
    ):
        vae.fit(rows(bad=5), verbose=0)
    for old, new in zip(before, (*vae.weights, *vae.optimizer.variables), strict=True):
        np.testing.assert_array_equal(old, new)
    vae.fit(X, batch_size=4, verbose=0)  # and training goes on


def test_later_epochs_leave_the_weights_of_the_last():
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
    """Raw parameters of a normal whose scale is 0 for every z."""

    def call(self, x):
        return tf.concat([x, tf.fill(tf.shape(x), -np.float32(np.inf))], axis=-1)

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

    # A scale of 0 in one dimension: log q is infinite, z and all that it meets are finite.
    layer = tfgen.layers.MultivariateNormalDiag(3)
    encoder = keras.Sequential([keras.Input([10]), keras.layers.Dense(6), layer])
    encoder.layers[0].set_weights([np.zeros([10, 6]), np.array([0, 0, 0, 0, 0, -200.0])])
    message = fit(tfgen.models.VAE(encoder, MODEL.decoder()), loss)
    assert "log q(z|x), the posterior is not finite" in message
    assert "reconstruction" not in message


def test_weights_that_were_bad_from_the_start_are_told():
    vae = MODEL.vae()
    vae.encoder.layers[0].kernel.assign(np.full([10, 9], np.nan))
    assert "`fit` began with weights that are not finite" in fit(vae, ELBO())


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
