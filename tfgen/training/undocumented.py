"""What training leans on though Keras and TensorFlow don't document it.

Every fact has a test of its own in `tests/training/test_undocumented.py`, which fails by
the fact's name when it changes. All were seen in Keras 3.15 and TensorFlow 2.21.
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

# The attributes in which callbacks count; all others say how they were made (Keras 3.15).
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

# The words in the messages with which XLA refuses an operation (TensorFlow 2.21).
_REFUSAL_OF_XLA = ("tf2xla", "XLA", "unsupported operations", "Unsupported op")


def is_validation_of_fit(arguments: dict[str, Any]) -> bool:
    """Whether Keras's `fit` calls `evaluate` with these arguments, for its validation.

    Its data have been checked, and Keras holds the iterator over them (Keras 3.15).
    """
    return bool(arguments.get("_use_cached_eval_dataset"))


def first_epoch(model: keras.Model, initial_epoch: int) -> int:
    """The epoch that `fit` begins with, known after `on_train_begin`.

    `keras.callbacks.BackupAndRestore` sets it on the model, and `fit` prefers that to its
    own argument (Keras 3.15).
    """
    return model._initial_epoch or initial_epoch


def is_refusal_of_xla(message: str) -> bool:
    """Whether an error's message says that XLA can't compile an operation."""
    return any(words in message for words in _REFUSAL_OF_XLA)


def global_seed_generator(make: bool = False) -> Any:
    """The generator of draws by `keras.random` that are given no seed (Keras 3.15).

    Args:
        make: whether to make it where nothing has been drawn yet; else `None`.
    """
    generator = keras.src.backend.common.global_state.get_global_attribute(
        "global_seed_generator"
    )
    if generator is None and make:
        generator = keras.src.random.seed_generator.global_seed_generator()
    return generator


# What follows is no function, as it is how `fused.py` works:
#
# - `fit` and `evaluate` call `train_function` and `test_function` with one and the same
#   iterator for every execution, and take nothing from it themselves (Keras 3.15). So one
#   element may be the rows of a whole execution.
# - With `steps_per_epoch`, `fit` goes on with the same iterator in the next epoch, and
#   calls the function once in `steps_per_execution` steps (Keras 3.15).
# - `fit` uses a `CallbackList` that it is given as it is (Keras 3.15).
