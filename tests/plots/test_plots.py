"""The figures' own data: lines, bars, pixels, labels."""

import builtins
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

import tfgen
from tfgen import plots
from tfgen.evaluation import ActiveUnits, Mean

SHAPE = (4, 4)


def make_decoder(latent_dim=2, condition=False):
    """p(x|z, c) = Bernoulli(sigmoid(W z + c)) for every pixel."""
    z = keras.Input([latent_dim], name="z")
    logits = keras.layers.Dense(16, name="dense")(z)
    inputs = z
    if condition:
        c = keras.Input([1], name="c")
        inputs, logits = [z, c], keras.layers.Add()([logits, c])
    return keras.Model(inputs, tfgen.layers.IndependentBernoulli(SHAPE)(logits))


@pytest.fixture(scope="module")
def model():
    return tfgen.models.MeanFieldVAE(3, make_decoder())


@pytest.fixture(scope="module")
def weights(model):
    return model.decoder.get_layer("dense").get_weights()


def pixels(z, weights, shift=0.0):
    kernel, bias = weights
    logits = np.asarray(z, float) @ kernel + bias + shift
    return (1 / (1 + np.exp(-logits))).reshape(*np.shape(z)[:-1], *SHAPE)


def drawn(figure):
    """The images of a figure, in the order of drawing."""
    return np.array([image.get_array() for image in figure.axes[0].images])


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def line(axes, label):
    (found,) = [line for line in axes.lines if line.get_label() == label]
    return list(found.get_xdata()), list(found.get_ydata())


# History.


def make_history(epochs, **logs):
    history = keras.callbacks.History()
    history.epoch, history.history = list(epochs), logs
    return history


def test_history_draws_each_term_over_epochs_counted_from_one():
    history = make_history(
        range(2, 5), loss=[3.0, 2.0, 1.0], val_loss=[4.0, 3.0, 2.5], kl=[1.0, 2.0, 3.0]
    )
    loss, kl = plots.history(history).axes
    assert (loss.get_title(), kl.get_title()) == ("loss", "kl")
    assert line(loss, "training") == ([3, 4, 5], [3.0, 2.0, 1.0])
    assert line(loss, "validation") == ([3, 4, 5], [4.0, 3.0, 2.5])
    assert line(kl, "training") == ([3, 4, 5], [1.0, 2.0, 3.0])
    assert len(kl.lines) == 1
    assert kl.get_ylabel() == "nats an example"


def test_history_ticks_are_whole_epochs():
    (axes,) = plots.history({"loss": [1.0, 0.5]}).axes
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_history_places_validations_at_every_second_epoch():
    logs = {"loss": [5.0, 4.0, 3.0, 2.0, 1.0], "val_loss": [6.0, 4.0]}
    (axes,) = plots.history(logs, validation_freq=2).axes
    assert line(axes, "validation") == ([2, 4], [6.0, 4.0])
    with pytest.raises(ValueError, match=r"`validation_freq` must .* received 1"):
        plots.history(logs)


def test_history_draws_the_terms_that_are_asked_for():
    (axes,) = plots.history({"loss": [1.0], "kl": [2.0]}, terms=["kl"]).axes
    assert axes.get_title() == "kl"


@pytest.mark.parametrize(
    ("history", "terms", "error", "message"),
    [
        ({}, None, ValueError, "at least one epoch"),
        ({"loss": []}, None, ValueError, "at least one epoch"),
        ([1.0], None, TypeError, "received a list"),
        ({"loss": [1.0]}, ["elbo"], ValueError, r"among \['loss'\]; received 'elbo'"),
    ],
)
def test_history_says_what_is_wrong(history, terms, error, message):
    with pytest.raises(error, match=message):
        plots.history(history, terms)


# Grids.


def test_image_grid_brings_the_range_to_grey_and_labels_rows():
    images = np.linspace(-1, 1, 3)[:, None, None] * np.ones([3, 2, 2])
    figure = plots.image_grid(
        images, 2, titles="abc", row_labels=["up", "low"], value_range=(-1, 1)
    )
    np.testing.assert_allclose(drawn(figure)[:, 0, 0], [0, 0.5, 1])
    assert sorted(texts(figure)) == ["a", "b", "c", "low", "up"]
    assert len(figure.axes) == 1


