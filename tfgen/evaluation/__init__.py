"""How good a model is: its likelihood, its inference, its samples."""

from tfgen.evaluation.annealing import annealed_importance_sampling
from tfgen.evaluation.inference import Mean, inference_gap
from tfgen.evaluation.likelihood import LogLikelihood, bits_per_dimension, log_likelihood
from tfgen.evaluation.sample_coverage import density_coverage, precision_recall
from tfgen.evaluation.sample_distances import (
    ExtrapolatedDistance,
    extrapolated_frechet_distance,
    frechet_distance,
    kernel_distance,
)
from tfgen.evaluation.signal import gradient_snr
from tfgen.evaluation.telescoping import TelescopingRatio, telescoping_ratio
from tfgen.evaluation.unbiased import unbiased_log_likelihood
from tfgen.evaluation.units import ActiveUnits, active_units

__all__ = [
    "ActiveUnits",
    "ExtrapolatedDistance",
    "LogLikelihood",
    "Mean",
    "TelescopingRatio",
    "active_units",
    "annealed_importance_sampling",
    "bits_per_dimension",
    "density_coverage",
    "extrapolated_frechet_distance",
    "frechet_distance",
    "gradient_snr",
    "inference_gap",
    "kernel_distance",
    "log_likelihood",
    "precision_recall",
    "telescoping_ratio",
    "unbiased_log_likelihood",
]
