"""tfgen: deep generative models on TensorFlow Probability and Keras 3."""

from tfgen import (
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
