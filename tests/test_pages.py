"""A reader copies the pages' code, so it has to run as it stands."""

import pathlib
import re
import runpy

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```", re.M | re.S)
PAGES = {path.stem: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
PAGES = {name: text for name, text in PAGES.items() if "```python" in text}


def test_pages_with_code_are_found():
    assert {"start", "inference", "layers", "extending", "mathematics"} <= set(PAGES)


def test_python_in_markdown_is_in_blocks_that_a_test_runs():
    elsewhere = ["CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md"]
    elsewhere += ["saved_models/README.md"]
    tested = {*(ROOT / "docs").glob("*.md"), ROOT / "README.md"}  # here, test_readme.py
    for path in [*tested, *(ROOT / name for name in elsewhere)]:
        for language, block in FENCE.findall(path.read_text("utf-8")):
            assert language in {"python", "sh", "text", "{include}", "{toctree}"}, path
            assert language != "python" or path in tested, path
            assert language == "python" or "import tfgen" not in block, path
            assert language != "text" or "tfgen." not in block, path


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PAGES))
def test_python_blocks_of_a_page_run_in_order(name, tmp_path, monkeypatch):
    blocks = BLOCK.findall(PAGES[name])
    assert len(blocks) == PAGES[name].count("```python")  # none is indented and skipped
    script = tmp_path / f"{name}.py"  # a file, so that functions have a source to trace
    script.write_text("\n".join(blocks), encoding="utf-8")
    (tmp_path / "saved_models").symlink_to(ROOT / "saved_models")  # read from the root
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))
