"""The GAN example as a user runs it, for a moment."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.mark.slow
def test_digits_are_trained_drawn_and_exported_so_that_they_can_be_served(
    run_example, tmp_path
):
    out = run_example(
        *("train_gan.py", "--epochs=1", "--dataset=digits"),
        f"--output_dir={tmp_path}/out",
        f"--export_dir={tmp_path}/served",
    )
    assert "digits by maximum_likelihood" in out
    picture = tf.io.decode_png(
        (tmp_path / "out" / "digits" / "maximum_likelihood.png").read_bytes()
    )
    assert picture.shape == (10 * 25 - 1, 10 * 25 - 1, 1)
    assert np.ptp(picture.numpy()) > 20  # after one epoch no more than grey shades
    served = tf.saved_model.load(tmp_path / "served" / "1").signatures["sample"]
    assert served(seed=tf.constant([1, 2], tf.int64))["samples"].shape == (2, 8, 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "reported"),
    [("two_gaussians", "of the data 0, 4.25"), ("ring", "of 8 modes")],
)
def test_toy_data_are_reported_beside_what_would_be_perfect(
    run_example, tmp_path, dataset, reported
):
    losses = ["--loss=maximum_likelihood", "--loss=reverse_kl", "--discriminator_steps=2"]
    out = run_example(
        *("train_gan.py", "--epochs=1", f"--dataset={dataset}", *losses),
        f"--output_dir={tmp_path}/out",
    )
    assert out.count(reported) == 2
    pictures = list((tmp_path / "out" / dataset).glob("*.png"))
    assert len(pictures) == {"two_gaussians": 1, "ring": 2}[dataset]
