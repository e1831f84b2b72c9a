"""-log p(y) as the loss of a plain Keras model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
Loss = tfgen.losses.NegativeLogLikelihood

X = np.random.default_rng(0).normal(size=[10, 3]).astype("float32")
Y = np.random.default_rng(1).normal(size=[10, 2]).astype("float32")
WEIGHT = np.random.default_rng(2).random(10).astype("float32")


def regression(**kwargs):
    model = keras.Sequential(
        [keras.layers.Input([3]), keras.layers.Dense(4), tfgen.layers.IndependentNormal(2)]
    )
    model.compile(keras.optimizers.SGD(0.05), Loss(), **kwargs)
    return model


def by_hand(model, x=X, y=Y):
    """-log p(y), an example, in float64."""
    out = model.layers[0](x).numpy().astype("float64")
    mu, sigma = out[:, :2], np.log1p(np.exp(out[:, 2:]))
    terms = 0.5 * ((y - mu) / sigma) ** 2 + np.log(sigma) + 0.5 * np.log(2 * np.pi)
    return terms.sum(-1)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("batch_size", [10, 5])
def test_evaluate_gives_the_mean_over_examples(weight, batch_size):
    model = regression()
    found = model.evaluate(X, Y, batch_size, sample_weight=weight, verbose=0)
    expected = np.mean(by_hand(model) * (1.0 if weight is None else weight))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_step_of_fit_descends_the_gradient_of_the_weighted_mean():
    model = regression()
    weights = model.trainable_weights
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model(X).log_prob(Y) * WEIGHT)
    gradients = tape.gradient(loss, [w.value for w in weights])
    expected = [w.numpy() - 0.05 * g for w, g in zip(weights, gradients, strict=True)]
    model.fit(X, Y, batch_size=10, sample_weight=WEIGHT, shuffle=False, verbose=0)
    for weight, value in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight, value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("reduction", "reduce"),
    [
        ("sum", np.sum),
        ("mean", np.mean),
        ("mean_with_sample_weight", lambda v: np.sum(v) / np.sum(WEIGHT)),
        (None, lambda v: v),
    ],
)
def test_reductions_are_those_of_keras(reduction, reduce):
    model = regression()
    found = Loss(reduction=reduction)(Y, model(X), WEIGHT)
    np.testing.assert_allclose(found, reduce(by_hand(model) * WEIGHT), rtol=1e-5)


def test_a_model_of_two_outputs_takes_it_for_one():
    inputs = keras.Input([3])
    q = tfgen.layers.IndependentNormal(2, name="q")(keras.layers.Dense(4)(inputs))
    model = keras.Model(inputs, {"q": q, "head": keras.layers.Dense(1, name="head")(q)})
    model.compile("sgd", {"q": Loss(), "head": "mse"})
    history = model.fit(X, {"q": Y, "head": Y[:, :1]}, verbose=0).history
    assert {"loss", "q_loss", "head_loss"} <= set(history)
    assert np.isfinite(history["loss"]).all()


def test_metrics_of_keras_see_the_tensor():
    model = regression(metrics=["mae"])
    model.layers[-1].convert_to_tensor_fn = "mean"
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    np.testing.assert_allclose(
        found["mae"], np.mean(np.abs(model(X).mean() - Y)), rtol=1e-5
    )


def test_y_of_one_dimension_less_is_not_broadcast_against_the_batch():
    p = tfd.Normal(tf.constant(X[:, :1]), 1.0)  # batch [10, 1], event ()
    expected = -np.mean(p.log_prob(Y[:, :1]))
    np.testing.assert_allclose(Loss()(Y[:, 0], p), expected, rtol=1e-6)
    flat = tfd.Normal(tf.constant(X[:, 0]), 1.0)
    np.testing.assert_allclose(Loss()(Y[:, :1], flat), expected, rtol=1e-6)


def test_integers_are_observed_as_they_are():
    p = tfd.Poisson(tf.constant([1.0, 2.0]))
    expected = -np.mean(p.log_prob([3.0, 0.0]))
    np.testing.assert_allclose(Loss()(np.array([3, 0]), p), expected, rtol=1e-6)


def test_it_is_saved_with_the_model(tmp_path):
    model = regression()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert isinstance(again.loss, Loss)
    np.testing.assert_allclose(
        again.evaluate(X, Y, verbose=0), np.mean(by_hand(model)), rtol=1e-5
    )
    assert Loss.from_config(Loss("sum", "nll").get_config()).reduction == "sum"


def test_the_jit_compiled_loss_is_the_same():
    model = regression(jit_compile=True)
    np.testing.assert_allclose(
        model.evaluate(X, Y, batch_size=4, verbose=0), np.mean(by_hand(model)), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("y", "p", "error", "message"),
    [
        (Y, tf.constant(Y), TypeError, "`y_pred` must be a distribution.*End the model"),
        (Y, tfd.Normal(X, 1.0), ValueError, r"\(10, 3\); received \(10, 2\)"),
        (Y[:5], tfd.Normal(Y, 1.0), ValueError, r"\(10, 2\); received \(5, 2\)"),
    ],
)
def test_bad_arguments_are_named(y, p, error, message):
    with pytest.raises(error, match=message):
        Loss()(y, p)
