"""The site builds without a warning, and its notebooks run."""

import json
import os
import pathlib
import runpy
import subprocess
import sys

import pytest
from docutils.core import publish_doctree

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_notebooks_are_stored_without_outputs():
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            assert not cell.get("outputs"), f"clear the outputs of {path.name}"


DOCSTRING = """A sum, of `term`s, log |S| * 2 and loc_ too:

    z = mu + S eps,

and more.

| name | what |
|---|---|
| `a|b` | a || b |
| `c` | |

[1] Kingma, Welling.
    Auto-encoding variational Bayes.
"""


def test_docstrings_become_restructuredtext_that_says_the_same():
    convert = runpy.run_path(str(ROOT / "docs" / "docstrings.py"))["convert"]
    source = "\n".join(convert(DOCSTRING.splitlines()))
    tree = publish_doctree(source, settings_overrides={"halt_level": 2})  # at a warning
    text, equation, rest, table, reference = tree.children
    assert text.astext() == "A sum, of terms, log |S| * 2 and loc_ too:"
    assert (equation.tagname, equation.astext()) == ("literal_block", "z = mu + S eps,")
    assert rest.astext() == "and more."
    cells = [entry.astext() for entry in table.findall(lambda n: n.tagname == "entry")]
    assert cells == ["name", "what", "a|b", "a || b", "c", ""]
    assert reference.astext() == "[1] Kingma, Welling. Auto-encoding variational Bayes."


@pytest.mark.slow
def test_site_builds_with_executed_notebooks_and_no_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    process = subprocess.run(
        [*command, "-d", tmp_path / "doctrees", ROOT / "docs", tmp_path / "site"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    site = tmp_path / "site"
    for path in NOTEBOOKS:
        page = (site / "notebooks" / f"{path.stem}.html").read_text("utf-8")
        assert "<img" in page, f"{path.name} shows no picture"
        assert "remove-cell" not in page
    assert (site / "_static" / "tex-svg-full.js").is_file()
    assert (site / "api" / "generated" / "tfgen.models.VAE.html").is_file()
