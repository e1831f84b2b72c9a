"""The KL divergence in a model's loss: averaged over the batch, once."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen

tfd = tfp.distributions
tfl = tfgen.layers

D = 2
PRIOR = tfd.MultivariateNormalDiag(tf.constant([0.5, -0.5]), tf.constant([1.0, 2.0]))
PARAMS = np.random.default_rng(0).normal(size=[6, 2 * D]).astype("float32")


def closed_form(params):
    """KL(N(mu, diag sigma^2) || PRIOR), an example."""
    mu, sigma = params[:, :D], np.log1p(np.exp(params[:, D:]))
    m, s = np.array([0.5, -0.5]), np.array([1.0, 2.0])
    terms = np.log(s / sigma) + (sigma**2 + (mu - m) ** 2) / (2 * s**2) - 0.5
    return terms.sum(-1)


def added_loss(layer, params):
    layer(params)
    (loss,) = layer.losses
    return float(loss)


def regularized(**kwargs):
    regularizer = tfl.KLDivergenceRegularizer(PRIOR, **kwargs)
    return tfl.MultivariateNormalDiag(D, activity_regularizer=regularizer)


def after_layer(**kwargs):
    return keras.Sequential(
        [tfl.MultivariateNormalDiag(D), tfl.KLDivergenceAddLoss(PRIOR, **kwargs)]
    )


both = pytest.mark.parametrize("make", [regularized, after_layer])


@both
@pytest.mark.parametrize("count", [1, 2, 6])
def test_the_loss_is_the_mean_over_the_batch_of_the_closed_form(make, count):
    params = PARAMS[:count]
    found = added_loss(make(use_exact_kl=True), params)
    np.testing.assert_allclose(found, closed_form(params).mean(), rtol=1e-5)
    weighted = added_loss(make(use_exact_kl=True, weight=0.25), params)
    np.testing.assert_allclose(weighted, 0.25 * closed_form(params).mean(), rtol=1e-5)


@both
@pytest.mark.parametrize("axis", [(), None, 0])
def test_the_estimate_is_averaged_once_whatever_the_test_points(make, axis):
    count = 4000
    kwargs = {"test_points_reduce_axis": axis, "test_points_fn": lambda q: q.sample(count)}
    found = added_loss(make(**kwargs), PARAMS)
    q = tfl.MultivariateNormalDiag(D)(PARAMS)
    z = q.sample(count, seed=0)
    error = np.std(np.mean(q.log_prob(z) - PRIOR.log_prob(z), axis=1)) / np.sqrt(count)
    assert abs(found - closed_form(PARAMS).mean()) < 4 * error


@both
def test_by_default_the_test_points_are_what_the_layer_passes_on(make):
    layer = make()
    q = layer(PARAMS)
    z = tf.convert_to_tensor(q)
    expected = np.mean(q.log_prob(z) - PRIOR.log_prob(z))
    np.testing.assert_allclose(float(layer.losses[0]), expected, rtol=1e-5)


@both
@pytest.mark.parametrize(
    "weight", [keras.Variable(0.0, trainable=False), tf.Variable(0.0)], ids=["keras", "tf"]
)
def test_a_callback_anneals_a_weight_that_is_a_variable(make, weight):
    layer = make(use_exact_kl=True, weight=weight)
    model = keras.Sequential([keras.layers.Input([2 * D]), layer])
    assert weight not in model.trainable_variables
    model.compile(loss=tfgen.losses.NegativeLogLikelihood(), jit_compile=False)
    y = np.zeros([6, D], "float32")
    likelihood = -np.mean(tfl.MultivariateNormalDiag(D)(PARAMS).log_prob(y))
    for value in (0.0, 0.25, 1.0):
        weight.assign(value)
        expected = likelihood + value * closed_form(PARAMS).mean()
        np.testing.assert_allclose(
            model.evaluate(PARAMS, y, verbose=0), expected, rtol=1e-5
        )


def test_a_tensor_may_be_the_weight_and_a_file_holds_its_value():
    regularizer = tfl.KLDivergenceRegularizer(PRIOR, True, weight=tf.constant(0.25))
    q = tfl.MultivariateNormalDiag(D)(PARAMS)
    np.testing.assert_allclose(regularizer(q), 0.25 * closed_form(PARAMS).sum(), rtol=1e-5)
    assert regularizer.get_config()["weight"] == 0.25


def test_a_regularizer_called_by_hand_gives_keras_the_total():
    q = tfl.MultivariateNormalDiag(D)(PARAMS)
    total = tfl.KLDivergenceRegularizer(PRIOR, use_exact_kl=True)(q)
    np.testing.assert_allclose(total, closed_form(PARAMS).sum(), rtol=1e-5)


def test_a_keras_regularizer_counts_as_on_a_tensor():
    layer = tfl.MultivariateNormalDiag(
        D, "mean", activity_regularizer=keras.regularizers.L2(0.1)
    )
    dense = keras.layers.Activation(
        "linear", activity_regularizer=keras.regularizers.L2(0.1)
    )
    dense(tf.constant(PARAMS[:, :D]))
    np.testing.assert_allclose(
        added_loss(layer, PARAMS), dense.losses[0], rtol=1e-6, atol=1e-6
    )


@both
def test_a_vae_of_plain_layers_minimises_the_negative_elbo(make):
    """TFP's idiom: the ELBO as a likelihood loss and a KL regularizer."""
    q = make(use_exact_kl=True)
    encoder = keras.Sequential([keras.layers.Input([5]), keras.layers.Dense(2 * D), q])
    decoder = keras.Sequential(
        [
            keras.layers.Input([D]),
            keras.layers.Dense(10),
            tfl.IndependentNormal([5]),
        ]
    )
    model = keras.Model(encoder.inputs, decoder(encoder.outputs[0]))
    x = np.random.default_rng(1).normal(size=[10, 5]).astype("float32")
    # No data's gradient, so that the loss is of the weights as they are.
    loss = tfgen.losses.NegativeLogLikelihood()
    model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    params = encoder.layers[0](x)
    history = model.fit(x, x, batch_size=10, epochs=30, verbose=0).history["loss"]
    z = tfl.MultivariateNormalDiag(D)(params).sample(4000, seed=0)
    log_p = decoder.layers[-1](decoder.layers[0](z)).log_prob(x).numpy()
    reconstructions = log_p.mean(1)  # of a sample of the whole batch
    expected = closed_form(params.numpy()).mean() - reconstructions.mean()
    error = reconstructions.std() / np.sqrt(30)
    assert abs(np.mean(history) - expected) < 4 * error


