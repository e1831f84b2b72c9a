"""The programs that go to a GPU: JAX's own compiler runs them, to the same numbers."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("gpu")
    command = [sys.executable, "-m", "benchmarks.gpu", f"--output_dir={directory}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "--steps=2"], cwd=ROOT, env=environment, check=True)
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "noise", "sample"])
def test_jax_runs_the_programs_to_the_same_numbers(programs, shared_data, name):
    script = shared_data.parent / "gpu" / "run_hlo.py"
    paths = [str(programs / f"{name}.{ending}") for ending in ("hlo", "npz")]
    limits = ["--repeat=1", "--warmup=0", "--tolerance=1e-4"]
    done = subprocess.run(
        [sys.executable, str(script), *paths, *limits], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads(done.stdout.strip().splitlines()[-1])
    assert report["compared"] == report["outputs"] > 0
