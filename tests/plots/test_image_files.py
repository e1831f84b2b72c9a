import numpy as np
import pytest
import tensorflow as tf

from tfgen import plots


def read_png(filepath):
    return tf.io.decode_png(filepath.read_bytes()).numpy()


def test_grid_lays_images_out_row_by_row(tmp_path):
    filepath = tmp_path / "new" / "grid.png"
    images = np.linspace(0, 1, 3)[:, None, None] * np.ones([3, 2, 2])
    plots.save_image_grid(filepath, images, num_columns=2)
    np.testing.assert_array_equal(
        read_png(filepath)[..., 0],
        [
            [0, 0, 128, 128, 128],
            [0, 0, 128, 128, 128],
            [128, 128, 128, 128, 128],
            [255, 255, 128, 0, 0],
            [255, 255, 128, 0, 0],
        ],
    )


def test_grid_keeps_rows_columns_and_colours_apart(tmp_path):
    images = np.random.default_rng(0).random([1, 2, 3, 3])
    plots.save_image_grid(tmp_path / "grid.png", images)
    np.testing.assert_array_equal(read_png(tmp_path / "grid.png"), np.rint(255 * images[0]))


def test_zoom_draws_each_pixel_as_a_square(tmp_path):
    image = np.array([[[0.0, 1.0]]])
    plots.save_image_grid(tmp_path / "grid.png", image, zoom=2)
    np.testing.assert_array_equal(
        read_png(tmp_path / "grid.png")[..., 0], [[0, 0, 255, 255]] * 2
    )


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros([8, 8]), r"received shape \(8, 8\)"),
        (np.zeros([1, 8, 8, 2]), r"received shape \(1, 8, 8, 2\)"),
        (np.zeros([0, 8, 8]), r"received shape \(0, 8, 8, 1\)"),
        (np.full([1, 8, 8], 16.0), "from 16.0 to 16.0"),
        (np.full([1, 8, 8], np.nan), "from nan to nan"),
    ],
)
def test_what_is_no_image_is_refused_and_nothing_written(tmp_path, images, message):
    with pytest.raises(ValueError, match=f"`images` must .*{message}"):
        plots.save_image_grid(tmp_path / "grid.png", images)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["num_columns", "zoom"])
def test_sizes_below_one_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1; received 0"):
        plots.save_image_grid(tmp_path / "grid.png", np.zeros([1, 2, 2]), **{name: 0})


def test_curves_are_drawn_with_their_names(tmp_path):
    filepath = tmp_path / "new" / "curves.svg"
    plots.save_curves(
        filepath, {"a bound": ([0, 1], [2, 3]), "other": ([0], [1])}, "epoch", "nats"
    )
    # matplotlib draws text as paths in SVG and leaves the text itself in comments.
    drawing = filepath.read_text()
    assert all(f"<!-- {text} -->" in drawing for text in ("a bound", "other", "nats"))


def test_no_curves_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`curves` must hold at least one"):
        plots.save_curves(tmp_path / "curves.png", {}, "x", "y")


def test_grid_takes_another_range(tmp_path):
    images = np.array([[[-1.0, 1.0]]])
    plots.save_image_grid(tmp_path / "grid.png", images, value_range=(-1, 1))
    assert read_png(tmp_path / "grid.png")[..., 0].tolist() == [[0, 255]]
