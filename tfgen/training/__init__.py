"""How `fit` runs: many training steps as one XLA program."""

from tfgen.training.call import EvaluateCall, FitCall, PredictCall
from tfgen.training.data_first import data_first
from tfgen.training.fused import FusedModel
from tfgen.training.replicas import global_rows, of_all_replicas
from tfgen.training.warning import TrainingWarning

__all__ = [
    "EvaluateCall",
    "FitCall",
    "FusedModel",
    "PredictCall",
    "TrainingWarning",
    "data_first",
    "global_rows",
    "of_all_replicas",
]
