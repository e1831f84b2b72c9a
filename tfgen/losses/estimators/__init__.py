"""Gradient estimators: how z is drawn and what is differentiated, never what is estimated.

| estimator | name | posteriors | unbiased for |
|---|---|---|---|
| `Reparameterized` | `"reparameterized"` | reparameterized | every bound |
| `STL` | `"stl"` | reparameterized | the ELBO |
| `DReG` | `"dreg"` | reparameterized | L_K |

One of your own is a subclass of `Estimator`, which a loss takes as an object:
`IWLB(num_samples=5, estimator=MyEstimator())`. Here is one that differentiates the bound
through z alone, as if q were held altogether in log q:

>>> import keras, tensorflow as tf
>>> @keras.saving.register_keras_serializable("docs")
... class Held(Pathwise):
...     name = "held"
...     def hold(self, posterior, draws, weights=None):
...         return draws._replace(log_posterior=tf.stop_gradient(draws.log_posterior))
>>> Held()
Held()
"""

from tfgen.losses.estimators.base import Estimator, Objective, Pathwise
from tfgen.losses.estimators.dreg import DReG
from tfgen.losses.estimators.registry import get_estimator, known_estimators
from tfgen.losses.estimators.reparameterized import Reparameterized
from tfgen.losses.estimators.stl import STL

__all__ = [
    "STL",
    "DReG",
    "Estimator",
    "Objective",
    "Pathwise",
    "Reparameterized",
    "get_estimator",
    "known_estimators",
]
