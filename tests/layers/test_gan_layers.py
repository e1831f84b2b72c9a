"""Layers of a discriminator: augmentation with gradients, and the logit given a class."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgen import layers, models, random

Augmentation = layers.DifferentiableAugmentation
KEYS = random.row_keys(0, 0, tf.range(400))


def images(count=400, channels=2):
    rng = np.random.default_rng(0)
    return rng.random([count, 8, 8, channels], np.float32) + 1.0


def augmented(layer, x, number=0, keys=KEYS):
    with layers.noise_keys(keys[: len(x)], number):
        return layer(x, training=True).numpy()


OFF = {"brightness": 0, "saturation": 0, "contrast": 0, "translation": 0, "cutout": 0}


def test_each_change_is_its_definition():
    x = images()
    centred = x - x.mean((1, 2, 3), keepdims=True)
    out = augmented(Augmentation(**{**OFF, "brightness": 0.5}), x)
    shift = (out - x).mean((1, 2, 3))
    np.testing.assert_allclose(out - x, shift[:, None, None, None] + 0 * x, atol=1e-5)
    # Uniform on (-1/2, 1/2): mean 0, standard deviation 0.289, of 400 rows.
    assert abs(shift.mean()) < 4 * 0.289 / 20
    assert shift.std() == pytest.approx(0.289, rel=0.1)

    out = augmented(Augmentation(**{**OFF, "contrast": 0.5}), x)
    factor = (out - out.mean((1, 2, 3), keepdims=True)) / centred
    np.testing.assert_allclose(factor, factor[:, :1, :1, :1] + 0 * x, atol=1e-2)
    assert 0.5 < factor.min() < 0.6 < 1.4 < factor.max() < 1.5

    out = augmented(Augmentation(**{**OFF, "saturation": 1.0}), x)
    np.testing.assert_allclose(out.mean(-1), x.mean(-1), atol=1e-5)
    factor = (out[..., 0] - out[..., 1]) / (x[..., 0] - x[..., 1])
    assert factor[:, 0, 0].min() < 0.2
    assert factor[:, 0, 0].max() > 1.8

    out = augmented(Augmentation(**{**OFF, "translation": 0.25}), x)
    moves = set()
    for before, after in zip(x, out, strict=True):
        padded = np.pad(before, [(2, 2), (2, 2), (0, 0)])
        found = [
            (i, j)
            for i in range(5)
            for j in range(5)
            if np.allclose(padded[i : i + 8, j : j + 8], after)
        ]
        assert len(found) == 1
        moves |= set(found)
    assert len(moves) == 25  # each of -2, ..., 2 by -2, ..., 2, at odds of 1 in 25

    out = augmented(Augmentation(**{**OFF, "cutout": 0.5}), x)
    hole = out == 0
    assert set(np.unique(out[~hole] - x[~hole])) == {0.0}
    assert hole.sum((1, 2, 3)).max() == 4 * 4 * 2
    assert hole.any(axis=(0, 3)).all()  # it comes to lie everywhere


def test_rows_have_their_own_noise_by_key_and_call_whatever_the_batch_and_compiler():
    layer, x = Augmentation(), images(4)
    out = augmented(layer, x)
    np.testing.assert_allclose(augmented(layer, x[2:], keys=KEYS[2:]), out[2:], atol=1e-5)
    assert np.abs(augmented(layer, x, number=1) - out).max() > 0.1
    same = np.repeat(x[:1], 4, axis=0)
    assert np.ptp(augmented(layer, same), axis=0).max() > 0.1

    @tf.function(jit_compile=True)
    def compiled(x, keys):
        with layers.noise_keys(keys):
            return layer(x, training=True)

    np.testing.assert_allclose(compiled(x, KEYS[:4]), out, atol=1e-5)


def test_gradients_flow_through_all_changes_but_the_hole_and_the_border():
    layer, x = Augmentation(), tf.constant(images(4))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as tape, layers.noise_keys(KEYS[:4]):
            tape.watch(x)
            value = tf.reduce_sum(layer(x, training=True) ** 2)
        slope = tape.gradient(value, x)
        penalty = tf.reduce_sum(slope**2)
    assert 0.3 < np.mean(slope.numpy() != 0) <= 1.0
    assert np.isfinite(outer.gradient(penalty, x)).all()


def test_it_is_the_identity_unless_training_and_needs_no_keys_elsewhere():
    layer, x = Augmentation(seed=1), images(3)
    np.testing.assert_array_equal(layer(x), x)
    first, second = layer(x, training=True), layer(x, training=True)
    assert np.abs(first - second).max() > 0.1
    config = keras.saving.serialize_keras_object(Augmentation(brightness=0.25, seed=1))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == Augmentation.from_config(copy.get_config()).get_config()
    assert copy.brightness == 0.25


def image_gan(**options):
    keras.utils.set_random_seed(0)
    generator = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(16), keras.layers.Reshape([4, 4, 1])]
    )
    discriminator = keras.Sequential(
        [
            keras.Input([4, 4, 1]),
            Augmentation(),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    gan = models.GAN(generator, discriminator, 2)
    gan.compile("sgd", "sgd", gradient_penalty="r1", **options)
    return gan


@pytest.mark.slow
def test_a_gan_trains_through_it_the_same_however_it_is_run(tmp_path):
    x = images(32, 1)[:, :4, :4]
    histories = []
    for options in ({"run_eagerly": True}, {"jit_compile": True, "steps_per_execution": 2}):
        gan = image_gan(**options)
        histories.append(gan.fit(x, batch_size=8, verbose=0, shuffle=False).history)
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-4, err_msg=name)
    gan.save(tmp_path / "gan.keras")
    copy = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_allclose(copy.discriminator(x), gan.discriminator(x), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"brightness": -1.0}, ValueError, "`brightness`"),
        ({"cutout": 1.5}, ValueError, "`cutout`"),
        ({"translation": "1/8"}, TypeError, "`translation`"),
    ],
)
def test_bad_augmentations_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Augmentation(**arguments)


def test_augmentation_takes_images_alone():
    with pytest.raises(ValueError, match="`inputs` must be images of a fixed size"):
        Augmentation()(np.zeros([4, 3], "float32"))


def test_projection_logit_is_its_equation():
    layer = layers.ProjectionLogit(3, embeddings_initializer="glorot_uniform")
    features = np.random.default_rng(0).random([5, 4], np.float32)
    c = np.array([0, 2, 1, 1, 2])
    logits = layer([tf.constant(features), tf.constant(c)])
    embeddings, kernel, bias = layer.get_weights()
    by_hand = np.sum(embeddings[c] * features, 1) + features @ kernel[:, 0] + bias[0]
    np.testing.assert_allclose(logits[:, 0], by_hand, rtol=1e-5)
    column = layer([tf.constant(features), tf.constant(c[:, None])])
    np.testing.assert_allclose(column, logits, rtol=1e-6, atol=1e-6)
    config = keras.saving.serialize_keras_object(layer)
    assert keras.saving.deserialize_keras_object(config).num_classes == 3


@pytest.mark.parametrize(
    ("c", "error", "message"),
    [
        ([0, 3], ValueError, "classes from 0 to 2; received classes from 0 to 3"),
        ([-1, 0], ValueError, "received classes from -1 to 0"),
        ([0.0, 1.0], TypeError, "an integer type; received float32"),
    ],
)
def test_classes_out_of_range_are_refused(c, error, message):
    with pytest.raises(error, match=message):
        layers.ProjectionLogit(3)([tf.ones([2, 4]), tf.constant(c)])


@pytest.mark.slow
def test_a_projection_discriminator_fits_class_wise_gaussians():
    # x = m_c + s_c z against N(-1, 1/2) and N(2, 1): maximum likelihood takes each class's
    # moments. With features x and x^2 the projection holds the log-ratio.
    means, stddevs = np.array([-1.0, 2.0]), np.array([0.5, 1.0])
    z, c = keras.Input([1], name="z"), keras.Input([], dtype="int32", name="c")
    scale = keras.layers.Embedding(2, 1, embeddings_initializer="ones")(c)
    shift = keras.layers.Embedding(2, 1, embeddings_initializer="zeros")(c)
    scaled = keras.layers.Multiply()([z, scale])
    generator = keras.Model([z, c], keras.layers.Add()([scaled, shift]))
    x, c = keras.Input([1], name="x"), keras.Input([], dtype="int32", name="c")
    powers = keras.layers.Concatenate()(
        # A feature that is 1 lets each class have a constant.
        [x, keras.layers.Multiply()([x, x]), keras.layers.Rescaling(0.0, 1.0)(x)]
    )
    discriminator = keras.Model([x, c], layers.ProjectionLogit(2)([powers, c]))
    gan = models.GAN(generator, discriminator, latent_dim=1)
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=8192)
    data = (means[label] + stddevs[label] * rng.standard_normal(8192)).astype("float32")
    gan.compile(
        *[keras.optimizers.Adam(rate, beta_1=0.5) for rate in (2e-2, 5e-2)],
        loss="normalized_maximum_likelihood",
        jit_compile=False,
        discriminator_steps=3,
        generator_ema=0.98,
        steps_per_execution=16,
    )
    gan.fit({"x": data[:, None], "c": label}, batch_size=512, epochs=25, verbose=0)
    for number in range(2):
        given = {"c": np.full([20_000], number)}
        samples = gan.sample(condition=given, seed=0).numpy()
        truth = data[label == number]
        # As in test_gan_conditions: the last steps wander by 0.06 standard deviations.
        assert samples.mean() == pytest.approx(truth.mean(), abs=0.1 * float(truth.std()))
        assert samples.std() == pytest.approx(truth.std(), rel=0.1)
    with pytest.raises(ValueError, match=r"`x\['c'\]` must hold labels from 0 to 1"):
        gan.fit({"x": data[:4, None], "c": np.array([0, 1, 2, 0])}, verbose=0)
