"""What users of Keras expect to work: datasets, callbacks' directions, summaries."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tests.linear_gaussian import LinearGaussian

MODEL = LinearGaussian()
_, X = MODEL.sample(10)


@pytest.fixture(scope="module")
def vae():
    return MODEL.vae(0.3)


def batches(*parts, size=4):
    """A dataset whose last batch is smaller."""
    data = parts[0] if len(parts) == 1 else parts
    return tf.data.Dataset.from_tensor_slices(data).batch(size)


# Datasets.


def test_a_dataset_is_read_as_one_array(vae):
    np.testing.assert_array_equal(vae.encode(batches(X)).mean(), vae.encode(X).mean())
    np.testing.assert_array_equal(
        vae.log_prob(batches(X), 3, seed=0), vae.log_prob(X, 3, seed=0)
    )
    np.testing.assert_array_equal(
        vae.reconstruct(batches(X), seed=0), vae.reconstruct(X, seed=0)
    )
    by_dataset, by_array = (
        tfgen.evaluation.log_likelihood(vae, data, 30, seed=0) for data in (batches(X), X)
    )
    np.testing.assert_array_equal(by_dataset.log_prob, by_array.log_prob)


def test_the_second_part_of_a_dataset_is_what_the_likelihood_is_of(vae):
    other = X[::-1].copy()
    np.testing.assert_array_equal(
        vae.log_prob(batches(X, other), 3, seed=0), vae.log_prob(X, 3, seed=0, y=other)
    )


@pytest.mark.slow
def test_inference_gap_reads_a_dataset_once_so_that_it_may_be_shuffled(vae):
    data = batches(X).unbatch().shuffle(10, seed=3).batch(5)
    gaps = tfgen.evaluation.inference_gap(vae, data, 2, 20, seed=0, verbose=False)
    # The mean over examples does not depend on their order; its noise, by row, does.
    truth = MODEL.log_prob(X).mean()
    assert abs(gaps["log_prob"].value - truth) < 1.0


def test_active_units_take_a_dataset(vae):
    by_dataset, by_array = (
        tfgen.evaluation.active_units(vae, data) for data in (batches(X), X)
    )
    np.testing.assert_array_equal(by_dataset.variance, by_array.variance)


def test_a_mean_field_model_takes_indices_and_examples():
    model = tfgen.models.MeanFieldVAE(len(X), MODEL.decoder())
    index = np.arange(len(X))
    np.testing.assert_array_equal(
        model.log_prob(batches(index, X), 3, seed=0), model.log_prob(index, 3, 0, y=X)
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: batches(X).repeat(), r"dataset that ends.*\.take"),
        (lambda: batches(X).take(0), "at least one batch"),
        (lambda: batches(np.arange(10.0)).unbatch(), r"of batches.*\.batch"),
        (lambda: batches(X, np.arange(10.0)), r"Labels are not used.*lambda x, y: x"),
    ],
)
def test_datasets_that_can_not_be_read_are_refused(vae, data, message):
    with pytest.raises(ValueError, match=message):
        vae.log_prob(data(), 3)


def test_y_beside_a_dataset_is_refused(vae):
    with pytest.raises(ValueError, match="`y` must be left out where x is a dataset"):
        vae.log_prob(batches(X), 3, y=X)


def test_fit_on_a_labelled_dataset_says_how_to_drop_the_labels():
    model = MODEL.vae(0.3)
    model.compile("adam", run_eagerly=True)
    labelled = batches(X, np.arange(10))
    with pytest.raises(ValueError, match=r"pass `dataset.map\(lambda x, y: x\)`"):
        model.fit(labelled, verbose=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "`shuffle=True`")
        model.fit(labelled.map(lambda x, y: x), verbose=0)


def test_images_for_a_likelihood_of_vectors_are_told_of_flatten():
    encoder = keras.Sequential(
        [
            keras.layers.Input([2, 2]),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
            tfgen.layers.MultivariateNormalDiag(2),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.layers.Input([2]),
            keras.layers.Dense(4),
            tfgen.layers.IndependentBernoulli([4]),
        ]
    )
    model = tfgen.models.VAE(encoder, decoder)
    model.compile("adam", run_eagerly=True)
    with pytest.raises(ValueError, match=r"keras.layers.Flatten.*x.reshape\(-1, 4\)"):
        model.fit(np.zeros([8, 2, 2]), verbose=0)


# Callbacks.


def compiled(learning_rate, loss="elbo"):
    model = MODEL.vae(0.3)
    model.compile(keras.optimizers.SGD(learning_rate), loss, run_eagerly=True)
    return model


@pytest.mark.parametrize("loss", ["elbo", "iwlb"])
def test_early_stopping_maximises_a_bound(loss):
    """It goes on while the bound rises, and stops once it falls."""
    model = compiled(0.0, loss)
    stop = keras.callbacks.EarlyStopping(f"val_{loss}", patience=1)

    def change(epoch, logs):
        bias = model.decoder.layers[0].bias
        bias.assign(bias + (1.0 if epoch >= 2 else -1.0))

    model.decoder.layers[0].bias.assign(MODEL.b + 3.0)
    move = keras.callbacks.LambdaCallback(on_epoch_begin=change)
    history = model.fit(
        X, validation_data=(X,), epochs=9, verbose=0, callbacks=[move, stop]
    ).history
    values = history[f"val_{loss}"]
    assert values[1] > values[0]
    assert len(values) == 3
    assert stop.stopped_epoch == 2


def test_a_term_without_a_better_side_still_asks_for_the_mode():
    with pytest.raises(ValueError, match="Pass `mode='max'`"):
        compiled(0.0).fit(
            X, verbose=0, callbacks=[keras.callbacks.EarlyStopping("kl")], epochs=2
        )


# Summaries.


def summary(model):
    lines = []
    model.summary(print_fn=lambda text, **_: lines.append(text))
    return "\n".join(lines)


def test_summary_names_encoder_decoder_and_prior():
    text = summary(compiled(0.1))
    assert "Encoder: q(z|x), MultivariateNormalTriL over z [3], by 'sequential" in text
    assert "Decoder: p(x|z), IndependentNormal over x [10], by 'sequential" in text
    assert "Prior: p(z), N(0, I)" in text


def test_summary_of_a_conditional_model_names_the_condition():
    x, c = keras.Input([4], name="x"), keras.Input([], dtype="int64", name="c")
    label = keras.layers.Embedding(3, 2)
    join = keras.layers.Concatenate()
    q = tfgen.layers.MultivariateNormalDiag(2)(keras.layers.Dense(4)(join([x, label(c)])))
    z, c2 = keras.Input([2], name="z"), keras.Input([], dtype="int64", name="c")
    p = tfgen.layers.IndependentBernoulli([4])(keras.layers.Dense(4)(join([z, label(c2)])))
    prior = tfgen.layers.MixturePrior(2, 3)
    model = tfgen.models.VAE(keras.Model([x, c], q), keras.Model([z, c2], p), prior)
    text = summary(model)
    assert "Encoder: q(z|x, c)" in text or "Encoder: q(z|c, x)" in text
    assert "Decoder: p(x|z, c)" in text
    assert "Prior: p(z|c), MixturePrior" in text


# Warnings.


def test_a_dict_of_inputs_brings_no_warning(recwarn):
    x, c = keras.Input([4], name="x"), keras.Input([1], name="c")
    joined = keras.layers.Concatenate()([x, c])
    q = tfgen.layers.MultivariateNormalDiag(2)(keras.layers.Dense(4)(joined))
    z = keras.Input([2], name="z")
    p = tfgen.layers.IndependentBernoulli([4])(keras.layers.Dense(4)(z))
    model = tfgen.models.VAE(keras.Model([x, c], q), keras.Model(z, p))
    model.compile("adam", run_eagerly=True)
    given = {"x": np.zeros([8, 4], "float32"), "c": np.zeros([8, 1], "float32")}
    model.fit(given, validation_data=(given,), verbose=0)
    model.evaluate(given, verbose=0)
    model.predict(given, verbose=0)
    model.encode(given)
    model.log_prob(given, 2, seed=0)
    assert [str(w.message) for w in recwarn] == []
