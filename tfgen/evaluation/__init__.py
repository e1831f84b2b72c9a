"""How good a model is: its likelihood, its inference, its samples."""

from tfgen.evaluation.likelihood import LogLikelihood, bits_per_dimension, log_likelihood
from tfgen.evaluation.sample_coverage import density_coverage, precision_recall
from tfgen.evaluation.sample_distances import frechet_distance, kernel_distance

__all__ = [
    "LogLikelihood",
    "bits_per_dimension",
    "density_coverage",
    "frechet_distance",
    "kernel_distance",
    "log_likelihood",
    "precision_recall",
]
