"""What a user's subclass adds counts, and the methods work inside a user's graph."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tests.linear_gaussian import LinearGaussian

MODEL = LinearGaussian(event_size=4, latent_size=2)
X = MODEL.sample(32)[1]


class AddsInCall(tfgen.models.VAE):
    """Adds 3 to the loss by `add_loss`, in `call`."""

    def call(self, x, training=False):
        self.add_loss(tf.constant(3.0))
        return super().call(x, training=training)


class AddsInComputeLoss(tfgen.models.VAE):
    """Adds 5 and the mean of z squared, which `y_pred` carries."""

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        assert y_pred.terms.total.shape[1] == y_pred.posterior.batch_shape[0]
        assert y_pred.likelihood.batch_shape.rank == 2
        return loss + 5.0 + tf.reduce_mean(y_pred.draws.z**2)


def history(cls, jit_compile, scale=0.0):
    keras.utils.set_random_seed(0)
    vae = cls(MODEL.encoder(shift=0.3), MODEL.decoder())
    vae.compile(keras.optimizers.SGD(scale), "elbo", jit_compile=jit_compile)
    return vae, vae.fit(X, batch_size=16, shuffle=False, verbose=0).history


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_add_loss_in_call_counts_in_fit(jit_compile):
    _, plain = history(tfgen.models.VAE, jit_compile)
    _, added = history(AddsInCall, jit_compile)
    assert added["loss"][0] - plain["loss"][0] == pytest.approx(3.0, abs=1e-4)
    assert added["elbo"] == pytest.approx(plain["elbo"])  # the bound stays the bound


@pytest.mark.slow
def test_an_overridden_compute_loss_is_what_fit_minimises():
    vae, logs = history(AddsInComputeLoss, True)
    second_moment = vae.encode(X).mean().numpy() ** 2 + vae.encode(X).variance().numpy()
    excess = logs["loss"][0] + logs["elbo"][0] - 5.0
    # One draw of z for each of 32 rows, of 2 dimensions: 64 squares.
    assert excess == pytest.approx(second_moment.mean(), abs=4 * 2.0 / np.sqrt(64))
    moved, _ = history(AddsInComputeLoss, False, scale=1e-2)
    plain, _ = history(tfgen.models.VAE, False, scale=1e-2)
    with_penalty, without = (m.encode(X).mean().numpy() for m in (moved, plain))
    assert np.square(with_penalty).mean() < np.square(without).mean()


def test_methods_work_in_a_graph_whose_batch_size_is_unknown():
    vae = MODEL.vae(0.3)

    @tf.function(input_signature=[tf.TensorSpec([None, 4])], autograph=False)
    def together(x):
        return {
            "log_weights": vae.log_weights(x, 7, seed=1),
            "log_prob": vae.log_prob(x, 50, seed=1),
            "reconstruct": vae.reconstruct(x, seed=1),
        }

    eager = {
        "log_weights": vae.log_weights(X, 7, seed=1),
        "log_prob": vae.log_prob(X, 50, seed=1),
        "reconstruct": vae.reconstruct(X, seed=1),
    }
    for name, value in together(X).items():
        np.testing.assert_allclose(value, eager[name], rtol=2e-5, atol=2e-5)


def test_weighted_metrics_alone_are_logged():
    vae = MODEL.vae(0.3)
    vae.compile("sgd", "elbo", weighted_metrics=["mse"], jit_compile=False)
    weight = np.r_[np.ones(16), np.zeros(16)].astype("float32")
    logs = vae.evaluate(X, sample_weight=weight, verbose=0, return_dict=True)
    mean = vae.predict(X[:16], verbose=0)
    assert logs["mse"] == pytest.approx(np.mean((mean - X[:16]) ** 2), rel=1e-4)


def test_predict_decodes_the_mean_of_the_posterior_twice_the_same():
    vae = MODEL.vae(0.3)
    once, twice = vae.predict(X, verbose=0), vae.predict(X, verbose=0)
    np.testing.assert_array_equal(once, twice)
    expected = vae.encode(X).mean().numpy() @ MODEL.w.T + MODEL.b
    np.testing.assert_allclose(once, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_inputs_by_position_go_to_the_encoder(jit_compile):
    a, b = keras.Input([4]), keras.Input([3])
    layer = tfgen.layers.MultivariateNormalDiag
    hidden = keras.layers.Concatenate()([a, b])
    encoder = keras.Model([a, b], layer(2)(keras.layers.Dense(4)(hidden)))
    vae = tfgen.models.VAE(encoder, MODEL.decoder())
    vae.compile("adam", "elbo", jit_compile=jit_compile)
    rest = np.ones([32, 3], "float32")
    logs = vae.fit([X, rest], X, batch_size=16, epochs=30, verbose=0).history
    assert logs["elbo"][-1] > logs["elbo"][0] + 0.1
    assert vae.encode([X, rest]).batch_shape == [32]
    assert vae.log_prob([X, rest], 10, y=X).shape == [32]
    with pytest.raises(ValueError, match=r"`y`, the data .* must be given"):
        vae.fit([X, rest])
