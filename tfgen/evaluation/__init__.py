"""`tfgen.evaluation`."""

from tfgen.evaluation.sample_coverage import density_coverage, precision_recall
from tfgen.evaluation.sample_distances import frechet_distance, kernel_distance

__all__ = [
    "density_coverage",
    "frechet_distance",
    "kernel_distance",
    "precision_recall",
]
