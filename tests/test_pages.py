"""A reader copies the pages' code, so it has to run as it stands."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("layers", 8),
        ("inference", 6),
        ("latents", 3),
        ("discrete", 4),
        ("extending", 6),
        ("gan", 6),
    ],
)
def test_python_blocks_of_a_page_run_in_order(name, count, run_python):
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) == count
    run_python("\n".join(blocks))
