"""Properties that hold for any shape and any number that the dtype can hold."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tfgen
from tests.layers.families import FAMILIES, make
from tfgen import random
from tfgen.losses import GANLoss, get_gan_loss, known_gan_losses

# The same examples in every run, and few of them.
few = hypothesis.settings(
    max_examples=15, derandomize=True, deadline=None, database=None, print_blob=False
)


def matrices(dtype, largest, min_side=1):
    return arrays.arrays(
        dtype,
        arrays.array_shapes(min_dims=2, max_dims=2, min_side=min_side, max_side=4),
        elements=st.floats(-largest, largest, width=8 * np.dtype(dtype).itemsize),
    )


@few
@hypothesis.given(
    seed=st.integers(-(2**63), 2**63 - 1),
    step=st.integers(0, 2**31 - 1),
    rows=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=3),
    shape=st.lists(st.integers(1, 3), max_size=3),
)
def test_noise_is_inside_its_range_for_any_seed_step_row_and_shape(seed, step, rows, shape):
    keys = random.row_keys(seed, step, tf.constant(rows, tf.int64))
    uniform, normal = random.uniform(keys, shape), random.normal(keys, shape)
    assert uniform.shape == normal.shape == (len(rows), *shape)
    assert np.all((uniform.numpy() > 0) & (uniform.numpy() < 1))
    assert np.all(np.abs(normal) < 5.5)  # the quantile of 2^-24 is -5.29


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@few
@hypothesis.given(data=st.data())
def test_bounds_lie_between_the_least_and_the_largest_weight(dtype, data):
    log_weights = data.draw(matrices(dtype, float(np.float32(1e30))))
    low, high = log_weights.min(axis=0), log_weights.max(axis=0)
    slack = 1e-5 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
    k = len(log_weights)
    values = {
        "elbo": tfgen.losses.elbo(log_weights),
        "iwlb": tfgen.losses.iwlb(log_weights),
        **{f"renyi {a}": tfgen.losses.renyi(log_weights, a) for a in (-2.0, 0.5, 3.0)},
    }
    for name, value in values.items():
        assert np.all((value >= low - slack) & (value <= high + slack)), name
    assert np.all(values["iwlb"] >= high - np.log(k) - slack)
    assert np.all(values["iwlb"] >= values["elbo"] - slack)


@pytest.mark.parametrize("name", known_gan_losses())
@few
@hypothesis.given(data=st.data())
def test_gan_losses_are_finite_where_their_exponential_is(name, data):
    loss: GANLoss = get_gan_loss(name)
    # exp(a) and exp(-a) are finite in float32 up to 88.7, their squares to half of it.
    largest = 40.0 if loss.can_overflow else 1e6
    fake = data.draw(matrices("float32", largest)).ravel()
    real = fake[::-1].copy()
    for value in (loss.discriminator(real, fake), loss.generator(fake, real)):
        assert value.shape == ()
        assert np.isfinite(value)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@hypothesis.settings(few, max_examples=3)
@hypothesis.given(data=st.data())
def test_a_distribution_has_a_finite_density_at_its_own_draws(family, data):
    batch = data.draw(st.integers(1, 3))
    params = data.draw(
        arrays.arrays(
            "float32",
            (batch, family.params_size),
            elements=st.floats(-10.0, 10.0, width=32),
        )
    )
    q = make(family).distribution(tf.constant(params))
    keys = random.row_keys(0, 0, tf.range(batch))
    z, log_prob = tfgen.layers.sample_and_log_prob(q, keys, 2)
    assert np.isfinite(z).all()
    assert np.isfinite(log_prob).all()
    assert log_prob.shape == (2, batch)
