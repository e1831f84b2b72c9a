"""OVIS: control variates that keep the gradient's signal as K grows."""

import math
import numbers

import keras
import tensorflow as tf

from tfgen.losses.estimators.base import Objective
from tfgen.losses.estimators.score_function import ScoreFunction, all_but_one
from tfgen.losses.weights import LogWeights

__all__ = ["OVIS"]


@keras.saving.register_keras_serializable("tfgen")
class OVIS(ScoreFunction):
    """OVIS~, the asymptotic form: the signal-to-noise ratio of the gradient rises with K.

    With v_k the normalised weights and Z_-k the mean weight of the others, log q(z_k|x)
    is multiplied by

        d_k - c_k = (log Z - v_k) - (log Z_-k - gamma v_k + (1 - gamma) log(1 - 1/K)).

    With gamma = 0, the choice for few effective samples, that is -log(1 - v_k) - v_k, and
    the gradient of L_K is unbiased. With gamma > 0 the control variate contains v_k, and
    the gradient is biased. For the importance-weighted bound only, with K at least 2.

    Args:
        gamma: in [0, 1]; 1 is the choice for many effective samples.

    Raises:
        TypeError: if `gamma` is no number.
        ValueError: if it is not in [0, 1].

    Source: Liévin, Dittadi, Christensen, Winther. Optimal variance control of the
    score-function gradient estimator for importance-weighted bounds. arXiv 2008.01998,
    equation 17.

    >>> OVIS()
    OVIS(gamma=0.0)
    """

    name = "ovis"
    min_samples = 2
    keeps_kl = False

    def __init__(self, gamma: float = 0.0) -> None:
        if isinstance(gamma, bool) or not isinstance(gamma, numbers.Real):
            raise TypeError(f"`gamma` must be a number; received {gamma!r}.")
        if not 0 <= gamma <= 1:
            raise ValueError(f"`gamma` must be in [0, 1]; received {gamma!r}.")
        self.gamma = float(gamma)

    def signals(self, objective: Objective, terms: LogWeights) -> tf.Tensor:
        """d_k - c_k + v_k: the gradient of the bound itself contributes -v_k."""
        count = int(terms.log_posterior.shape[0])
        gain = objective(terms, None) - objective(all_but_one(terms), None)
        weights = tf.nn.softmax(terms.total, axis=0)
        large = (1.0 - self.gamma) * math.log1p(-1.0 / count)
        return gain - large + self.gamma * weights

    def get_config(self) -> dict[str, float]:
        """The constructor's arguments."""
        return {"gamma": self.gamma}
