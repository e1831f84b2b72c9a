"""Relaxed discrete posteriors: their limits, their gradients, their temperature."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

LOGITS = np.array([[0.5, -1.0, 2.0], [0.0, 1.5, -0.5]], "float32")
MAKERS = {
    "RelaxedBernoulli": tfl.RelaxedBernoulli,
    "RelaxedOneHotCategorical": tfl.RelaxedOneHotCategorical,
}
DISCRETE = {
    "RelaxedBernoulli": tfl.IndependentBernoulli,
    "RelaxedOneHotCategorical": tfl.OneHotCategorical,
}
each = pytest.mark.parametrize("name", MAKERS)


@each
def test_straight_through_has_the_draws_and_the_law_of_the_discrete_layer(name):
    ours = MAKERS[name](3, 0.5, straight_through=True)(LOGITS)
    discrete = DISCRETE[name](3)(LOGITS)
    z = ours.sample(500, seed=1)
    np.testing.assert_array_equal(z, discrete.sample(500, seed=1))
    np.testing.assert_allclose(ours.log_prob(z), discrete.log_prob(z), rtol=1e-5)
    np.testing.assert_allclose(ours.mean(), discrete.mean(), rtol=1e-6, atol=1e-6)
    prior = DISCRETE[name](3)(np.zeros([1, 3], "float32"))
    np.testing.assert_allclose(
        ours.kl_divergence(prior), discrete.kl_divergence(prior), rtol=1e-6
    )
    assert ours.reparameterization_type == tfd.FULLY_REPARAMETERIZED
    assert tfl.is_keyed_by_row(ours)
    np.testing.assert_allclose(tfl.unwrap(ours)[1:].mean(), discrete.mean()[1:])


@each
def test_straight_through_has_the_gradient_of_the_relaxed_draw(name):
    weights = tf.constant([1.0, -2.0, 3.0])
    gradients = []
    for straight_through in (True, False):
        logits = tf.constant(LOGITS)
        layer = MAKERS[name](3, 0.5, straight_through)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = tf.reduce_sum(weights * layer(logits).sample(5, seed=1))
        gradients.append(tape.gradient(total, logits))
    assert np.all(gradients[0] != 0)
    np.testing.assert_allclose(*gradients, rtol=1e-4)


def test_the_density_integrates_to_one():
    # In y = logit z, where it has no spikes.
    q = tfl.RelaxedBernoulli(1, 0.3, dtype="float64")(np.array([[0.7]]))
    y = np.linspace(-100, 100, 20_001)[:, np.newaxis, np.newaxis]
    z = 1 / (1 + np.exp(-y))
    inside = (z > 1e-15) & (z < 1 - 1e-15)
    density = np.where(inside[..., 0], q.prob(np.clip(z, 1e-15, 1 - 1e-15)), 0.0)
    total = np.sum(density * (z * (1 - z))[..., 0]) * (y[1] - y[0])
    np.testing.assert_allclose(total, 1.0, rtol=1e-3)  # |y| > 34.5 holds exp(-10)


@each
@pytest.mark.parametrize("temperature", [1e-3, 0.1, 10.0])
def test_draws_and_log_densities_are_finite_at_every_temperature(name, temperature):
    logits = tf.constant(30.0 * LOGITS)
    layer = MAKERS[name](3, temperature)
    prior = tfl.unwrap(MAKERS[name](3, temperature)(tf.zeros([1, 3])))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        z, log_q = layer(logits).experimental_sample_and_log_prob(200, seed=2)
        log_w = prior.log_prob(z) - log_q
    for value in (z, log_q, log_w, tape.gradient(log_w, logits)):
        assert np.isfinite(value).all()
    assert np.all((z > 0) & (z <= 1))


@each
def test_at_a_low_temperature_draws_are_near_the_discrete_ones(name):
    z = MAKERS[name](3, 1e-3)(LOGITS).sample(1000, seed=3).numpy()
    hard = DISCRETE[name](3)(LOGITS).sample(1000, seed=3).numpy()
    # Noise within 0.005 of a tie is left in between: about 1 draw in 400.
    assert np.mean(np.abs(z - hard) > 0.01) < 0.01


@each
def test_a_callback_anneals_the_temperature_and_files_keep_it(name, tmp_path):
    layer = MAKERS[name](3, 1.0)
    model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(3), layer])
    model.compile("adam", tfgen.losses.NegativeLogLikelihood(), jit_compile=False)
    anneal = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: layer.temperature.assign(0.5**epoch)
    )
    x, y = np.ones([4, 2], "float32"), np.full([4, 3], 1 / 3, "float32")
    losses = model.fit(x, y, epochs=3, verbose=0, callbacks=[anneal]).history["loss"]
    assert len(set(losses)) == 3
    assert layer.temperature.numpy() == 0.25
    assert len(model.trainable_variables) == 2
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.layers[-1].temperature.numpy() == 0.25
    np.testing.assert_allclose(
        again(x).log_prob(y), model(x).log_prob(y), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize(
    ("temperature", "error", "message"),
    [
        (0.0, ValueError, "`temperature` must be above 0 and finite; received 0.0"),
        (-1, ValueError, "`temperature` must be above 0"),
        (float("nan"), ValueError, "`temperature` must be above 0"),
        ("1", TypeError, "`temperature` must be a number; received '1'"),
    ],
)
@each
def test_bad_temperatures_are_named(name, temperature, error, message):
    with pytest.raises(error, match=message):
        MAKERS[name](3, temperature)
