"""The models of static MNIST in `saved_models/` have the log p(x) they were kept for."""

import pathlib

import keras
import numpy as np
import pytest

import tfgen

MODELS = pathlib.Path(__file__).resolve().parents[2] / "saved_models"
# L_500 of the first 200 test images, seed 0, in nats, as seen when the models were kept.
SEEN = {
    "static_mnist_k1": -99.045,
    "static_mnist_k5": -98.373,
    "static_mnist_k50": -98.401,
    "static_mnist_two_layers_k1": -97.270,
    "static_mnist_two_layers_k50": -96.715,
    "static_mnist_vamp_prior": -94.928,
}


def test_every_model_of_static_mnist_has_its_figure_here():
    assert {path.name for path in MODELS.glob("static_mnist_*")} == set(SEEN)


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEN)
def test_log_prob_of_a_kept_model_is_what_was_seen(name, shared_data):
    path = MODELS / name / f"{name}.keras"
    assert path.stat().st_size < 7 * 2**20
    model = keras.saving.load_model(path)
    x = tfgen.datasets.load_static_mnist(shared_data / "static_mnist.npz")[2][:200]
    value = np.mean(model.log_prob(x.reshape(200, -1), 500, seed=0))
    assert value == pytest.approx(SEEN[name], abs=2e-3)
