"""A reader copies the README's code, so it has to run as it stands."""

import pathlib
import re

import tfgen

README = pathlib.Path(tfgen.__file__).parent.parent / "README.md"


def test_python_blocks_of_the_readme_run_in_order(run_python):
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S)
    assert blocks
    run_python("\n".join(blocks))
