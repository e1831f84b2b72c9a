"""The example runs, and its table has what it says."""

import re

import pytest


@pytest.mark.slow
def test_example_prints_a_row_for_each_inference_and_size(run_example, tmp_path):
    printed = run_example(
        "mean_field_vs_amortized.py",
        "--sizes=200,400",
        "--max_epochs=5",
        "--refine_steps=5",
        f"--output_dir={tmp_path}",
    )
    rows = dict(re.findall(r"(\d+ (?:encoder|mean field))  +([\d,]+) ", printed))
    assert rows["200 encoder"] == rows["400 encoder"]  # the encoder does not grow
    assert rows["200 mean field"] == "3,200"  # 16 numbers an example
    assert rows["400 mean field"] == "6,400"
    encoder, started = (
        float(re.search(rf"200 {name} .*?(-\d+\.\d+)", printed)[1])
        for name in ("encoder", "mean field, from the encoder")
    )
    assert started > encoder  # claim 1b, on the training set
    assert {path.name for path in tmp_path.iterdir()} == {
        "bound_against_time.png",
        "time_against_size.png",
    }
