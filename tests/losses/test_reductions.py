"""Reductions of log-weights that are far apart, against the limit written out."""

import numpy as np
import pytest
import tensorflow as tf

import tfgen


# log((1 + e^(200 (1 - alpha))) / 2) / (1 - alpha), of which one term is all.
@pytest.mark.parametrize(
    ("alpha", "expected"), [(3.0, np.log(2) / 2), (0.5, 200 - 2 * np.log(2))]
)
def test_renyi_takes_the_weight_that_its_order_makes_largest(alpha, expected):
    log_weights = tf.constant([[0.0], [200.0]])
    value = tfgen.losses.renyi(log_weights, alpha)
    np.testing.assert_allclose(value, [expected], rtol=1e-6)
