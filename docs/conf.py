"""How Sphinx builds the site: `make docs`."""

import importlib.resources
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

DOCS = pathlib.Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

import docstrings  # noqa: E402  # beside this file

import tfgen  # noqa: E402

project = "tfgen"
author = "the tfgen authors"
project_copyright = "2026, the tfgen authors. Apache License 2.0"
version = release = tfgen.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"tfgen {release}"
html_static_path = ["_static"]
html_css_files = ["tfgen.css"]
html_copy_source = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# Pages are Markdown, notebooks are .ipynb without outputs: both are executed afresh.
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("TFGEN_DOCS_NOTEBOOKS", "force")
nb_execution_excludepatterns = ["*.md"]
nb_execution_raise_on_error = True
nb_execution_timeout = 1800  # seconds of wall time: the machine may be busy
nb_merge_streams = True  # lines that are printed one by one are one output
nb_output_stderr = "remove"  # TensorFlow's start-up lines
nb_mime_priority_overrides = [("html", "image/png", 0)]

# MathJax lies beside the pages, so that formulas show without a network.
_mathjax = importlib.resources.files("mathjax") / "static/mathjax/es5/tex-svg-full.js"
html_static_path.append(str(_mathjax))
mathjax_path = "tex-svg-full.js"

# The API reference is made of `__all__` and the docstrings.
autosummary_ignore_module_all = False
autosummary_imported_members = True
autosummary_filename_map = {  # file systems that don't tell upper case from lower
    f"tfgen.losses.{name}": f"tfgen.losses.{name}-function"
    for name in ("elbo", "iwlb", "renyi")
}
autodoc_default_options = {"member-order": "bysource"}
autodoc_typehints = "none"  # the docstrings say types in words
add_module_names = False
default_role = "py:obj"
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Call arguments", "params_style"), ("Source", "notes_style")]


# Links from a page to a file of the repository, as they work on GitHub too.
PAGES = {
    "../benchmarks/RESULTS.md": "results.md",
    "../saved_models/README.md": "served_models.md",
    "../CHANGELOG.md": "changelog.md",
    "../CONTRIBUTING.md": "contributing.md",
}


def link_to_pages(app, name, source):
    """Sphinx's event `source-read`: those files are pages of the site."""
    for path, page in PAGES.items():
        source[0] = source[0].replace(f"]({path}", f"]({page}")


def setup(app):
    """Connects what changes pages and docstrings as they are read."""
    app.connect("source-read", link_to_pages)
    app.connect("autodoc-process-docstring", docstrings.process, priority=100)
    app.connect("autodoc-process-signature", docstrings.sign)
    app.connect("autodoc-skip-member", docstrings.skip)
