"""TFP's two tutorials for its layers, in our words, as a user runs them, for a moment."""

import re

import keras
import numpy as np
import pytest

import tfgen  # noqa: F401 - registers the layers that the files name


def log_probs(out):
    rows = re.findall(r"^  (.+?) +(-?[\d.]+) ± ([\d.]+)$", out, re.M)
    return {name: (float(value), float(error)) for name, value, error in rows}


@pytest.mark.slow
def test_a_regression_that_learns_the_noise_is_better_and_none_beats_the_truth(
    run_example, tmp_path
):
    rows = log_probs(
        run_example(
            "probabilistic_regression.py",
            f"--output_dir={tmp_path}",
            "--epochs=20",
            "--num_examples=1500",
        )
    )
    names = ["mean only", "mean and noise", "mixture of 4", "the law of the data"]
    assert list(rows) == names
    values = [rows[name][0] for name in names]
    assert values == sorted(values)
    model = keras.saving.load_model(tmp_path / "mixture.keras", safe_mode=True)
    assert model(np.zeros([5, 1], "float32")).log_prob(np.zeros([5, 1])).shape == (5,)
    assert (tmp_path / "spread.png").stat().st_size > 1000


def elbos(out):
    found = re.findall(r"^  (training|held out) +(-[\d.]+) -> +(-[\d.]+)$", out, re.M)
    return {name: (float(first), float(last)) for name, first, last in found}


@pytest.mark.slow
def test_a_vae_of_plain_layers_raises_its_elbo(run_example, tmp_path):
    found = elbos(
        run_example("vae_of_keras_layers.py", f"--output_dir={tmp_path}", "--epochs=3")
    )
    assert set(found) == {"training", "held out"}
    assert all(first + 2 < last for first, last in found.values())
    model = keras.saving.load_model(tmp_path / "vae.keras", safe_mode=True)
    x = np.zeros([2, 8, 8, 1], "float32")
    assert model(x).log_prob(x).shape == (2,)
    assert (tmp_path / "samples.png").stat().st_size > 1000


@pytest.mark.slow
def test_the_examples_reach_what_they_show(run_example, tmp_path):
    rows = log_probs(run_example("probabilistic_regression.py", f"--output_dir={tmp_path}"))
    best, error = rows["mixture of 4"]
    truth, _ = rows["the law of the data"]
    assert truth - best < 0.1 + 4 * error
    found = elbos(run_example("vae_of_keras_layers.py", f"--output_dir={tmp_path}"))
    assert found["held out"][1] > -21.0
