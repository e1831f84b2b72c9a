"""The example runs, and unlabelled images help."""

import re

import pytest


@pytest.mark.slow
def test_example_prints_both_accuracies(run_example):
    printed = run_example("semi_supervised.py", "--epochs=40", "--units=128")
    assert "100 labels" in printed
    alone, both = (float(text) for text in re.findall(r"  ([\d.]+)%", printed))
    assert alone > 50  # ten classes
    assert both > alone
