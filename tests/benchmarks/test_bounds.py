"""The benchmark of the bounds fills a row for each, once."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.long
def test_rows_are_of_models_that_learned_and_are_made_once(shared_data, tmp_path):
    command = [sys.executable, "-m", "benchmarks.bounds", "--cpu_minutes=0.2"]
    rows = ["--bound=iwlb", "--bound=mmd"]
    options = [
        "--test_samples=50",
        "--num_test=100",
        f"--data={shared_data}/static_mnist.npz",
        f"--results={tmp_path}/rows.json",
    ]

    def run(*more):
        process = [*command, *rows, *options, *more]
        return subprocess.run(process, cwd=ROOT, capture_output=True, text=True)

    printed = run().stdout
    found = re.findall(
        r"\| `(\w+)\(.*` \| (-[\d.]+) ± [\d.]+ \| (\d+) \| ([\d,]+) \|", printed
    )
    assert [name for name, *_ in found] == ["IWLB", "ELBO"]
    for _, log_prob, active, speed in found:
        assert -300 < float(log_prob) < -85  # 543 nats is a coin for each pixel
        assert 0 < int(active) <= 50
        assert float(speed.replace(",", "")) > 0
    written = (tmp_path / "rows.json").stat().st_mtime_ns
    assert run().stdout == printed  # to the last digit of the speed: nothing is trained
    assert (tmp_path / "rows.json").stat().st_mtime_ns == written
    assert "`results`" in run("--num_test=90").stderr