def test_image_grid_places_images_row_by_row_under_their_titles():
    figure = plots.image_grid(np.zeros([3, 2, 2]), 2, titles="abc")
    corner = [image.get_extent()[0::3] for image in figure.axes[0].images]  # left, top
    assert corner[0][1] == corner[1][1] < corner[2][1]
    assert corner[0][0] == corner[2][0] < corner[1][0]
    for image, text in zip(figure.axes[0].images, figure.axes[0].texts, strict=True):
        left, right, _, top = image.get_extent()
        assert text.get_position()[0] == (left + right) / 2
        assert text.get_position()[1] < top


def test_image_grid_draws_a_pixel_as_a_whole_number_of_pixels(tmp_path):
    image = np.random.default_rng(0).integers(0, 2, [1, 8, 8])
    figure = plots.image_grid(image, filepath=tmp_path / "new" / "grid.png")
    png = tf.io.decode_png((tmp_path / "new" / "grid.png").read_bytes()).numpy()
    left, right, bottom, top = (
        2 * int(edge) for edge in figure.axes[0].images[0].get_extent()
    )
    picture = png[top:bottom, left:right, 0]
    zoom = picture.shape[0] // 8
    assert zoom * 8 == picture.shape[0]
    expected = 255 * image[0].repeat(zoom, 0).repeat(zoom, 1)
    np.testing.assert_array_equal(picture, expected)


def texts_overlap(figure):
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    frame = figure.bbox
    for number, box in enumerate(boxes):
        if box.x0 < frame.x0 or box.x1 > frame.x1 or box.y1 > frame.y1 or box.y0 < 0:
            return True
        if any(box.overlaps(other) for other in boxes[:number]):
            return True
    return False


def test_texts_of_a_grid_keep_apart_and_inside():
    figure = plots.image_grid(
        np.zeros([6, 2, 2]),
        3,
        titles=[f"WWW MMM WWW {i}\n= {i}" for i in range(6)],
        row_labels=["WWWWWWWWWWWWWWW", "b"],
        column_labels=["MMMMMMMMMMMMMMMMMM"] * 3,
    )
    assert not texts_overlap(figure)


@pytest.mark.parametrize("name", ["titles", "row_labels", "column_labels"])
def test_a_grid_needs_as_many_texts_as_places(name):
    with pytest.raises(ValueError, match=f"`{name}` must hold one .*; received 1"):
        plots.image_grid(np.zeros([4, 2, 2]), 2, **{name: ["one"]})


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, np.inf), 1, (0, 1, 2)])
def test_value_ranges_are_checked(value_range):
    with pytest.raises(ValueError, match="`value_range` must be two numbers"):
        plots.image_grid(np.zeros([1, 2, 2]), value_range=value_range)


def test_values_outside_of_the_range_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"in \[-1, 1\]; received .* to 16.0. Pass"):
        plots.image_grid(np.full([1, 2, 2], 16.0), value_range=(-1, 1))


def test_reconstructions_stand_below_their_originals():
    x = np.arange(3)[:, None, None] * np.ones([3, 2, 2]) / 4
    figure = plots.reconstructions(x, {"VAE": x + 0.125, "IWAE": x + 2.0}, num_columns=2)
    # Two blocks of three rows, the second filled up with white.
    np.testing.assert_allclose(
        drawn(figure)[:, 0, 0],
        [0, 0.25, 0.125, 0.375, 1, 1, 0.5, 1, 0.625, 1, 1, 1],
    )
    assert texts(figure) == ["original", "VAE", "IWAE"] * 2


def test_reconstructions_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape of `originals`; received \(2, 2, 2\)"):
        plots.reconstructions(np.zeros([3, 2, 2]), np.zeros([2, 2, 2]))


# Latents.

PHI_INVERSE = {1 / 6: -0.9674215661017010, 1 / 2: 0.0, 5 / 6: 0.9674215661017010}


