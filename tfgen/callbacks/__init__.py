"""Keras callbacks for generative models, and for runs that may be killed."""

from tfgen.callbacks.capacity_warmup import CapacityWarmup
from tfgen.callbacks.collapse_guard import CollapseGuard
from tfgen.callbacks.cyclical_kl import CyclicalKL
from tfgen.callbacks.kl_warmup import KLWarmup
from tfgen.callbacks.latent_units import LatentUnits
from tfgen.callbacks.learning_rates import ForDiscriminator, LearningRates
from tfgen.callbacks.sample_grid import SampleGrid
from tfgen.callbacks.temperature_annealing import TemperatureAnnealing
from tfgen.training.backup import BackupAndRestore

__all__ = [
    "BackupAndRestore",
    "CapacityWarmup",
    "CollapseGuard",
    "CyclicalKL",
    "ForDiscriminator",
    "KLWarmup",
    "LatentUnits",
    "LearningRates",
    "SampleGrid",
    "TemperatureAnnealing",
]
