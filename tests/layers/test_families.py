"""One sweep over every distribution layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from families import BY_NAME, FAMILIES, D, make, random_params, reference

import tfgen

tfd = tfp.distributions

every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
REPARAMETERIZED = [
    family
    for family in FAMILIES
    if family.name.startswith("MultivariateNormal")
    or family.name.endswith("Flow")
    or family.name in ("IndependentNormal", "IndependentLogistic")
]


def test_no_layer_is_left_out_of_the_sweep():
    layers = {
        name
        for name in tfgen.layers.__all__
        if isinstance(getattr(tfgen.layers, name), type)
        and issubclass(getattr(tfgen.layers, name), tfgen.layers.DistributionLayer)
    }
    # Called on a distribution, not on parameters: tested in test_autoregressive_flow.py.
    assert layers - {"DistributionLayer", "AutoregressiveTransform"} == set(BY_NAME)


# Against TFP by hand.


@every_family
def test_log_prob_differs_from_tfp_by_hand(family):
    params = random_params(family, [4])
    by_hand = reference(family, params)
    x = tf.cast(by_hand.sample(5, seed=(1, 2)), tf.float32)
    ours = make(family)(params).log_prob(x)
    expected = by_hand.log_prob(tf.cast(x, tf.float64))
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-5)


@every_family
def test_mean_or_spread_differs_from_tfp_by_hand(family):
    if not family.has_mean:
        pytest.skip("TFP's distribution has no mean to compare with")
    params = random_params(family, [4])
    by_hand, ours = reference(family, params), make(family)(params)
    np.testing.assert_allclose(ours.mean(), by_hand.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.stddev(), by_hand.stddev(), rtol=1e-4, atol=1e-6)