def test_manifold_decodes_the_quantiles_upwards_and_to_the_right(model, weights):
    figure = plots.latent_manifold(model, num_columns=3)
    quantiles = list(PHI_INVERSE.values())
    z = [[(x, y) for x in quantiles] for y in reversed(quantiles)]
    expected = pixels(z, weights).transpose(0, 2, 1, 3).reshape(12, 12)
    np.testing.assert_allclose(drawn(figure)[0], expected, atol=1e-6)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$z_{0}$", "$z_{1}$")
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "−0.97",
        "0.00",
        "0.97",
    ]
    assert axes.get_ylim()[0] < axes.get_ylim()[1]


def test_manifold_of_other_dimensions_with_a_condition():
    decoder = make_decoder(3, condition=True)
    encoder = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(6),
            tfgen.layers.MultivariateNormalDiag(3),
        ]
    )
    vae = tfgen.models.VAE(encoder, decoder)
    vae.build({"x": (None, *SHAPE), "c": (None, 1)})
    figure = plots.latent_manifold(
        vae, 3, dimensions=(2, 0), z=[5.0, 0.5, 5.0], condition={"c": [0.25]}
    )
    q = list(PHI_INVERSE.values())
    z = [[(y, 0.5, x) for x in q] for y in reversed(q)]
    values = pixels(z, decoder.get_layer("dense").get_weights(), shift=0.25)
    expected = values.transpose(0, 2, 1, 3).reshape(12, 12)
    np.testing.assert_allclose(drawn(figure)[0], expected, atol=1e-6)


def test_interpolation_goes_straight_from_start_to_end(model, weights):
    start, end = np.array([[0.0, 1.0], [1.0, 1.0]]), np.array([[2.0, 0.0], [1.0, -1.0]])
    figure = plots.interpolation(model, start, end, num_columns=3)
    z = [
        start[0],
        (start[0] + end[0]) / 2,
        end[0],
        start[1],
        (start[1] + end[1]) / 2,
        end[1],
    ]
    np.testing.assert_allclose(drawn(figure), pixels(z, weights), atol=1e-6)
    assert texts(figure) == ["t = 0", "t = 0.5", "t = 1"]


def test_spherical_interpolation_follows_the_great_circle(model, weights):
    figure = plots.interpolation(model, [2.0, 0.0], [0.0, 2.0], 3, path="spherical")
    z = [[2.0, 0.0], [np.sqrt(2), np.sqrt(2)], [0.0, 2.0]]
    np.testing.assert_allclose(drawn(figure), pixels(z, weights), atol=1e-6)


