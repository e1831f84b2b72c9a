"""The conditional example as a user runs it, for a moment."""

import re

import numpy as np
import pytest
import tensorflow as tf


@pytest.mark.slow
def test_digits_given_their_class_are_trained_reported_drawn_and_exported(
    run_example, tmp_path
):
    printed = run_example(
        "conditional_vae.py",
        f"--output_dir={tmp_path}/out",
        f"--export_dir={tmp_path}/served",
        *("--epochs=3", "--units=32", "--num_samples=10", "--num_evaluated=40"),
    )
    rows = re.findall(r"^  (log p\(x.*?) +(-\d+\.\d+) ±", printed, re.M)
    assert len(rows) == 3
    told, summed = (float(value) for _, value in rows[1:])
    # log mean_c p(x | c) lies within log 10 of the largest, and log p(x | c) not above it.
    assert told - np.log(10) <= summed
    picture = tf.io.decode_png((tmp_path / "out" / "samples_by_class.png").read_bytes())
    assert picture.shape[0] == 2 * (6 + 10 * (8 * 8 + 6))  # ten rows, and gaps between
    served = tf.saved_model.load(tmp_path / "served" / "1").signatures["sample"]
    inputs = {"seed": tf.constant([1, 2], tf.int64), "c": tf.constant([3, 3], tf.int64)}
    assert served(**inputs)["samples"].shape == (2, 8, 8, 1)
