"""Reweighted wake-sleep: the posterior has an objective of its own."""

import keras
import tensorflow as tf

from tfgen.losses.estimators.base import Objective
from tfgen.losses.estimators.score_function import ScoreFunction
from tfgen.losses.weights import LogWeights

__all__ = ["RWS"]


@keras.saving.register_keras_serializable("tfgen")
class RWS(ScoreFunction):
    """Reweighted wake-sleep: decoder and prior by L_K, the encoder by wake-phase updates.

    With v_k the normalised weights, decoder and prior get sum_k v_k grad log p(x, z_k), the
    gradient of L_K; the encoder gets

        sum_k v_k grad log q(z_k|x),

    which lowers KL(p(z|x) || q(z|x)), its wake phase (there is no sleep phase, which would
    draw x from the model). So the encoder's gradient is not one of L_K; its own
    objective is estimated with a bias that vanishes as K grows. K must be at least 2.

    Source: Bornschein, Bengio. Reweighted wake-sleep. arXiv 1406.2751.
    """

    name = "rws"
    min_samples = 2
    keeps_kl = False

    def signals(self, objective: Objective, terms: LogWeights) -> tf.Tensor:
        """2 v_k: the gradient of the bound itself contributes -v_k."""
        return 2.0 * tf.nn.softmax(terms.total, axis=0)
