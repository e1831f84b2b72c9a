"""The models of `saved_models/` are as good as their README says."""

import re

import pytest
import tensorflow as tf


@pytest.mark.slow
def test_models_are_evaluated_and_drawn(run_example, tmp_path):
    printed = run_example(
        "evaluate_saved_models.py",
        f"--output_dir={tmp_path}",
        *("--num_samples=100", "--refinement_steps=100"),
    )
    found = [float(v) for v in re.findall(r"log p\(x\) +(-\d+\.\d+) ±", printed)]
    # By 5,000 samples; 100 samples of a refined posterior are a few tenths lower.
    assert found == pytest.approx([-17.82, -17.13, -14.22], abs=0.5)
    assert "precision 0.76" in printed
    for name in ("vae_digits", "iwae_digits", "conditional_digits", "gan_digits"):
        picture = tf.io.decode_png((tmp_path / f"{name}.png").read_bytes()).numpy()
        assert picture.std() > 50
