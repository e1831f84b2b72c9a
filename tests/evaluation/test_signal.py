"""Signal-to-noise ratios of gradients against their laws in K."""

import numpy as np
import pytest

from tests.linear_gaussian import LinearGaussian
from tfgen.evaluation import gradient_snr
from tfgen.evaluation.signal import _chosen, _ratio
from tfgen.losses.estimators import get_estimator

MODEL = LinearGaussian(event_size=4, latent_size=2, sigma=0.8)
_, X = MODEL.sample(64)
SIZES = (16, 64, 256)


@pytest.mark.slow
def test_encoder_signal_falls_or_rises_with_k_by_estimator(capsys):
    # q is wider than the posterior, so that the weights have the moments the laws need.
    # The least SNR here, 0.2, needs well above 1 / 0.2^2 = 25 replicates.
    vae = MODEL.vae(shift=0.5, stretch=1.3)
    result = gradient_snr(vae, X, SIZES, num_replicates=300, seed=0)
    assert result["reparameterized"]["encoder"].min() ** 2 > 5 / 300

    def slope(estimator, part):
        ratios = result[estimator][part]
        return np.polyfit(np.log(SIZES), np.log(ratios), 1)[0]

    assert abs(slope("reparameterized", "encoder") + 0.5) < 0.15
    assert abs(slope("dreg", "encoder") - 0.5) < 0.15
    assert abs(slope("reparameterized", "decoder") - 0.5) < 0.15
    assert abs(slope("dreg", "decoder") - 0.5) < 0.15
    printed = capsys.readouterr().out
    assert "encoder SNR" in printed
    assert printed.count("dreg") == len(SIZES)


def test_ratio_is_that_of_gradients_whose_law_is_known():
    import tensorflow as tf

    rng = np.random.default_rng(0)
    gradients = rng.normal(size=[4000, 5]) * 2.0 + np.array([1.0, 0, 0, 0, 0])
    mean = gradients.mean(0)
    squares = ((gradients - mean) ** 2).sum(0)
    ratio = _ratio(tf.constant(mean), tf.constant(squares), 4000)
    assert ratio == pytest.approx(1.0 / np.sqrt(5 * 4.0), rel=0.1)


def test_true_posterior_leaves_nothing_but_noise():
    result = gradient_snr(
        MODEL.vae(), X, (4,), ("reparameterized",), num_replicates=20, verbose=False
    )
    assert result["reparameterized"]["encoder"][0] < 0.5


def test_estimators_are_taken_by_name_or_as_objects():
    by_name, by_object = (
        gradient_snr(
            MODEL.vae(0.5, 1.3), X, (4,), [e], num_replicates=20, seed=0, verbose=False
        )
        for e in ("dreg", get_estimator("dreg"))
    )
    assert by_name.keys() == by_object.keys() == {"dreg"}
    assert by_name["dreg"]["encoder"] == pytest.approx(by_object["dreg"]["encoder"])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"num_replicates": 1}, ValueError, r"`num_replicates` must be at least 2"),
        ({"num_samples": (0,)}, ValueError, r"`num_samples` must be at least 1"),
        ({"estimators": ("wimco",)}, ValueError, r"`estimator`.*'wimco'"),
    ],
)
def test_bad_arguments_are_named(arguments, error, match):
    with pytest.raises(error, match=match):
        gradient_snr(MODEL.vae(), X, **arguments)


def test_frozen_encoder_has_no_gradient_to_measure():
    vae = MODEL.vae()
    vae.encoder.trainable = False
    with pytest.raises(ValueError, match=r"`encoder` must have trainable weights"):
        gradient_snr(vae, X)


@pytest.mark.slow
def test_table_of_a_discrete_model_has_every_estimator_that_applies(capsys):
    from tests import binary_latents as truth
    from tests.models.test_discrete import X as IMAGES
    from tests.models.test_discrete import binary_vae

    result = gradient_snr(binary_vae(), IMAGES[:1], (1, 4), num_replicates=2000, seed=0)
    assert list(result) == ["reinforce", "vimco", "ovis", "rws", "enumerate"]
    assert np.isnan(result["vimco"]["encoder"][0])
    assert np.isnan(result["enumerate"]["encoder"][1])
    assert result["enumerate"]["encoder_variance"][0] < 1e-9
    variances = {name: values["encoder_variance"][1] for name, values in result.items()}
    assert variances["vimco"] < variances["reinforce"]
    # The ratio is the exact gradient's norm over the noise: q's logits are a dense layer's
    # bias and, six times, its weights where x is 1.
    exact = np.linalg.norm(truth.bound_gradients(4)[0]) * np.sqrt(1 + truth.X.sum())
    for name in ("reinforce", "vimco", "ovis"):
        expected = exact / np.sqrt(variances[name])
        assert abs(result[name]["encoder"][1] / expected - 1) < 0.15
    table = capsys.readouterr().out
    assert "encoder variance" in table
    assert "nan" not in table


ALL = ["reparameterized", "stl", "dreg", "reinforce", "vimco", "ovis", "rws"]


@pytest.mark.slow
def test_all_estimators_of_a_continuous_model_are_one_call():
    result = gradient_snr(
        MODEL.vae(shift=0.5, stretch=1.3), X, (2,), "all", 20, seed=0, verbose=False
    )
    assert list(result) == ALL


def test_all_estimators_of_a_continuous_model_are_those_that_apply():
    assert [e.name for e in _chosen("all", MODEL.vae().encode(X))] == ALL
    with pytest.raises(ValueError, match=r"`estimators` must be 'all'"):
        gradient_snr(MODEL.vae(), X, (2,), "dreg")
