"""What a user installs is the wheel, so the wheel is what has to work."""

import pathlib
import shutil
import subprocess
import sys

import pytest

import tfgen

ROOT = pathlib.Path(tfgen.__file__).parent.parent

IMPORT_FROM_ELSEWHERE = """
import pathlib, sys
site = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(site))
import tfgen
from importlib import metadata
assert pathlib.Path(tfgen.__file__).parent == site / "tfgen", tfgen.__file__
assert (site / "tfgen" / "py.typed").is_file()
print(metadata.version("tfgen"), tfgen.__version__)
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The source archive of this tree, and the wheel built from that archive."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "tfgen", source / "tfgen", ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-m", "build", "--no-isolation", f"--outdir={out}"]
    process = subprocess.run(
        [*command, str(source)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return out


def test_wheel_works_from_another_directory(distributions, tmp_path, run_python):
    (wheel,) = distributions.glob("*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    subprocess.run([*install, "--quiet", f"--target={site}", str(wheel)], check=True)
    assert run_python(IMPORT_FROM_ELSEWHERE, site).split() == [tfgen.__version__] * 2


def test_wheel_holds_every_module_and_nothing_else(distributions, tmp_path):
    (wheel,) = distributions.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path, "zip")
    names = lambda root: {str(path.relative_to(root)) for path in root.rglob("*.py")}
    assert names(tmp_path / "tfgen") == names(ROOT / "tfgen")
    assert {path.name for path in tmp_path.iterdir()} == {
        "tfgen",
        f"tfgen-{tfgen.__version__}.dist-info",
    }
