"""tfgen: deep generative models on TensorFlow Probability and Keras 3."""

from tfgen import (
    callbacks,
    datasets,
    evaluation,
    layers,
    losses,
    models,
    plots,
    random,
    serving,
    training,
)
from tfgen.version import __version__

__all__ = [
    "__version__",
    "callbacks",
    "datasets",
    "evaluation",
    "layers",
    "losses",
    "models",
    "plots",
    "random",
    "serving",
    "training",
]
