"""tfgen: deep generative models on TensorFlow Probability and Keras 3."""

from tfgen import evaluation, layers, losses, models, random, serving, training
from tfgen.version import __version__

__all__ = [
    "__version__",
    "evaluation",
    "layers",
    "losses",
    "models",
    "random",
    "serving",
    "training",
]
