"""Pictures: grids of images, curves, latents, and measurements.

Each function returns a `matplotlib.figure.Figure`, which a notebook shows when it is
the last line of a cell, and saves it to `filepath` if that is given. Lines and bars differ
by dashes, markers and hatches as well as by colour, so they can be told apart in grey.
`save_image_grid` alone needs no matplotlib: `pip install tfgen[plots]`.
"""

from tfgen.plots.bound_curves import bounds
from tfgen.plots.gaps import gap_bars
from tfgen.plots.grids import image_grid
from tfgen.plots.image_files import save_image_grid
from tfgen.plots.interpolations import interpolation
from tfgen.plots.line_plots import curves, save_curves
from tfgen.plots.manifold import latent_manifold
from tfgen.plots.reconstruction_pairs import reconstructions
from tfgen.plots.scatter import latent_scatter
from tfgen.plots.training_curves import history
from tfgen.plots.traversals import traversal
from tfgen.plots.units import active_units

__all__ = [
    "active_units",
    "bounds",
    "curves",
    "gap_bars",
    "history",
    "image_grid",
    "interpolation",
    "latent_manifold",
    "latent_scatter",
    "reconstructions",
    "save_curves",
    "save_image_grid",
    "traversal",
]
