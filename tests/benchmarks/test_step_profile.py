"""The profile of a training step finds the step's products and its other kernels."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_product_of_a_dense_vae_is_found_and_the_kinds_add_up():
    command = [sys.executable, "-m", "benchmarks.step_profile", "--configuration=units"]
    done = subprocess.run(
        [*command, "--epochs=1", "--kernels=3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = re.findall(r"^\| ([^|]+(?:\|[^|]+)?) \| (\d+) \| ([\d,]+) \|", done.stdout, re.M)
    counts = {kind: int(count) for kind, count, _ in rows}
    times = {kind: int(time.replace(",", "")) for kind, _, time in rows}
    # Six layers, each with a product in the forward pass, one for the gradient of its
    # weights and, but for the first, one for that of its input.
    assert counts.pop("matrix products") == 3 * 6 - 1
    assert {"optimizer", "log p(x|z) and its gradient", "activations"} < counts.keys()
    total = times.pop("all")
    assert abs(sum(times.values()) - total) <= len(times)  # rounding
    assert len(re.findall(r" us  ", done.stdout)) == 3
