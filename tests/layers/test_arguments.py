"""What constructors accept, at the edges of what they say."""

import numpy as np
import pytest

from tfgen.layers.arguments import check_whole, number_at_least, number_between


def test_whole_numbers_at_both_ends_of_the_range_are_let_pass():
    check_whole(np.array([2, 3, 4]), "x", "a family", 2, 4)
    check_whole(np.array([2.0]), "x", "a family", 2)


@pytest.mark.parametrize("values", [[1, 4], [2, 5], [2.5, 3.0]])
def test_what_is_outside_or_between_whole_numbers_is_refused(values):
    with pytest.raises(ValueError, match="`x` must hold whole numbers from 2 to 4"):
        check_whole(np.array(values), "x", "a family", 2, 4)


def test_numbers_at_the_ends_of_their_range_are_let_pass():
    assert number_at_least(0.5, 0.5, "a") == 0.5
    assert [number_between(v, 0.0, 1.0, "a") for v in (0, 1)] == [0.0, 1.0]
