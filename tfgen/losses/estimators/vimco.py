"""VIMCO: the score-function gradient of multi-sample objectives."""

import keras
import tensorflow as tf

from tfgen.losses.estimators.base import Objective
from tfgen.losses.estimators.score_function import ScoreFunction, all_but_one
from tfgen.losses.weights import LogWeights

__all__ = ["VIMCO"]


@keras.saving.register_keras_serializable("tfgen")
class VIMCO(ScoreFunction):
    """VIMCO: the bound, minus what it would be with a neutral value for log w_k.

        signal_k = L(w_1, ..., w_K) - L(w_k replaced by the others' geometric mean)

    Unbiased for every bound and any posterior; K must be at least 2, where it is
    `Reinforce`.

    Source: Mnih, Rezende. Variational inference for Monte Carlo objectives.
    arXiv 1602.06725.
    """

    name = "vimco"
    min_samples = 2

    def signals(self, objective: Objective, terms: LogWeights) -> tf.Tensor:
        """The bound, minus the bound with the others' geometric mean."""
        return objective(terms, None) - objective(_replaced(terms), None)


def _replaced(terms: LogWeights) -> LogWeights:
    """`[K, K, B]`: in column k sample k has the mean of the others' terms."""
    means = [tf.reduce_mean(term, axis=0) for term in all_but_one(terms)]
    own = tf.eye(int(terms.log_posterior.shape[0]), dtype=tf.bool)[:, :, tf.newaxis]
    return LogWeights(
        *(
            tf.where(own, mean[tf.newaxis], term[:, tf.newaxis])
            for term, mean in zip(terms, means, strict=True)
        )
    )
