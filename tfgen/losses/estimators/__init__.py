"""Gradient estimators: how z is drawn and what is differentiated, never what is estimated.

| estimator | name | posteriors | unbiased for |
|---|---|---|---|
| `Reparameterized` | `"reparameterized"` | reparameterized | every bound |
| `STL` | `"stl"` | reparameterized | the ELBO |
| `DReG` | `"dreg"` | reparameterized | L_K |
| `Reinforce` | `"reinforce"` | any | every bound |
| `VIMCO` | `"vimco"` | any | every bound, K at least 2 |
| `OVIS` | `"ovis"` | any | L_K, K at least 2 |
| `RWS` | `"rws"` | any | L_K in the decoder; the encoder has its own objective |
| `Enumerate` | `"enumerate"` | of at most 4096 values | the ELBO, without noise |
| `ByFactor` | a dict, by latent | over several latents | what its parts are |

To write another estimator, subclass `Estimator` and pass an object to a loss:
`IWLB(num_samples=5, estimator=MyEstimator())`. Here is one that differentiates the bound
through z alone, with all of log q held constant:

>>> import keras, tensorflow as tf
>>> @keras.saving.register_keras_serializable("docs")
... class Held(Pathwise):
...     name = "held"
...     def hold(self, posterior, draws, weights=None):
...         return draws._replace(log_posterior=tf.stop_gradient(draws.log_posterior))
>>> Held()
Held()
"""

from tfgen.losses.estimators.base import (
    Estimator,
    Objective,
    Pathwise,
    is_pathwise,
)
from tfgen.losses.estimators.by_factor import ByFactor
from tfgen.losses.estimators.dreg import DReG
from tfgen.losses.estimators.enumeration import Enumerate
from tfgen.losses.estimators.ovis import OVIS
from tfgen.losses.estimators.registry import get_estimator, known_estimators
from tfgen.losses.estimators.reinforce import Reinforce
from tfgen.losses.estimators.reparameterized import Reparameterized
from tfgen.losses.estimators.rws import RWS
from tfgen.losses.estimators.score_function import ScoreFunction
from tfgen.losses.estimators.stl import STL
from tfgen.losses.estimators.vimco import VIMCO

__all__ = [
    "OVIS",
    "RWS",
    "STL",
    "VIMCO",
    "ByFactor",
    "DReG",
    "Enumerate",
    "Estimator",
    "Objective",
    "Pathwise",
    "Reinforce",
    "Reparameterized",
    "ScoreFunction",
    "get_estimator",
    "is_pathwise",
    "known_estimators",
]
