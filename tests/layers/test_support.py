"""Every value of a discrete distribution, once each: their probabilities add up to 1."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.support import all_values, num_values

tfd = tfp.distributions

LOGITS = np.random.default_rng(0).normal(size=[4, 3]).astype("float32")
DISTRIBUTIONS = {
    "bernoulli": tfd.Bernoulli(logits=LOGITS[0, 0]),
    "bernoullis": tfd.Independent(tfd.Bernoulli(logits=LOGITS[0]), 1),
    "grid of bernoullis": tfd.Independent(tfd.Bernoulli(logits=LOGITS[:2]), 2),
    "categorical": tfd.Categorical(logits=LOGITS[0]),
    "categoricals": tfd.Independent(tfd.Categorical(logits=LOGITS), 1),
    "one-hot": tfd.OneHotCategorical(logits=LOGITS[0]),
    "several one-hot": tfd.Independent(tfd.OneHotCategorical(logits=LOGITS), 1),
    "sample": tfd.Sample(tfd.Categorical(logits=LOGITS[0]), [2]),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_values_are_all_different_and_have_probability_one_together(name):
    distribution = DISTRIBUTIONS[name]
    values = all_values(distribution)
    assert len(values) == num_values(distribution)
    assert len(np.unique(values.numpy().reshape(len(values), -1), axis=0)) == len(values)
    total = tf.reduce_sum(tf.exp(distribution.log_prob(values)))
    np.testing.assert_allclose(total, 1.0, rtol=1e-5)


def test_values_are_in_the_order_of_counting():
    values = all_values(DISTRIBUTIONS["categoricals"])
    expected = list(itertools.product(range(3), repeat=4))
    np.testing.assert_array_equal(values, expected)


def test_a_continuous_distribution_is_refused():
    assert num_values(tfd.Normal(0.0, 1.0)) is None
    with pytest.raises(ValueError, match="made of Bernoullis or categoricals") as error:
        all_values(tfd.Normal(0.0, 1.0))
    assert "Normal" in str(error.value)
