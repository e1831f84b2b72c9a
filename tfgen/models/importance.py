"""Sums of importance weights over many samples, in bounded memory."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

__all__ = ["log_weight_sums"]

# Numbers in the largest intermediate of a block: 64 MB of float32.
_BLOCK_NUMBERS = 2**24


def log_weight_sums(
    block_sums: Callable[..., tuple[tf.Tensor, tf.Tensor]],
    x: Any,
    keys: tf.Tensor,
    num_samples: int,
    width: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """log sum_k w_k and log sum_k w_k^2, each `[B]`, over blocks of rows and samples.

    Args:
        block_sums: `(x, keys, first_sample, num_samples=...)` to the two logarithms, each
            `[b]`, of a block of b rows and so many samples.
        x: `[B, ...]`, or a structure of such.
        keys: the rows' keys, `uint32 [B, 2]`.
        num_samples: K.
        width: how many numbers the largest intermediate has for one row and sample.
    """
    samples = min(num_samples, max(1, _BLOCK_NUMBERS // width))
    rows = max(1, _BLOCK_NUMBERS // (width * samples))
    sums = []
    for start in range(0, keys.shape[0], rows):
        part = keras.tree.map_structure(lambda t, a=start: t[a : a + rows], x)
        blocks = []
        for first in range(0, num_samples, samples):
            size = min(samples, num_samples - first)
            blocks.append(
                block_sums(
                    part, keys[start : start + rows], tf.constant(first), num_samples=size
                )
            )
        sums.append(
            [tf.reduce_logsumexp(tf.stack(t), 0) for t in zip(*blocks, strict=True)]
        )
    first_moment, second_moment = zip(*sums, strict=True)
    return tf.concat(first_moment, axis=0), tf.concat(second_moment, axis=0)
