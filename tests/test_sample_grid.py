"""Grids of samples over a training, against the model's own samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfgen
from tfgen.callbacks import SampleGrid
from tfgen.models import GAN, VAE, MeanFieldVAE

SHAPE = (3, 3)
X = np.random.default_rng(0).integers(0, 2, [8, *SHAPE]).astype("float32")


def make_decoder(shape=SHAPE):
    return keras.Sequential(
        [
            keras.layers.Input([2]),
            keras.layers.Dense(int(np.prod(shape))),
            tfgen.layers.IndependentBernoulli(shape),
        ]
    )


def make_vae():
    keras.utils.set_random_seed(1)
    encoder = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(4),
            tfgen.layers.MultivariateNormalDiag(2),
        ]
    )
    vae = VAE(encoder, make_decoder())
    vae.compile(keras.optimizers.Adam(0.1), "elbo", run_eagerly=True)
    return vae


def fit(model, *callbacks, x=X, **options):
    options = {"epochs": 2, "batch_size": 4, "verbose": 0} | options
    return model.fit(x, callbacks=callbacks, **options)


def pixels(filepath):
    return tf.io.decode_png(filepath.read_bytes()).numpy()[..., 0]


def place(picture, row, column, size=3):
    """One image of a grid of unzoomed images, a pixel between neighbours."""
    start = (size + 1) * np.array([row, column])
    return picture[start[0] : start[0] + size, start[1] : start[1] + size]


def test_grids_are_the_means_of_one_seed_before_and_after_each_epoch(tmp_path):
    vae = make_vae()
    means = [vae.sample_mean(6, seed=5).numpy()]
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: means.append(vae.sample_mean(6, seed=5).numpy())
    )
    grid = SampleGrid(tmp_path / "new", num_samples=6, seed=5, num_columns=3, zoom=1)
    fit(vae, grid, note)
    files = sorted((tmp_path / "new").iterdir())
    assert [file.name for file in files] == [f"epoch_000{n}.png" for n in range(3)]
    for file, mean in zip(files, means, strict=True):
        picture = pixels(file)
        assert picture.shape == (7, 11)
        for number in range(6):
            found = place(picture, *divmod(number, 3))
            np.testing.assert_array_equal(found, np.rint(255 * mean[number]))
    assert abs(means[0] - means[2]).max() > 0.05


def test_training_is_the_same_with_and_without(tmp_path):
    with_grids = make_vae()
    logs = fit(with_grids, SampleGrid(tmp_path)).history
    without = make_vae()  # from the same seeds
    assert logs == fit(without).history
    for a, b in zip(with_grids.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("first", "names"), [(0, ["0000", "0002", "0004"]), (1, ["0002", "0004"])]
)
def test_every_second_epoch_counts_from_the_beginning_of_the_run(tmp_path, first, names):
    fit(make_vae(), SampleGrid(tmp_path, every=2), initial_epoch=first, epochs=5)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"epoch_{name}.png" for name in names
    ]


def test_tensorboard_gets_each_grid_at_its_epoch(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    vae = make_vae()
    fit(vae, SampleGrid(log_dir=tmp_path, num_samples=4, zoom=1))
    events = EventAccumulator(str(tmp_path / "samples"))
    events.Reload()
    tensors = events.Tensors("samples")
    assert [event.step for event in tensors] == [0, 1, 2]
    width, height, png = tensors[-1].tensor_proto.string_val
    assert (int(width), int(height)) == (7, 7)
    picture = tf.io.decode_png(png).numpy()[..., 0]
    expected = np.rint(255 * vae.sample_mean(4, seed=0).numpy()[3])
    np.testing.assert_allclose(place(picture, 1, 1), expected, atol=1)
    assert [path.name for path in tmp_path.iterdir()] == ["samples"]


def test_mean_field_model_is_drawn(tmp_path):
    model = MeanFieldVAE(len(X), make_decoder())
    model.compile("adam", run_eagerly=True)
    grid = SampleGrid(tmp_path, num_samples=1, zoom=2)
    model.fit(np.arange(len(X)), X, verbose=0, callbacks=[grid])
    expected = np.rint(255 * model.sample_mean(1, seed=0).numpy()[0])
    np.testing.assert_array_equal(
        pixels(tmp_path / "epoch_0001.png"), expected.repeat(2, 0).repeat(2, 1)
    )


def test_conditional_gan_is_drawn_a_row_of_the_condition_an_image(tmp_path):
    z, c = keras.Input([2], name="z"), keras.Input([1], name="c")
    hidden = keras.layers.Dense(9)(keras.layers.Concatenate()([z, c]))
    generator = keras.Model([z, c], keras.layers.Reshape(SHAPE)(hidden))
    x, c = keras.Input(SHAPE, name="x"), keras.Input([1], name="c")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(x), c])
    gan = GAN(generator, keras.Model([x, c], keras.layers.Dense(1)(joined)), latent_dim=2)
    gan.compile(run_eagerly=True)
    condition = {"c": np.array([[0.0], [1.0]], "float32")}
    grid = SampleGrid(
        tmp_path, condition=condition, value_range=(-1, 1), num_columns=2, zoom=1
    )
    given = {"x": X, "c": np.ones([8, 1], "float32")}
    with pytest.raises(ValueError, match=r"`condition` of `SampleGrid`.*\['c'\]"):
        fit(gan, SampleGrid(tmp_path), x=given)
    assert int(gan.optimizer.iterations) == 0
    fit(gan, grid, x=given, epochs=1)
    samples = np.clip(gan.sample(seed=0, condition=condition), -1, 1)
    picture = pixels(tmp_path / "epoch_0001.png")
    for number in range(2):
        found = place(picture, 0, number)
        np.testing.assert_array_equal(found, np.rint(255 * (samples[number] + 1) / 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`directory` must be given"),
        ({"directory": "d", "every": 0}, "`every` must be at least 1"),
        ({"directory": "d", "num_samples": 0}, "`num_samples` must be at least 1"),
        ({"directory": "d", "zoom": 0}, "`zoom` must be at least 1"),
        ({"directory": "d", "num_columns": 0}, "`num_columns` must be at least 1"),
        ({"directory": "d", "value_range": (1, 0)}, "`value_range` must be"),
    ],
)
def test_arguments_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        SampleGrid(**options)


def test_samples_that_are_no_images_are_refused_before_the_first_step(tmp_path):
    encoder = keras.Sequential(
        [
            keras.layers.Input([9]),
            keras.layers.Dense(4),
            tfgen.layers.MultivariateNormalDiag(2),
        ]
    )
    vae = VAE(encoder, make_decoder([9]))
    vae.compile("adam", run_eagerly=True)
    before = vae.get_weights()
    with pytest.raises(ValueError, match=r"`samples` must have shape \[N, H, W\]"):
        fit(vae, SampleGrid(tmp_path), x=X.reshape(8, 9))
    np.testing.assert_array_equal(vae.get_weights()[0], before[0])
    assert not list(tmp_path.iterdir())


def test_another_model_is_refused(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse", run_eagerly=True)
    with pytest.raises(TypeError, match="`VAE` or a `GAN`; received a Sequential"):
        model.fit(np.zeros([2, 1]), np.zeros([2, 1]), callbacks=[SampleGrid(tmp_path)])
