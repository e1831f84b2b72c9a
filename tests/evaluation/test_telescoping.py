"""Telescoping log-ratios of two Gaussians, whose log-ratio is known."""

import keras
import numpy as np
import pytest

from tfgen import evaluation


def linear(count, centre=0.0):
    """Log-ratios of Gaussians of one variance are linear."""
    return keras.Sequential(
        [
            keras.Input([1]),
            keras.layers.Rescaling(1.0, -float(centre)),
            keras.layers.Dense(count),
        ]
    )


def two_gaussians(nats, rows, seed=0):
    """N(d, 1) and N(0, 1), of Kullback-Leibler divergence d^2 / 2."""
    shift = np.sqrt(2 * nats)
    noise = np.random.default_rng(seed).standard_normal([2, rows, 1]).astype("float32")
    return noise[0] + np.float32(shift), noise[1], shift


@pytest.mark.slow
@pytest.mark.parametrize("nats", [1.0, 5.0, 20.0])
def test_gaussians_so_many_nats_apart_are_found_to_be(nats):
    real, generated, shift = two_gaussians(nats, 8192)
    rate = keras.optimizers.schedules.CosineDecay(5e-2, 16 * 30, alpha=0.01)
    ratio = evaluation.telescoping_ratio(
        linear(8, shift / 2),
        real,
        generated,
        keras.optimizers.Adam(rate),
        batch_size=512,
        epochs=30,
    )
    x, _, _ = two_gaussians(nats, 2000, seed=1)
    truth = shift * x[:, 0] - shift**2 / 2
    estimate = ratio.log_ratio(x).numpy()
    # The mean over the data is the divergence itself.
    assert abs(estimate.mean() - truth.mean()) < 1.0
    assert np.mean(np.abs(estimate - truth)) < 1.0
    # Waymark k is N(shift cos(k pi / 16), 1), so a bridge's slope is the step between two.
    means = shift * np.cos(np.arange(9) * np.pi / 16)
    assert ratio.bridges(x).shape == (2000, 8)
    slopes = ratio.network.get_weights()[0][0]
    np.testing.assert_allclose(slopes, means[:-1] - means[1:], atol=0.3)


@pytest.mark.slow
def test_bridges_that_are_too_wide_are_warned_of():
    real, generated, _ = two_gaussians(200.0, 2048)
    adam = keras.optimizers.Adam(0.05)
    with pytest.warns(RuntimeWarning, match=r"Bridge 1 of 2 .* more outputs"):
        evaluation.telescoping_ratio(linear(2), real, generated, adam, epochs=30)


@pytest.mark.parametrize(
    ("network", "rows", "message"),
    [
        (linear(2), 7, "`generated` must have the shape of `real`.*7"),
        (keras.Sequential([keras.Input([1]), keras.layers.Reshape([1, 1])]), 8, "K logits"),
    ],
)
def test_bad_input_is_refused(network, rows, message):
    x = np.zeros([8, 1], "float32")
    with pytest.raises(ValueError, match=message):
        evaluation.telescoping_ratio(network, x, x[:rows])
