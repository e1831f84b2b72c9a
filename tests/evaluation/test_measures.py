"""Properties of the measures: finite, in range, unmoved by what can't matter."""

import hypothesis
import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tfgen
from tests.test_numbers import few
from tfgen.evaluation import (
    LogLikelihood,
    active_units,
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from tfgen.evaluation.pareto import pareto_shape, tail_length
from tfgen.models.importance import WeightSums

MEASURES = [frechet_distance, kernel_distance, precision_recall, density_coverage]


@st.composite
def pairs(draw, elements):
    """Two sets of 6 to 9 rows of one size, and an order of each one's rows."""
    features = draw(st.integers(1, 3))
    sizes = [draw(st.integers(6, 9)) for _ in range(2)]
    sets = [
        draw(arrays.arrays(np.float64, (n, features), elements=elements)) for n in sizes
    ]
    orders = [np.array(draw(st.permutations(range(n)))) for n in sizes]
    return *sets, *orders


# Small integers, often equal: their distances are exact, and rounding moves no tie.
WHOLE = pairs(st.integers(-4, 4).map(float))
ANY = pairs(st.floats(-1e50, 1e50))


@pytest.mark.parametrize("measure", MEASURES)
@few
@hypothesis.given(sets=ANY)
def test_measures_are_finite_and_in_their_range(measure, sets):
    real, generated, *_ = sets
    values = measure(real, generated)
    assert np.isfinite(values).all()
    if measure is precision_recall:
        assert 0.0 <= min(values) <= max(values) <= 1.0
    if measure is density_coverage:
        assert values.density >= 0.0
        assert 0.0 <= values.coverage <= 1.0
    if measure is frechet_distance:
        assert values >= -1e-9 * max(np.abs(real).max(), np.abs(generated).max()) ** 2


@pytest.mark.parametrize("measure", MEASURES)
@few
@hypothesis.given(sets=WHOLE)
def test_the_order_of_rows_does_not_matter(measure, sets):
    real, generated, order, other = sets
    moved = measure(real[order], generated[other])
    np.testing.assert_allclose(moved, measure(real, generated), rtol=1e-9, atol=1e-9)


@few
@hypothesis.given(sets=WHOLE, factor=st.integers(2, 1000))
def test_a_common_scale_matters_to_the_frechet_distance_alone(sets, factor):
    real, generated, *_ = sets
    for measure in (precision_recall, density_coverage):
        assert measure(factor * real, factor * generated) == measure(real, generated)
    np.testing.assert_allclose(
        frechet_distance(factor * real, factor * generated) / factor**2,
        frechet_distance(real, generated),
        rtol=1e-9,
        atol=1e-9,
    )


@few
@hypothesis.given(sets=WHOLE)
def test_sets_that_change_places(sets):
    real, generated, *_ = sets
    for distance in (frechet_distance, kernel_distance):
        one, other = distance(real, generated), distance(generated, real)
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    there, back = precision_recall(real, generated), precision_recall(generated, real)
    assert (there.precision, there.recall) == (back.recall, back.precision)


@few
@hypothesis.given(sets=WHOLE)
def test_a_set_is_like_itself(sets):
    x, _, order, _ = sets
    assert abs(frechet_distance(x, x[order])) < 1e-9
    assert precision_recall(x, x[order]) == (1.0, 1.0)
    density, coverage = density_coverage(x, x[order])
    assert density >= 6 / 5  # each ball of 5 neighbours holds its centre, too
    assert coverage == 1.0


@few
@hypothesis.given(sets=WHOLE)
def test_sets_that_are_far_apart_share_nothing(sets):
    real, generated, *_ = sets
    assert precision_recall(real, generated + 1000.0) == (0.0, 0.0)
    assert density_coverage(real, generated + 1000.0) == (0.0, 0.0)


@pytest.mark.parametrize("measure", MEASURES)
def test_features_whose_powers_overflow_are_refused(measure):
    x = np.eye(8)[:, :3]
    with pytest.raises(
        ValueError, match=r"`generated` must lie in .*received 1e\+60.*Divide"
    ):
        measure(x, 1e60 * x)
    with pytest.raises(TypeError, match="`real` must be a matrix of numbers; received"):
        measure(np.full([8, 3], "a"), x)


@st.composite
def log_weights(draw, largest, least_rows=2):
    shape = draw(st.integers(least_rows, 40)), draw(st.integers(1, 3))
    largest = float(np.float32(largest))
    elements = st.floats(-largest, largest, width=32)
    return draw(arrays.arrays(np.float32, shape, elements=elements))


def _estimate(values):
    """What `log_likelihood` makes of log-weights `[K, B]`."""
    keep = tail_length(len(values)) + 1
    sums = WeightSums.of(tf.constant(values, tf.float32), keep)
    return LogLikelihood.of(sums, len(values))


@few
@hypothesis.given(values=log_weights(1e6))
def test_the_effective_sample_size_lies_between_one_and_all(values):
    estimate = _estimate(values)
    size = estimate.effective_sample_size.numpy()
    assert np.all((size >= 1) & (size <= len(values)))
    assert np.isfinite(estimate.log_prob).all()
    assert np.isfinite(estimate.standard_error).all()


@few
@hypothesis.given(values=log_weights(20.0), shift=st.integers(-64, 64))
def test_the_effective_sample_size_depends_on_no_common_factor(values, shift):
    def size(log_weights):
        return _estimate(log_weights).effective_sample_size

    np.testing.assert_allclose(size(values + shift), size(values), rtol=1e-3)
    np.testing.assert_allclose(size(values[::-1]), size(values), rtol=1e-4)
    weights = np.exp(values.astype(np.float64))
    exact = weights.sum(axis=0) ** 2 / (weights**2).sum(axis=0)
    np.testing.assert_allclose(size(values), exact, rtol=1e-3)
    np.testing.assert_allclose(size(np.zeros_like(values)), len(values), rtol=1e-5)


@few
@hypothesis.given(values=log_weights(1e30, least_rows=6), shift=st.integers(-64, 64))
def test_the_shape_of_the_tail_is_a_number_and_depends_on_no_common_factor(values, shift):
    largest = np.sort(values.astype(np.float64), axis=0)[::-1]
    shape = pareto_shape(largest)
    assert not np.isnan(shape).any()
    assert np.all(shape > -np.inf)
    near = np.clip(largest, -50, 50)
    found = pareto_shape(near)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(pareto_shape(near + shift), found, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(pareto_shape(np.zeros_like(near)), 0.0)


@pytest.fixture(scope="module")
def identity():
    """A model whose posterior has mean x and deviation softplus(0)."""
    layers = tfgen.layers
    encoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(4), layers.MultivariateNormalDiag(2)]
    )
    encoder.layers[0].set_weights([np.eye(2, 4), np.zeros(4)])
    decoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(4), layers.IndependentNormal(2)]
    )
    return tfgen.models.VAE(encoder, decoder)


@few
@hypothesis.given(data=st.data())
def test_active_units_are_those_whose_mean_varies(identity, data):
    elements = st.integers(-9, 9).map(float)
    shape = (data.draw(st.integers(2, 5)), 2)
    x = data.draw(arrays.arrays(np.float32, shape, elements=elements))
    order = data.draw(st.permutations(range(len(x))))
    units = active_units(identity, x)
    np.testing.assert_allclose(units.variance, x.var(axis=0, ddof=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(units.is_active, units.variance > 0.01)
    assert units.num_active == units.is_active.sum()
    moved = active_units(identity, x[order])
    np.testing.assert_allclose(moved.variance, units.variance, rtol=1e-5, atol=1e-5)
    scaled = active_units(identity, 3 * x, threshold=0.09)
    np.testing.assert_allclose(scaled.variance, 9 * units.variance, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(scaled.is_active, units.is_active)
