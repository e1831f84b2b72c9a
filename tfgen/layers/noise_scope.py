"""Keys by rows for layers that draw noise in the middle of a network."""

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator

import keras
import tensorflow as tf

from tfgen import random
from tfgen.random import Stream

__all__ = ["noise_keys", "row_noise"]


@dataclasses.dataclass
class _Scope:
    keys: tf.Tensor
    number: int
    calls: int = 0


_SCOPE: contextvars.ContextVar[_Scope | None] = contextvars.ContextVar(
    "noise_scope", default=None
)


@contextlib.contextmanager
def noise_keys(keys: tf.Tensor, number: int = 0) -> Iterator[None]:
    """A network that is called within draws its noise by the keys of its rows.

    Keras calls the layers of a network on tensors alone, so that keys can't be an
    argument. Each layer that asks gets keys of its own, by its turn.

    Args:
        keys: of the rows, `uint32 [B, 2]`.
        number: tells calls on the same rows apart.
    """
    if not random.is_key(keys):
        raise TypeError(
            f"`keys` must be keys of rows, uint32 [B, 2]; received {keys!r}. Pass "
            "`tfgen.random.row_keys(seed, 0, tf.range(B))`."
        )
    token = _SCOPE.set(_Scope(keys, number))
    try:
        yield
    finally:
        _SCOPE.reset(token)


def row_noise(seed_generator: keras.random.SeedGenerator, rows: tf.Tensor) -> tf.Tensor:
    """Keys for the noise of a layer, `uint32 [rows, 2]`.

    Args:
        seed_generator: the layer's, for use where nobody gave keys by `noise_keys`.
        rows: how many, a scalar.
    """
    scope = _SCOPE.get()
    if scope is None:
        return random.fold_in(random.next_key(seed_generator), tf.range(rows))
    scope.calls += 1
    keys = random.stream(scope.keys, Stream.AUGMENT, scope.number)
    return random.fold_in(keys, scope.calls)
