"""Arrays on the device, and the order in which `fit` sees them."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfgen.training.residence import Residence, batch_of

COUNT, BATCH_SIZE = 11, 2


def residence(seed):
    x = np.arange(COUNT, dtype="float32")
    return Residence((x, None, None), BATCH_SIZE, seed)


def epochs(rows, elements_an_epoch, count=3):
    """The rows of the first epochs of a dataset of row numbers."""
    elements = [e.numpy() for e in itertools.islice(rows, count * elements_an_epoch)]
    groups = [elements[i * elements_an_epoch :][:elements_an_epoch] for i in range(count)]
    return [np.concatenate(group) for group in groups]


@pytest.mark.parametrize(("batches", "sizes"), [(1, [2] * 5 + [1]), (3, [6, 5]), (9, [11])])
def test_elements_are_so_many_batches_and_an_epochs_last_has_the_rest(batches, sizes):
    rows = residence(0).rows(batches)
    for _ in range(2):
        assert [len(e) for e in itertools.islice(rows, len(sizes))] == sizes
    for epoch in epochs(rows, len(sizes)):
        assert sorted(epoch) == list(range(COUNT))


def test_every_epoch_has_an_order_of_its_own_that_the_seed_repeats():
    first, second, third = epochs(residence(7).rows(3), 2)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)
    assert not np.array_equal(first, np.arange(COUNT))
    np.testing.assert_array_equal(epochs(residence(7).rows(1), 6)[1], second)
    assert not np.array_equal(epochs(residence(8).rows(3), 2)[0], first)


def test_without_a_seed_the_examples_stay_in_order():
    for epoch in epochs(residence(None).rows(2), 3):
        np.testing.assert_array_equal(epoch, np.arange(COUNT))


def test_batches_are_those_of_the_rows():
    held = residence(3)
    for rows, x in zip(
        itertools.islice(held.rows(), 12), itertools.islice(held.batches(), 12), strict=True
    ):
        np.testing.assert_array_equal(x, rows.numpy().astype("float32"))


def test_a_batch_has_x_y_and_weight_and_y_may_be_x():
    x, weight = np.arange(6.0).reshape(3, 2), np.array([1.0, 2.0, 3.0])
    held = Residence((x, x, weight), 2)
    got_x, got_y, got_weight = batch_of(held.data, tf.constant([2, 0]), held.same)
    np.testing.assert_array_equal(got_x, x[[2, 0]])
    np.testing.assert_array_equal(got_y, x[[2, 0]])
    np.testing.assert_array_equal(got_weight, [3.0, 1.0])
    assert got_x.dtype == keras.backend.floatx()


@pytest.mark.parametrize(
    "data",
    [
        ([1.0, 2.0], None, None),
        (np.zeros([3]), np.zeros([4]), None),
    ],
)
def test_what_is_no_array_or_of_two_lengths_is_left_to_keras(data):
    assert not Residence.holds(data)