@pytest.mark.parametrize("end", [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_spherical_interpolation_along_one_line_is_straight(model, weights, end):
    figure = plots.interpolation(model, [0.5, 0.0], end, 3, path="spherical")
    z = [[0.5, 0.0], [0.25 + end[0] / 2, 0.0], end]
    np.testing.assert_allclose(drawn(figure), pixels(z, weights), atol=1e-6)


def test_traversal_changes_one_dimension_a_row(model, weights):
    figure = plots.traversal(model, [0.5, -0.5], values=[-1.0, 2.0])
    z = [[-1.0, -0.5], [2.0, -0.5], [0.5, -1.0], [0.5, 2.0]]
    np.testing.assert_allclose(drawn(figure), pixels(z, weights), atol=1e-6)
    assert sorted(texts(figure)) == ["-1", "2", "z[0]", "z[1]"]


def make_gan():
    z, c = keras.Input([2], name="z"), keras.Input([1], name="c")
    outputs = keras.layers.Add()([keras.layers.Dense(1)(z), c])
    generator = keras.Model([z, c], keras.layers.Reshape([1, 1])(outputs))
    x, c = keras.Input([1, 1], name="x"), keras.Input([1], name="c")
    flat = keras.layers.Concatenate()([keras.layers.Flatten()(x), c])
    return tfgen.models.GAN(
        generator, keras.Model([x, c], keras.layers.Dense(1)(flat)), latent_dim=2
    )


def test_traversal_of_a_conditional_gan_clips_to_the_range():
    gan = make_gan()
    kernel = gan.generator.get_weights()[0][:, 0]
    figure = plots.traversal(
        gan,
        dimensions=[1],
        values=[0.0, 1.0, 1e3],
        condition={"c": [-0.5]},
        value_range=(-3, 3),
    )
    values = np.clip(np.array([0.0, 1.0, 1e3]) * kernel[1] - 0.5, -3, 3)
    np.testing.assert_allclose(drawn(figure)[:, 0, 0], (values + 3) / 6, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: plots.latent_manifold(m, 1), "`num_columns` must be at least 2"),
        (
            lambda m: plots.latent_manifold(m, dimensions=(0, 2)),
            r"`dimensions` must lie in \[0, 2\)",
        ),
        (lambda m: plots.latent_manifold(m, dimensions=(1, 1)), "`dimensions` must differ"),
        (lambda m: plots.latent_manifold(m, z=[0.0] * 3), r"`z` must have shape \[N, 2\]"),
        (
            lambda m: plots.interpolation(m, [0.0], [0.0]),
            r"`start` must have shape \[N, 2\]",
        ),
        (lambda m: plots.interpolation(m, [0, 0], [[0, 0]] * 2), "the same shape"),
        (
            lambda m: plots.interpolation(m, [0, 0], [0, 0], 1),
            "`num_columns` must be at least 2",
        ),
        (lambda m: plots.interpolation(m, [0, 0], [0, 0], path="arc"), "received 'arc'"),
        (lambda m: plots.traversal(m, dimensions=[2]), r"must lie in \[0, 2\)"),
        (lambda m: plots.traversal(m, values=[]), "at least one number"),
    ],
)
def test_pictures_of_latents_say_what_is_wrong(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


def test_a_model_of_no_images_is_refused():
    decoder = keras.Sequential(
        [
            keras.layers.Input([2]),
            keras.layers.Dense(5),
            tfgen.layers.IndependentBernoulli([5]),
        ]
    )
    with pytest.raises(ValueError, match=r"`model` must make images .* makes \[5\]"):
        plots.traversal(tfgen.models.MeanFieldVAE(3, decoder))


def test_scatter_draws_each_label_by_itself():
    z = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]])
    figure = plots.latent_scatter(z, [9, 7, 9], dimensions=(0, 2))
    seven, nine = figure.axes[0].collections
    assert seven.get_offsets().tolist() == [[3.0, 5.0]]
    assert nine.get_offsets().tolist() == [[0.0, 2.0], [6.0, 8.0]]
    assert (seven.get_label(), nine.get_label()) == ("7", "9")


def test_scatter_refuses_labels_of_another_length():
    with pytest.raises(ValueError, match=r"`labels` must have shape \(2,\)"):
        plots.latent_scatter(np.zeros([2, 2]), [1])


# Figures of merit.


def test_bounds_are_means_with_standard_errors_beside_log_p():
    figure = plots.bounds(
        {5: [-2.0, -4.0], 1: [-5.0, -5.0]}, log_prob=np.array([-1.0, -3.0])
    )
    (axes,) = figure.axes
    (container,) = axes.containers
    data, _, (bars,) = container
    assert data.get_xdata().tolist() == [1, 5]
    assert data.get_ydata().tolist() == [-5.0, -3.0]
    # Two values 2 apart: standard deviation sqrt 2, of the mean sqrt 2 / sqrt 2.
    np.testing.assert_allclose(bars.get_segments()[1][:, 1], [-4.0, -2.0])
    assert line(axes, r"$\log p(x)$")[1] == [-2.0, -2.0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "5"]


def test_bounds_of_several_models_take_what_log_likelihood_returns():
    estimate = tfgen.evaluation.LogLikelihood(*[tf.constant([-1.0, -3.0])] * 4)
    figure = plots.bounds(
        {"VAE": {1: [-5.0, -5.0]}, "IWAE": {1: [-4.0, -4.0], 50: [-2.0, -3.0]}}, estimate
    )
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == [r"$\log p(x)$", "VAE", "IWAE"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "at least one K"),
        ({"VAE": {}}, "at least one K"),
        ({0: [1.0, 2.0]}, "an integer of at least 1"),
        ({1: [1.0]}, r"`values\[1\]` must have shape \[B\], B at least 2"),
    ],
)
def test_bounds_say_what_is_wrong(values, message):
    with pytest.raises(ValueError, match=message):
        plots.bounds(values)


GAPS = {
    "approximation_gap": Mean(0.5, 0.1),
    "amortization_gap": Mean(-0.25, 0.2),
    "inference_gap": Mean(0.25, 0.3),
    "elbo": Mean(-9.0, 1.0),
}


