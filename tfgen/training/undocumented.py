"""Behaviour that training relies on though Keras and TensorFlow don't document it.

Every fact has its own test in `tests/training/test_undocumented.py`, named after the fact,
which fails when it changes. All were observed in Keras 3.15 and TensorFlow 2.21.
"""

from typing import Any

import keras

__all__ = [
    "COUNTERS",
    "first_epoch",
    "global_seed_generator",
    "is_refusal_of_xla",
    "is_validation_of_fit",
]

# The attributes in which callbacks count; all others hold their arguments (Keras 3.15).
COUNTERS: dict[type, tuple[str, ...]] = {
    keras.callbacks.EarlyStopping: (
        "wait",
        "best",
        "best_epoch",
        "best_weights",
        "stopped_epoch",
    ),
    keras.callbacks.History: ("epoch", "history"),
    keras.callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_current_epoch",
        "_last_batch_seen",
    ),
    keras.callbacks.ReduceLROnPlateau: ("wait", "best", "cooldown_counter"),
}

# Words in the error messages for an operation that XLA can't compile (TensorFlow 2.21).
_REFUSAL_OF_XLA = ("tf2xla", "XLA", "unsupported operations", "Unsupported op")


def is_validation_of_fit(arguments: dict[str, Any]) -> bool:
    """Whether Keras's `fit` calls `evaluate` with these arguments, for its validation.

    Its data have been checked, and Keras keeps the iterator over them (Keras 3.15).
    """
    return bool(arguments.get("_use_cached_eval_dataset"))


def first_epoch(model: keras.Model, initial_epoch: int) -> int:
    """The epoch that `fit` begins with, known after `on_train_begin`.

    `keras.callbacks.BackupAndRestore` sets it on the model, and `fit` uses that instead of
    its own argument (Keras 3.15).
    """
    return model._initial_epoch or initial_epoch


def is_refusal_of_xla(message: str) -> bool:
    """Whether an error's message says that XLA can't compile an operation."""
    return any(words in message for words in _REFUSAL_OF_XLA)


def global_seed_generator(make: bool = False) -> Any:
    """The seed generator that `keras.random` uses for draws without a seed (Keras 3.15).

    Args:
        make: whether to create it if nothing has been drawn yet; if not, the result is
            `None`.
    """
    generator = keras.src.backend.common.global_state.get_global_attribute(
        "global_seed_generator"
    )
    if generator is None and make:
        generator = keras.src.random.seed_generator.global_seed_generator()
    return generator


# These facts have no function here, since `fused.py` as a whole depends on them:
#
# - `fit` and `evaluate` call `train_function` and `test_function` with one iterator for
#   every execution, and take nothing from it themselves (Keras 3.15). So one element may
#   hold the rows of a whole execution.
# - With `steps_per_epoch`, `fit` continues with the same iterator in the next epoch, and
#   calls the function once for `steps_per_execution` steps (Keras 3.15).
# - `fit` uses a `CallbackList` in `callbacks` unchanged (Keras 3.15).
