"""`benchmarks.memory` measures what it says: models made, fitted and deleted."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_models_that_were_deleted_leave_little_without_xla():
    command = [sys.executable, "-m", "benchmarks.memory", "--worker=tfgen, without XLA"]
    done = subprocess.run(
        [*command, "--num_models=4"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    sizes = json.loads(done.stdout.strip().splitlines()[-1])
    assert len(sizes) == 4
    assert sizes[0] > 300  # MB: TensorFlow alone
    # 7 MB a model were seen, of 20 models.
    assert (sizes[-1] - sizes[1]) / 2 < 20