def test_the_batch_size_does_not_change_what_is_minimised():
    layer = regularized(use_exact_kl=True)
    model = keras.Sequential([keras.layers.Input([2 * D]), layer])
    model.compile(loss=tfgen.losses.NegativeLogLikelihood(), run_eagerly=True)
    y = np.zeros([6, D], "float32")
    losses = [model.evaluate(PARAMS, y, batch_size=size, verbose=0) for size in (2, 3, 6)]
    q = layer(PARAMS)
    expected = closed_form(PARAMS).mean() - np.mean(q.log_prob(y))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@both
def test_a_prior_layer_is_trained_and_saved_with_the_model(make, tmp_path):
    prior = tfl.MixturePrior(D, 3)
    if make is regularized:
        layers = [
            tfl.MultivariateNormalDiag(
                D, activity_regularizer=tfl.KLDivergenceRegularizer(prior)
            )
        ]
    else:
        layers = [tfl.MultivariateNormalDiag(D), tfl.KLDivergenceAddLoss(prior)]
    model = keras.Sequential([keras.layers.Input([2 * D]), *layers])
    assert {w.name for w in model.trainable_weights} == {"logits", "loc", "raw_scale"}
    loss = tfgen.losses.NegativeLogLikelihood()
    model.compile(keras.optimizers.Adam(0.1), loss, run_eagerly=True)
    before = prior.loc.numpy()
    model.fit(PARAMS, np.zeros([6, D]), verbose=0)
    assert np.max(np.abs(prior.loc.numpy() - before)) > 0.01
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    for ours, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_prior_may_be_a_model_of_a_variable_as_in_tfp():
    prior = keras.Sequential([tfl.VariableLayer([2 * D]), tfl.MultivariateNormalDiag(D)])
    regularizer = tfl.KLDivergenceRegularizer(prior, use_exact_kl=True)
    layer = tfl.MultivariateNormalDiag(D, activity_regularizer=regularizer)
    sigma = float(np.log(2.0))  # softplus of the variable's zeros
    q = layer(PARAMS)
    expected = tfd.kl_divergence(
        q.tensor_distribution, tfd.MultivariateNormalDiag(tf.zeros([D]), [sigma, sigma])
    )
    np.testing.assert_allclose(layer.losses[0], np.mean(expected), rtol=1e-5)
    assert [w.name for w in layer.trainable_weights] == ["constant"]


