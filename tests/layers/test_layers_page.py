"""A reader copies the page's code, so it has to run as it stands."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_python_blocks_of_the_page_run_in_order(run_python):
    page = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    assert len(blocks) == 5
    run_python("\n".join(blocks))
