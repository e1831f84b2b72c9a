"""Stops `fit` at a loss that is not finite, says why, and keeps the last good weights."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = ["LossGuard", "LossWatch"]

# The share of the time that copies of the weights may take.
_SHARE = 0.01
# Seconds after which, within an epoch, the weights are copied again.
_COPY_SECONDS = 30.0


class LossWatch(keras.metrics.Metric):
    """Records the first step of an epoch whose loss is not finite, and which terms are not.

    It costs a few scalars in each step, on the device. It is not logged, but stored as a
    metric: its variables are reset at the beginning of an epoch and summed over replicas.

    Args:
        terms: the names of the terms of the loss, for the report.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        super().__init__(name="loss_watch")
        self._terms = tuple(terms)
        self._good_steps = self.add_variable((), "zeros", name="good_steps")
        self._bad = self.add_variable((1 + len(self._terms),), "zeros", name="bad")

    def update_state(self, loss: tf.Tensor, terms: Sequence[tf.Tensor]) -> None:
        """Records a step.

        Args:
            loss: the loss, of any shape; the step is bad if it is not finite.
            terms: a tensor for each name of `terms`, of any shape.
        """
        finite = [tf.reduce_all(tf.math.is_finite(value)) for value in (loss, *terms)]
        none_before = tf.cast(tf.reduce_all(self._bad.value == 0.0), self._bad.dtype)
        good = tf.cast(finite[0], self._bad.dtype)
        self._good_steps.assign_add(none_before * good)
        bad = 1.0 - tf.cast(tf.stack(finite), self._bad.dtype)
        self._bad.assign_add(none_before * (1.0 - good) * bad)

    def result(self) -> tf.Tensor:
        """The number of steps before the first bad one."""
        return self._good_steps.value

    def first_bad(self, num_replicas: int) -> tuple[int, list[str]]:
        """The number, from 1, of the first bad step, and the terms that were not finite."""
        bad = keras.ops.convert_to_numpy(self._bad)[1:] > 0
        step = int(keras.ops.convert_to_numpy(self._good_steps)) // num_replicas + 1
        return step, [name for name, is_bad in zip(self._terms, bad, strict=True) if is_bad]


class LossGuard(keras.callbacks.Callback):
    """Ends `fit` with a `FloatingPointError` if a loss is not finite.

    It checks every logged number whose name ends in `loss` or `penalty`, once in each
    execution of steps. If one is not finite, the weights and the optimizers' state are
    reset to the last copy of finite ones: from the end of an epoch, or from later in a long
    epoch. A copy is made only if the time since the last one is 100 times what that one
    took, so that copies take 1 % of the time at most; it stays on the device and needs as
    much memory as the weights and the optimizers' state.

    Args:
        watch: the record of the model's steps.
        optimizers: all optimizers of the model.
        explain: function from the names of the terms that are not finite to sentences on
            the cause and the remedy.
    """

    def __init__(
        self,
        watch: LossWatch,
        optimizers: Sequence[keras.Optimizer],
        explain: Callable[[list[str]], str],
    ) -> None:
        super().__init__()
        self._watch = watch
        self._optimizers = list(optimizers)
        self._explain = explain
        self._epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Copies the weights that `fit` begins with."""
        self._copy: list[tuple[keras.Variable, tf.Tensor]] = []
        self._kept = "The weights were not finite before `fit`: set others."
        for optimizer in self._optimizers:
            if self.model.built and not optimizer.built:  # so that its state is copied too
                with self.model.distribute_strategy.scope():
                    optimizer.build(self.model.trainable_variables)
        self._copy_weights("before `fit`")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Stores the epoch, for the report."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops `fit` if a loss is not finite."""
        for name, value in (logs or {}).items():
            if name.endswith(("loss", "penalty")) and not np.isfinite(value):
                self._stop(name, float(value))
        if not self._is_whole or self._is_due(at_least=_COPY_SECONDS):
            self._copy_weights(f"of step {batch + 1} of epoch {self._epoch + 1}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Copies the weights, if that is due and another epoch follows."""
        if epoch + 1 != self.params.get("epochs") and self._is_due():
            self._copy_weights(f"of the end of epoch {epoch + 1}")

    def on_train_end(self, logs: Any = None) -> None:
        """Drops the copy."""
        self._copy = []

    def _variables(self) -> list[keras.Variable]:
        states = [optimizer.variables for optimizer in self._optimizers]
        return [*self.model.weights, *(variable for state in states for variable in state)]

    def _is_due(self, at_least: float = 0.0) -> bool:
        since = time.monotonic() - self._copied
        return since >= max(at_least, self._cost / _SHARE)

    def _copy_weights(self, when: str) -> None:
        start = time.monotonic()
        # A model may be built only by its first batch.
        self._is_whole = self.model.built and all(o.built for o in self._optimizers)
        if not self._is_whole:
            when = "except what this `fit` built: make the model again"
        variables = self._variables()
        values = [tf.identity(variable.value) for variable in variables]
        if _all_finite(values):
            self._copy = list(zip(variables, values, strict=True))
            self._kept = f"The model has its last good weights, {when}."
        self._copied = time.monotonic()
        self._cost = self._copied - start

    def _stop(self, name: str, value: float) -> None:
        for variable, kept in self._copy:
            variable.assign(kept)
        replicas = self.model.distribute_strategy.num_replicas_in_sync
        step, terms = self._watch.first_bad(replicas)
        raise FloatingPointError(
            f"`{name}` is {value} at step {step} of epoch {self._epoch + 1}: "
            f"{self._explain(terms)} {self._kept}"
        )


def _all_finite(values: list[tf.Tensor]) -> bool:
    floating = [value for value in values if value.dtype.is_floating]
    finite = [tf.reduce_all(tf.math.is_finite(value)) for value in floating]
    return bool(tf.reduce_all(tf.stack(finite))) if finite else True
