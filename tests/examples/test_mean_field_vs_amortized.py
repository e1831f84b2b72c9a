"""The example runs, and its table has what it says."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_example_prints_a_row_for_each_inference_and_size(tmp_path):
    printed = subprocess.run(
        [
            sys.executable,
            "examples/mean_field_vs_amortized.py",
            "--sizes=300,600",
            "--max_epochs=30",
            "--refine_steps=20",
            f"--output_dir={tmp_path}",
        ],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = dict(re.findall(r"(\d+ (?:encoder|mean field))  +([\d,]+) ", printed))
    assert rows["300 encoder"] == rows["600 encoder"]  # the encoder does not grow
    assert rows["300 mean field"] == "4,800"  # 16 numbers an example
    assert rows["600 mean field"] == "9,600"
    encoder, started = (
        float(re.search(rf"300 {name} .*?(-\d+\.\d+)", printed)[1])
        for name in ("encoder", "mean field, from the encoder")
    )
    assert started > encoder  # claim 1b, on the training set
    assert {path.name for path in tmp_path.iterdir()} == {
        "bound_against_time.png",
        "time_against_size.png",
    }