@keras.saving.register_keras_serializable("tests")
def wide_prior():
    return tfd.MultivariateNormalDiag(tf.zeros([D]), [3.0, 3.0])


@pytest.mark.parametrize(
    "prior", [PRIOR, wide_prior, tfl.MixturePrior(D, 3)], ids=["tfd", "function", "layer"]
)
@pytest.mark.parametrize("kind", ["regularizer", "layer"])
def test_the_config_holds_the_prior(prior, kind):
    make = {
        "regularizer": tfl.KLDivergenceRegularizer,
        "layer": tfl.KLDivergenceAddLoss,
    }[kind]
    ours = make(prior, test_points_fn="mean", weight=0.5)
    packed = keras.saving.serialize_keras_object(ours)
    theirs = keras.saving.deserialize_keras_object(packed, safe_mode=True)
    assert theirs.get_config() == ours.get_config()
    if isinstance(prior, keras.layers.Layer):
        for one in (ours, theirs):
            regularizer = getattr(one, "regularizer", one)
            regularizer.layers[0].set_weights(prior.get_weights())
    q = tfl.MultivariateNormalDiag(D)(PARAMS)
    if kind == "regularizer":
        np.testing.assert_allclose(theirs(q), ours(q), rtol=1e-6, atol=1e-6)
    else:
        assert theirs(q) is q
        ours(q)
        np.testing.assert_allclose(theirs.losses, ours.losses, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tfl.KLDivergenceRegularizer(3.0), TypeError, "`distribution_b` must be"),
        (
            lambda: tfl.KLDivergenceRegularizer(tfd.Normal(tf.Variable(0.0), 1.0)),
            TypeError,
            "`distribution_b` must be a Keras layer to be trained",
        ),
        (
            lambda: tfl.KLDivergenceRegularizer(PRIOR, weight="1"),
            TypeError,
            "`weight` must be a number, a scalar variable",
        ),
        (
            lambda: tfl.KLDivergenceAddLoss(PRIOR, weight=tf.ones([2])),
            TypeError,
            "`weight` must be a number, a scalar variable",
        ),
        (
            lambda: tfl.KLDivergenceRegularizer(PRIOR, test_points_fn="median"),
            ValueError,
            "`test_points_fn` must be one of",
        ),
        (
            lambda: keras.layers.Dense(
                2, activity_regularizer=tfl.KLDivergenceRegularizer(PRIOR)
            )(tf.zeros([1, 2])),
            TypeError,
            "must regularize a layer that returns a distribution",
        ),
        (
            lambda: tfl.KLDivergenceRegularizer(lambda: PRIOR).get_config(),
            ValueError,
            "`distribution_b` must be a registered function",
        ),
    ],
)
def test_bad_arguments_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_model_as_the_other_side_is_one_distribution_for_the_whole_batch():
    # Called on one zero: N(0, log(2)^2), as its bias is 0.
    prior = keras.Sequential(
        [
            keras.Input([]),
            keras.layers.Reshape([1]),
            keras.layers.Dense(2 * D),
            tfl.MultivariateNormalDiag(D),
        ]
    )
    scale = np.log(np.float32(2.0))
    q = tfd.MultivariateNormalDiag([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]], [scale, scale])
    # KL(N(m, s^2) || N(0, s^2)) = m^2 / (2 s^2), summed over a batch of three.
    expected = (1 + 4 + 9) / (2 * scale**2)
    regularizer = tfl.KLDivergenceRegularizer(prior, use_exact_kl=True)
    assert float(regularizer(q)) == pytest.approx(expected, rel=1e-5)
