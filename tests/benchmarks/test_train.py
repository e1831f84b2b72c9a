"""The benchmark of training runs its contenders and prints their table."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def table(*options):
    command = [sys.executable, "-m", "benchmarks.train", "--rounds=1", "--seconds=0.1"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=True
    )
    rows = re.findall(r"^\| ([\w ,]+) \| ([\d,]+) \|", done.stdout, re.M)
    return {name: float(speed.replace(",", "")) for name, speed in rows}, done.stdout


@pytest.mark.slow
def test_table_has_the_limit_and_tells_who_is_missing():
    speeds, printed = table(
        "--contenders=matrix products,PyTorch", f"--torch_python={sys.executable}"
    )
    assert speeds["matrix products"] > 0
    assert "PyTorch" in speeds or "not measured: PyTorch: ModuleNotFound" in printed


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "configuration",
    [
        *("k1", "k5", "k50", "full_covariance", "convolutions", "mean_field", "sample"),
        *("gan", "gan_convolutions"),
    ],
)
def test_every_contender_trains(configuration):
    speeds, printed = table(f"--configuration={configuration}")
    assert 0 < speeds["tfgen"] < speeds.get("matrix products", float("inf"))
    assert not re.search("not measured: (?!JAX|PyTorch)", printed)
