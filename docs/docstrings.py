"""Turns docstrings, which are written to be read as they stand, into reStructuredText.

- An indented block after a blank line (an equation) becomes a literal block.
- A Markdown table becomes a list table.
- Outside of code, `*`, `|` and a trailing `_` stand for themselves.
"""

import inspect
import re

from sphinx.util.inspect import stringify_signature

__all__ = ["convert", "process", "sign", "skip"]

_CODE = re.compile(r"(``[^`]+``|`[^`]+`)")
_REFERENCE = re.compile(r"\s*\[\d+\] ")


def process(app, what, name, obj, options, lines):
    """Sphinx's event `autodoc-process-docstring`: changes `lines` in place."""
    lines[:] = convert(lines)


def skip(app, what, name, obj, would_skip, options):
    """Sphinx's event `autodoc-skip-member`: leaves out what Keras and TFP document."""
    function = getattr(obj, "fget", None) or getattr(obj, "__func__", obj)
    inherited = not str(getattr(function, "__module__", "")).startswith("tfgen")
    return True if what == "class" and inherited else None


def sign(app, what, name, obj, options, signature, return_annotation):
    """Sphinx's event `autodoc-process-signature`: Keras's `__new__` hides `__init__`'s."""
    if what != "class" or signature != "(*args, **kwargs)":
        return None
    full = inspect.signature(obj.__init__)
    own = full.replace(parameters=list(full.parameters.values())[1:])  # without self
    return stringify_signature(own, show_annotation=False), None


def convert(lines):
    """The lines of a docstring as lines of reStructuredText."""
    result, index = [], 0
    while index < len(lines):
        line = lines[index]
        if line.lstrip().startswith(">>>"):
            end = _end_of(lines, index, lambda text: text.strip())
            result += [*lines[index:end], ""]
        elif _opens_table(lines, index):
            end = _end_of(lines, index, lambda text: text.lstrip().startswith("|"))
            result += _table(lines[index:end])
        elif _opens_block(lines, index):
            depth = _indent(lines[index])
            end = _end_of(lines, index, lambda text, depth=depth: _is_inside(text, depth))
            while not lines[end - 1].strip():
                end -= 1
            outer = " " * _indent_before(lines, index)
            result += [f"{outer}::", "", *lines[index:end], ""]
        elif _REFERENCE.match(line):
            depth = _indent(line) + 1
            end = _end_of(
                lines, index + 1, lambda text, depth=depth: _is_text_at(text, depth)
            )
            text = " ".join(part.strip() for part in lines[index:end])
            result += ["", f"{' ' * _indent(line)}* {_escape(text)}", ""]
        else:
            end = index + 1
            while line.strip() and end < len(lines) and _is_plain(lines, end):
                end += 1
            result += _escape("\n".join(lines[index:end])).split("\n")
        index = end
    return result


def _opens_table(lines, index):
    """Whether this line is a table's head and the next one its rule."""
    rule = lines[index + 1].strip() if index + 1 < len(lines) else ""
    return lines[index].lstrip().startswith("|") and bool(re.fullmatch(r"[|:-]+", rule))


def _opens_block(lines, index):
    """Whether a block starts here that is deeper than the text before a blank line."""
    if index < 2 or not lines[index].strip() or lines[index - 1].strip():
        return False
    return _indent(lines[index]) >= _indent_before(lines, index) + 4


def _indent_before(lines, index):
    """The indentation of the last line of text before."""
    return next((_indent(line) for line in reversed(lines[:index]) if line.strip()), 0)


def _is_inside(text, depth):
    return not text.strip() or _indent(text) >= depth


def _end_of(lines, start, goes_on):
    end = start
    while end < len(lines) and goes_on(lines[end]):
        end += 1
    return end


def _indent(line):
    return len(line) - len(line.lstrip())


def _is_plain(lines, index):
    """Whether a line goes on with the paragraph before it."""
    text = lines[index].strip()
    special = text.startswith((">>>", "|")) or _REFERENCE.match(lines[index])
    return bool(text) and not special


def _is_text_at(text, depth):
    return bool(text.strip()) and _indent(text) >= depth


def _escape(text):
    """Escapes what reStructuredText would read as markup, outside of code."""
    parts = _CODE.split(text)
    for i in range(0, len(parts), 2):
        plain = re.sub(r"(?<!\\)([*|])", r"\\\1", parts[i])
        plain = re.sub(r"(?<=[A-Za-z0-9])_(?![A-Za-z0-9])", r"\\_", plain)
        # Code that a letter follows, as in the plural `Dense`s.
        parts[i] = re.sub(r"^(?=\w)", r"\\ ", plain) if i else plain
    return "".join(parts)


def _table(rows):
    """A Markdown table as a list table."""
    outer = " " * _indent(rows[0])
    rows = [rows[0], *rows[2:]]  # without the rule below the head
    cells = [re.split(r"(?<=\s)\|(?=\s)", row.strip()[1:-1] + " ") for row in rows]
    width = max(map(len, cells))
    cells = [[cell.strip() for cell in row] + [""] * (width - len(row)) for row in cells]
    result = [f"{outer}.. list-table::", f"{outer}   :header-rows: 1", ""]
    for row in cells:
        for i, cell in enumerate(row):
            bullet = "*" if i == 0 else " "
            result.append(f"{outer}   {bullet} - {_escape(cell)}".rstrip())
    return [*result, ""]
