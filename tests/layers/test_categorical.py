"""One-hot data: what is let pass and what is not."""

import numpy as np
import pytest

import tfgen


def test_a_row_of_one_1_among_zeros_is_let_pass():
    tfgen.layers.OneHotCategorical(3).check_support(np.eye(3), "x")


# Each adds up to 1, the first with a 0 in it.
@pytest.mark.parametrize("row", [[0.0, 0.3, 0.7], [0.5, 0.25, 0.25], [2.0, -1.0, 0.0]])
def test_a_row_that_only_adds_up_to_1_is_refused(row):
    with pytest.raises(ValueError, match="`x` must be one-hot"):
        tfgen.layers.OneHotCategorical(3).check_support(np.array([row, [1, 0, 0]]), "x")
