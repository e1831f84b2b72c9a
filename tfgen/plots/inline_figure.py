"""A matplotlib figure that a notebook shows when a cell returns it."""

import io

from matplotlib.figure import Figure

__all__ = ["InlineFigure"]


class InlineFigure(Figure):
    """A `Figure` that belongs to no window and shows as a PNG in a notebook.

    A notebook shows a plain `Figure` as a picture only once `matplotlib.pyplot` has been
    imported, which keeps every figure in a global list. This one needs no pyplot.
    """

    def _repr_png_(self) -> bytes:
        """The picture, as IPython asks for it."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()
