"""Distributions as configs: a class by itself, not by the name it shares."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfgen
from tfgen.layers.distribution_config import (
    deserialize_distribution,
    serialize_distribution,
)

tfb = tfp.bijectors
tfd = tfp.distributions
tfl = tfgen.layers

PRIORS = [
    tfd.Normal([0.0, 1.0], 2.0),
    tfd.MultivariateNormalTriL([1.0, 2.0], [[1.0, 0.0], [0.5, 2.0]]),
    tfd.Independent(tfd.Bernoulli(logits=[0.5, -1.0], dtype=tf.float32), 1),
    tfd.Sample(tfd.Normal(0.0, 1.0), [2]),
    tfd.TransformedDistribution(tfd.Normal([0.0, 1.0], 1.0), tfb.Shift(3.0)),
    # Of tfgen's own classes, which have the names of TFP's.
    tfl.IndependentBernoulli.new(tf.constant([0.5, -1.0]), 2),
    tfl.IndependentNormal.new(tf.constant([0.5, -1.0, 0.0, 1.0]), 2),
    tfl.MultivariateNormalTriL.new(tf.constant([0.5, -1.0, 0.0, 1.0, 2.0]), 2),
    tfl.MultivariateNormalDiag(2)(tf.zeros([1, 4])),
    tfl.DiscretizedLogistic([3.0, 4.0], 2.0),
]


@pytest.mark.parametrize("prior", PRIORS, ids=lambda prior: prior.name)
def test_the_density_is_that_of_the_distribution_in_the_config(prior):
    packed = json.loads(json.dumps(serialize_distribution(prior)))
    again = deserialize_distribution(packed)
    assert type(again).__name__.lstrip("_") in (
        type(tfl.unwrap(prior)).__name__.lstrip("_"),
        "MultivariateNormalTriL",
    )
    x = prior.sample(seed=(1, 2)) if not isinstance(prior, tfl.TensorDistribution) else 0.5
    x = tf.cast(x + tf.zeros([2]), prior.dtype)
    np.testing.assert_allclose(again.log_prob(x), prior.log_prob(x), rtol=1e-6, atol=1e-6)


class Normal(tfd.Normal):
    """The user's own, by the name of TFP's, and of another density."""

    def _log_prob(self, x):
        return 2.0 * super()._log_prob(x)


class Shift(tfb.Shift):
    """The user's own, by the name of TFP's."""


@pytest.mark.parametrize(
    "prior",
    [
        Normal(0.0, 1.0),
        tfd.Independent(Normal([0.0], 1.0), 1),
        tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), Shift(1.0)),
    ],
    ids=["alone", "inside", "bijector"],
)
def test_a_class_of_the_users_own_is_not_saved_as_tfps(prior):
    with pytest.raises(ValueError, match="must be made of numbers, arrays and classes of"):
        serialize_distribution(prior)


def test_a_class_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"`config` must name a class of TFP.*'Normalish'"):
        deserialize_distribution({"tfd": "Normalish", "parameters": {}})
