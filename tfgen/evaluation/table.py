"""Plain-text tables."""

from collections.abc import Sequence

__all__ = ["format_table"]


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under a header; the first column is left-aligned, the others right-aligned.

    A row that is shorter than the header is padded with empty cells.

    >>> print(format_table(["", "nats"], [["ELBO", "-91.5"], ["log p(x)", "-88.7"]]))
              nats
    ELBO     -91.5
    log p(x) -88.7
    """
    lines = [list(header), *([*row, *[""] * (len(header) - len(row))] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        " ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        ).rstrip()
        for line in lines
    )
