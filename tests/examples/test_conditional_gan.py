"""The conditional GAN's example as a user runs it, for a moment."""

import re

import pytest
import tensorflow as tf


@pytest.mark.slow
def test_it_trains_counts_draws_and_exports(run_example, tmp_path):
    out = run_example(
        *("conditional_gan.py", "--epochs=1", "--width=8", "--num_samples=100"),
        *("--augment", f"--output_dir={tmp_path}/out", f"--export_dir={tmp_path}/served"),
    )
    read = float(re.search(r"reads ([\d.]+)% of 100 samples as asked", out)[1])
    real = float(re.search(r"is right on ([\d.]+)%", out)[1])
    assert 0.0 <= read < 90.0 < real  # after one epoch they are no digits
    picture = tf.io.decode_png((tmp_path / "out" / "digits.png").read_bytes())
    assert picture.shape == (10 * 25 - 1, 12 * 25 - 1, 1)
    served = tf.saved_model.load(tmp_path / "served" / "1").signatures["sample"]
    c = tf.constant([1, 2], tf.int32)
    assert served(seed=tf.constant([1, 2], tf.int64), c=c)["samples"].shape == (2, 8, 8, 1)
