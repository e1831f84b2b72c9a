"""Stops `fit` at a loss that is not finite, says why, and keeps the last good weights."""

import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen.losses import LogWeights

__all__ = ["LossGuard", "LossWatch"]

# Seconds from which, within an epoch, the weights are copied again.
_COPY_SECONDS = 30.0

_TERMS = {
    "log p(x|z), the reconstruction": (
        "x may lie outside of the likelihood's support (arrays are checked before the "
        "first step, a dataset is not), or the decoder's scale ran to 0: bound it from "
        "below."
    ),
    "log p(z), the prior": (
        "z ran off to where the prior has no mass, or the prior's own parameters did: "
        "lower their learning rate."
    ),
    "log q(z|x), the posterior": (
        "its scale ran to 0 or to infinity: bound it, or begin with a smaller weight of "
        "the KL, `tfgen.callbacks.KLWarmup`."
    ),
}


class LossWatch(keras.metrics.Metric):
    """Which step of an epoch was the first whose loss is not finite, and by which terms.

    It costs a few scalars a step. It is no metric to be logged, but it is kept as one: its
    variables are reset at an epoch's begin and summed over replicas.
    """

    def __init__(self) -> None:
        super().__init__(name="loss_watch")
        self._good_steps = self.add_variable((), "zeros", name="good_steps")
        self._bad = self.add_variable((1 + len(_TERMS),), "zeros", name="bad")

    def update_state(self, loss: tf.Tensor, terms: LogWeights) -> None:
        """Takes in a step: its loss, and the three terms of its log-weights `[K, B]`."""
        values = (loss, *terms)
        finite = [tf.reduce_all(tf.math.is_finite(value)) for value in values]
        none_before = tf.cast(tf.reduce_all(self._bad.value == 0.0), tf.float32)
        good = tf.cast(finite[0], tf.float32)
        self._good_steps.assign_add(none_before * good)
        bad = 1.0 - tf.cast(tf.stack(finite), tf.float32)
        self._bad.assign_add(none_before * (1.0 - good) * bad)

    def result(self) -> tf.Tensor:
        """The number of steps before the first bad one."""
        return self._good_steps.value

    def first_bad(self, num_replicas: int) -> tuple[int, list[str]]:
        """The number, from 1, of the first bad step, and the terms that were not finite."""
        bad = keras.ops.convert_to_numpy(self._bad)[1:] > 0
        step = int(keras.ops.convert_to_numpy(self._good_steps)) // num_replicas + 1
        return step, [name for name, is_bad in zip(_TERMS, bad, strict=True) if is_bad]


class LossGuard(keras.callbacks.Callback):
    """Ends `fit` with a `FloatingPointError` where a loss is not finite.

    Weights and the optimizer's state go back to the last copy of finite ones: of the last
    epoch's end, or of later in a long epoch. `VAE.fit` adds one by itself.

    Args:
        watch: what the model's steps tell.
    """

    def __init__(self, watch: LossWatch) -> None:
        super().__init__()
        self._watch = watch

    def on_train_begin(self, logs: Any = None) -> None:
        """Copies the weights that `fit` begins with."""
        self._copy: list[tuple[keras.Variable, tf.Tensor]] = []
        self._kept = "`fit` began with weights that are not finite: set others."
        self._copy_weights("before `fit`")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the epoch, for the report."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops `fit` where a loss was not finite."""
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if not np.isfinite(loss):
            self._stop(float(loss))
        if time.monotonic() - self._copied > _COPY_SECONDS:
            self._copy_weights(f"of step {batch + 1} of epoch {self._epoch + 1}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Copies the weights."""
        self._copy_weights(f"of the end of epoch {epoch + 1}")

    def on_train_end(self, logs: Any = None) -> None:
        """Forgets the copy."""
        self._copy = []

    def _copy_weights(self, when: str) -> None:
        self._copied = time.monotonic()
        variables = [*self.model.weights, *self.model.optimizer.variables]
        values, finite = _read([variable.value for variable in variables])
        if finite:
            self._copy = list(zip(variables, values, strict=True))
            self._kept = f"The model has its last good weights, {when}."

    def _stop(self, loss: float) -> None:
        for variable, value in self._copy:
            variable.assign(value)
        replicas = self.model.distribute_strategy.num_replicas_in_sync
        step, terms = self._watch.first_bad(replicas)
        raise FloatingPointError(
            f"`loss` is {loss} at step {step} of epoch {self._epoch + 1}: {_cause(terms)} "
            f"Lower the learning rate or set the optimizer's `clipnorm`. {self._kept}"
        )


@tf.function(autograph=False)
def _read(variables: list[tf.Variable]) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Copies of the values, and whether all are finite; one call for all."""
    values = [tf.identity(variable) for variable in variables]
    floating = [value for value in values if value.dtype.is_floating]
    finite = [tf.reduce_all(tf.math.is_finite(value)) for value in floating]
    return values, tf.reduce_all(tf.stack(finite))


def _cause(terms: list[str]) -> str:
    if not terms:
        return (
            "each term of log w is finite, so their reduction over samples, or a loss that "
            "a layer added, is not."
        )
    if len(terms) == len(_TERMS):
        return (
            "no term of log w is finite, so that x or the weights were not: the gradient "
            "of the step before overflowed, or a dataset holds NaN."
        )
    text = " and ".join(terms)
    verb = "is" if len(terms) == 1 else "are"
    return f"{text} {verb} not finite; {' '.join(_TERMS[term] for term in terms)}"
