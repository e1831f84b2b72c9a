"""The example runs, and unlabelled images help."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_example_prints_both_accuracies():
    printed = subprocess.run(
        [sys.executable, "examples/semi_supervised.py", "--epochs=40", "--units=128"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "100 labels" in printed
    alone, both = (float(text) for text in re.findall(r"  ([\d.]+)%", printed))
    assert alone > 50  # ten classes
    assert both > alone
