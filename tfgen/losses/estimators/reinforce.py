"""The score-function gradient with a leave-one-out baseline."""

import keras
import tensorflow as tf

from tfgen.losses.estimators.base import Objective
from tfgen.losses.estimators.score_function import ScoreFunction, all_but_one
from tfgen.losses.weights import LogWeights

__all__ = ["Reinforce"]


@keras.saving.register_keras_serializable("tfgen")
class Reinforce(ScoreFunction):
    """The score-function gradient, with the bound of the other K - 1 samples subtracted.

        signal_k = L(z_1, ..., z_K) - L(all but z_k)

    Unbiased for every bound and any posterior. With K = 1 there are no others, and the
    signal is L itself, whose noise is large.

    Args:
        baseline: whether to subtract the bound of the others; `False` gives
            the plain estimator, to compare with.

    Sources: Williams, 1992, doi 10.1007/BF00992696; leave-one-out: Kool, van Hoof,
    Welling. Buy 4 REINFORCE samples, get a baseline for free. ICLR 2019 workshop.

    >>> Reinforce()
    Reinforce(baseline=True)
    """

    name = "reinforce"

    def __init__(self, baseline: bool = True) -> None:
        if not isinstance(baseline, bool):
            raise TypeError(f"`baseline` must be True or False; received {baseline!r}.")
        self.baseline = baseline

    def signals(self, objective: Objective, terms: LogWeights) -> tf.Tensor:
        """The bound, minus the bound of the others."""
        bound = objective(terms, None)
        if not self.baseline or terms.log_posterior.shape[0] == 1:
            return tf.broadcast_to(bound, tf.shape(terms.log_posterior))
        return bound - objective(all_but_one(terms), None)

    def get_config(self) -> dict[str, bool]:
        """The constructor's arguments."""
        return {"baseline": self.baseline}
