"""The reparameterization gradient."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.losses.estimators.base import Pathwise
from tfgen.losses.weights import Draws

tfd = tfp.distributions

__all__ = ["Reparameterized"]


@keras.saving.register_keras_serializable("tfgen")
class Reparameterized(Pathwise):
    """The gradient of the bound itself, with z a function of parameters and noise.

    With z = mu + S eps, log w = log p(x, z) - log q(z|x) depends on the parameters of q
    through z and, directly, through log q: both paths are differentiated.

    Source: Kingma, Welling. Auto-encoding variational Bayes. arXiv 1312.6114.
    """

    name = "reparameterized"
    keeps_kl = True

    def hold(
        self,
        posterior: tfd.Distribution,
        draws: Draws,
        weights: tf.Tensor | None = None,
    ) -> Draws:
        """The draws as they are: nothing is held constant."""
        return draws