def test_gap_bars_have_the_gaps_lengths_and_errors():
    figure = plots.gap_bars({"VAE": GAPS, "IWAE": GAPS})
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [0.5] * 2 + [-0.25] * 2 + [0.25] * 2
    errors = [
        c.errorbar[2][0].get_segments()[0][:, 0].tolist()
        for c in axes.containers
        if hasattr(c, "errorbar")
    ]
    np.testing.assert_allclose(errors, [[0.4, 0.6], [-0.45, -0.05], [-0.05, 0.55]])
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["VAE", "IWAE"]
    assert texts(figure)[0] == "0.500 ± 0.100"


@pytest.mark.parametrize("gaps", [{}, {"elbo": Mean(0, 1)}, {"VAE": {}}])
def test_gap_bars_say_what_is_missing(gaps):
    with pytest.raises(ValueError, match="`gaps` must hold"):
        plots.gap_bars(gaps)


def test_active_units_fall_and_differ_from_inactive_ones():
    variance = np.array([-1e-4, 0.9, 0.005, 0.4])
    figure = plots.active_units(ActiveUnits(2, variance > 0.01, variance))
    (axes,) = figure.axes
    tops = [bar.get_y() + bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(tops[:3], [0.9, 0.4, 0.005])
    assert axes.patches[3].get_height() == 0
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, False, True, True]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "3", "2", "0"]
    assert axes.get_title() == "2 of 4 active"


def test_active_units_of_several_latents_have_a_panel_each():
    variance = np.array([0.5, 0.6])
    units = ActiveUnits(2, variance > 0.01, variance)
    figure = plots.active_units({"y": units, "z": units})
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "dimension of y",
        "dimension of z",
    ]


def test_active_units_by_another_threshold_are_refused():
    variance = np.array([0.5, 0.6])
    with pytest.raises(ValueError, match="`threshold` must be"):
        plots.active_units(ActiveUnits(0, variance > 1.0, variance))


# All of them.


def make_figures(model):
    x = np.zeros([2, *SHAPE])
    variance = np.array([0.5, 0.6])
    return {
        "history": plots.history({"loss": [1.0, 2.0], "val_loss": [2.0, 1.0]}),
        "image_grid": plots.image_grid(x),
        "reconstructions": plots.reconstructions(x, x),
        "latent_manifold": plots.latent_manifold(model, 2),
        "interpolation": plots.interpolation(model, [0, 0], [1, 1], 2),
        "traversal": plots.traversal(model, values=[0.0]),
        "latent_scatter": plots.latent_scatter(np.zeros([2, 2]), ["ab", "cd"]),
        "bounds": plots.bounds({"a": {1: [1.0, 2.0]}, "b": {1: [1.0, 3.0]}}),
        "gap_bars": plots.gap_bars(GAPS),
        "active_units": plots.active_units(ActiveUnits(2, variance > 0.01, variance)),
        "curves": plots.curves({"a": ([0], [1]), "b": ([0], [2])}, "x", "y"),
    }


def test_every_picture_is_a_figure_that_a_notebook_shows(model):
    figures = make_figures(model)
    assert set(figures) | {"save_curves", "save_image_grid"} == set(plots.__all__)
    for name, figure in figures.items():
        assert isinstance(figure, Figure), name
        png = tf.io.decode_png(figure._repr_png_()).numpy()
        assert png.std() > 0, f"{name} is blank"


def test_lines_differ_without_colour():
    lines = (
        plots.curves({f"{i}": ([0, 1], [i, i]) for i in range(6)}, "x", "y").axes[0].lines
    )
    styles = {(str(line._dash_pattern), line.get_marker()) for line in lines}
    assert len(styles) == 6


def test_drawing_leaves_no_figure_with_pyplot(model):
    from matplotlib import pyplot

    make_figures(model)
    assert pyplot.get_fignums() == []


def test_pictures_without_matplotlib_name_the_extra(monkeypatch):
    real_import = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    monkeypatch.delitem(sys.modules, "tfgen.plots.inline_figure", raising=False)
    with pytest.raises(ImportError, match=r"`image_grid` needs .*tfgen\[plots\]"):
        plots.image_grid(np.zeros([1, 2, 2]))
