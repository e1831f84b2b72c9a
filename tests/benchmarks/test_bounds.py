"""The benchmark of the bounds fills a row for each."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.long
def test_rows_are_of_models_that_learned(shared_data):
    command = [sys.executable, "-m", "benchmarks.bounds", "--minutes=0.2"]
    rows = ["--bound=iwlb_dreg", "--bound=mmd"]
    options = [
        "--test_samples=50",
        "--num_test=100",
        f"--data={shared_data}/static_mnist.npz",
    ]
    printed = subprocess.run(
        [*command, *rows, *options], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    found = re.findall(
        r"\| `(\w+)\(.*` \| (-[\d.]+) ± [\d.]+ \| (\d+) \| ([\d,]+) \|", printed
    )
    assert [name for name, *_ in found] == ["IWLB", "ELBO"]
    for _, log_prob, active, speed in found:
        assert -300 < float(log_prob) < -85  # 543 nats is a coin for each pixel
        assert 0 < int(active) <= 50
        assert float(speed.replace(",", "")) > 0
