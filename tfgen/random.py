"""Noise by counter: the same row gets the same numbers wherever it is drawn.

Every random number of tfgen is a pure function of a *key* and a *counter*,

    bits = threefry2x32(key, counter),

so it does not matter whether it is drawn eagerly, in a graph, under XLA, on another
device, in another replica, in another batch, or by a server. A key is a `uint32`
tensor `[..., 2]`; its leading dimensions are the batch, one key a row. Keys come from
integers by `key`, and from other keys by `fold_in`; `row_keys` keys the rows of a batch
by (seed, step, row).

Two draws that share a key share their numbers: where one row needs several kinds of
noise, each has a `Stream` of its own, and `stream` gives its keys.

References:
    [1] Salmon, Moraes, Dror, Shaw. Parallel random numbers: as easy as 1, 2, 3.
        SC 2011.
    [2] Giles. Approximating the erfinv function. GPU Computing Gems, 2012.
"""

import enum
import functools
import numbers
import random as _python_random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

__all__ = [
    "Stream",
    "fold_in",
    "fresh_seed",
    "is_key",
    "key",
    "next_key",
    "normal",
    "row_keys",
    "stream",
    "threefry2x32",
    "uniform",
]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_KEY_PARITY = 0x1BD11BDA

# A `SeedGenerator` reads and writes its state in two steps: threads take turns.
_TAKING_A_SEED = threading.Lock()

# Giles [2], single precision: coefficients of the two polynomials in w - 2.5 and in
# sqrt(w) - 3, highest power first; |relative error| < 3.5e-7 on (-1, 1).
_ERFINV_CENTRAL = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_ERFINV_TAIL = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


class Stream(enum.IntEnum):
    """Every kind of noise that a key is split into: the one table of them.

    A model's seed is split into `TRAIN` and `TEST`, the keys of rows into the others.
    A posterior draws by the row's key itself.
    """

    LATENT = 0  # z, of `sample` and `reconstruct`
    OBSERVED = 1  # x, of `sample`
    FACTOR = 2  # the latents of a joint distribution after the first, by number
    BACKWARD = 3  # which samples run backward
    REFINE = 4  # steps of refinement, by number
    COMPARE = 5  # comparisons of two posteriors, by number
    ROW_STEP = 6  # steps of a row of variational parameters, by number
    REPLICATE = 7  # replicates of a gradient, by number
    CHAIN = 8  # steps of a Markov chain, by number
    TUNE = 9  # what a chain's step size is tuned on
    MIXTURE = 10  # where between data and samples a GAN's penalty looks
    UPDATE = 11  # a GAN's updates within a step, by number
    ROULETTE = 14  # where a series is cut, of an estimate without bias
    PENALTY = 15  # draws from the prior that a penalty compares with
    TRAIN = 16
    TEST = 17
    BATCH = 18  # which examples a batch is made of
    ACCEPT = 20  # what a GAN's correction accepts a proposal by, by number
    RESAMPLE = 21  # which proposal a row gets that accepted none
    LANGEVIN = 22  # steps of a GAN's latents, by number
    AUGMENT = 23  # augmentations of what a discriminator sees, by number
    RATIO = 24  # samples that a log-ratio is looked at on


def threefry2x32(
    key: tuple[tf.Tensor, tf.Tensor], counter: tuple[tf.Tensor, tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The Threefry-2x32 block function with 20 rounds.

    Args:
        key: two `uint32` tensors, of any shapes that broadcast.
        counter: two `uint32` tensors, which broadcast with `key`.

    Returns:
        Two `uint32` tensors of the broadcast shape: 64 bits a key and counter.

    Source: [1], checked against the known-answer vectors of Random123.

    >>> zero = tf.zeros([], tf.uint32)
    >>> [hex(int(word)) for word in threefry2x32((zero, zero), (zero, zero))]
    ['0x6b200159', '0x99ba4efe']
    """
    for name, pair in (("key", key), ("counter", counter)):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(
                f"`{name}` must be a pair of uint32 tensors; received {pair!r}. Pass the "
                "two words of each."
            )
    words = [tf.convert_to_tensor(word, tf.uint32) for word in (*key, *counter)]
    return _threefry(*words)


def _one_operation(function: Callable, num_words: int, dtype: tf.DType) -> Callable:
    """`function`, elementwise and without a gradient, as one operation.

    A Threefry has 165 operations, and a step of training several of them, which would be
    nearly half of what there is to trace. Here they are traced once in a process, whatever
    the shapes. XLA and Grappler inline them, so that the same runs.
    """
    spec = [tf.TensorSpec(None, dtype)] * num_words
    traced = tf.function(function, input_signature=spec, autograph=False)

    @functools.wraps(function)
    def call(*words: tf.Tensor) -> Any:
        shape = functools.reduce(tf.broadcast_static_shape, (word.shape for word in words))
        results = traced(*words)
        for result in tf.nest.flatten(results):
            result.set_shape(shape)
        return results

    return call


@functools.partial(_one_operation, num_words=4, dtype=tf.uint32)
def _threefry(
    key0: tf.Tensor, key1: tf.Tensor, counter0: tf.Tensor, counter1: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    parity = tf.constant(_KEY_PARITY, tf.uint32)
    schedule = (key0, key1, tf.bitwise.bitwise_xor(key0 ^ key1, parity))
    x0 = counter0 + key0
    x1 = counter1 + key1
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            left = tf.bitwise.left_shift(x1, np.uint32(rotation))
            right = tf.bitwise.right_shift(x1, np.uint32(32 - rotation))
            x1 = x0 ^ (left + right)  # TensorFlow's sum is faster than its bitwise or
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + (schedule[(group + 2) % 3] + np.uint32(group + 1))
    return x0, x1


def is_key(value: Any) -> bool:
    """Whether `value` is a key: a `uint32` tensor whose last dimension is 2."""
    return tf.is_tensor(value) and value.dtype == tf.uint32 and value.shape[-1:] == [2]


def fresh_seed() -> int:
    """A new seed in [0, 2^31), from Python's `random`.

    `keras.utils.set_random_seed` seeds that, as it does for Keras's own generators.
    """
    return _python_random.getrandbits(31)


def _words(value: Any, name: str) -> tf.Tensor:
    """64-bit integers `[...]` as `uint32` words `[..., 2]`, the low word first."""
    if not tf.is_tensor(value):
        array = np.asarray(value)
        whole = all(isinstance(entry, int) for entry in array.flat)
        if array.dtype == np.uint64 or (array.dtype == object and whole):
            raise ValueError(
                f"`{name}` must be a 64-bit signed integer, in [-2^63, 2^63); received "
                f"{value}. Take the remainder modulo 2^63."
            )
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(
                f"`{name}` must be an integer, an integer tensor or a key (`uint32`, "
                f"last dimension 2); received {value!r}. Pass a number such as 0."
            )
        value = tf.constant(array, tf.int64)
    elif not value.dtype.is_integer:
        raise TypeError(
            f"`{name}` must be an integer tensor; received dtype {value.dtype.name}. "
            "Cast it to int64."
        )
    return tf.bitcast(tf.cast(value, tf.int64), tf.uint32)


def _check_key(key: Any) -> None:
    """Raises a TypeError unless `key` is of the type of keys."""
    dtype = getattr(key, "dtype", None)
    if dtype is None or tf.as_dtype(dtype) != tf.uint32:
        raise TypeError(
            "`key` must be a key, a `uint32` tensor whose last dimension is 2; received "
            f"{key!r}. Make one of a number by `tfgen.random.key(0)`."
        )


def _check_num_samples(num_samples: Any) -> None:
    """Raises an error unless `num_samples` is `None`, a tensor or a whole number >= 0."""
    if num_samples is None or tf.is_tensor(num_samples):
        return
    if isinstance(num_samples, bool) or not isinstance(num_samples, numbers.Integral):
        raise TypeError(
            f"`num_samples` must be a whole number or None; received {num_samples!r}."
        )
    if num_samples < 0:
        raise ValueError(f"`num_samples` must be at least 0; received {num_samples}.")


def key(seed: Any) -> tf.Tensor:
    """The key, or keys, of integer seeds.

    Args:
        seed: an integer in [-2^63, 2^63), or integers of shape `[...]`, or keys, which
            are returned as they are.

    Returns:
        `uint32` keys `[..., 2]`.

    Raises:
        TypeError: if `seed` is not of an integer type.
        ValueError: if `seed` does not fit 64 bits.

    >>> key([1, 2]).shape.as_list()
    [2, 2]
    """
    return seed if is_key(seed) else _words(seed, "seed")


def fold_in(key: tf.Tensor, data: Any) -> tf.Tensor:
    """New keys, one for each pair of a key and an integer.

    Args:
        key: `uint32` keys `[..., 2]`.
        data: integers whose shape broadcasts with the keys' leading dimensions.

    Returns:
        `uint32` keys of the broadcast shape, `[..., 2]`.
    """
    return _fold_in(key, data, "data")


def _fold_in(key: Any, data: Any, name: str) -> tf.Tensor:
    _check_key(key)
    words = _words(data, name)
    x0, x1 = threefry2x32((key[..., 0], key[..., 1]), (words[..., 0], words[..., 1]))
    return tf.stack([x0, x1], axis=-1)


def next_key(seed_generator: keras.random.SeedGenerator) -> tf.Tensor:
    """A key that `seed_generator` has not given before, to any thread.

    That holds for calls outside of a `tf.function`; inside, it is called when the
    function is traced, and TensorFlow decides the order of its steps.

    Args:
        seed_generator: its state is advanced.

    Returns:
        A `uint32` key `[2]`.

    >>> generator = keras.random.SeedGenerator(0)
    >>> bool(tf.reduce_all(next_key(generator) == next_key(generator)))
    False
    """
    if not isinstance(seed_generator, keras.random.SeedGenerator):
        raise TypeError(
            "`seed_generator` must be a `keras.random.SeedGenerator`; received "
            f"{seed_generator!r}. Pass `keras.random.SeedGenerator(0)`, or make a key of a "
            "number by `tfgen.random.key(0)`."
        )
    with _TAKING_A_SEED:
        state = tf.cast(seed_generator.next(), tf.int64)
    return fold_in(key(state[0]), state[1])


def stream(key: tf.Tensor, kind: Stream, number: Any = None) -> tf.Tensor:
    """The keys of one kind of noise, made of the keys of rows.

    Args:
        key: `uint32` keys `[..., 2]`.
        kind: which noise.
        number: an integer, where there are several of the kind; `None` where there is
            one.

    Returns:
        `uint32` keys `[..., 2]`.

    >>> keys = row_keys(seed=0, step=0, rows=tf.range(3))
    >>> stream(keys, Stream.FACTOR, 1).shape.as_list()
    [3, 2]
    """
    if not isinstance(kind, numbers.Integral):
        raise TypeError(
            f"`kind` must be a member of `tfgen.random.Stream`; received {kind!r}. Pass "
            "one such as `Stream.LATENT`."
        )
    keys = fold_in(key, int(kind))
    return keys if number is None else fold_in(keys, number)


def row_keys(seed: Any, step: Any, rows: Any) -> tf.Tensor:
    """A key for each row of a batch, from (seed, step, row).

    Args:
        seed: an integer or a key; or one for each row.
        step: the number of the training step, an integer or a scalar tensor.
        rows: the rows' numbers in the whole (global) batch, integers `[B]`.

    Returns:
        `uint32` keys `[B, 2]`.

    >>> keys = row_keys(seed=0, step=3, rows=tf.range(4))
    >>> bool(tf.reduce_all(keys[2] == row_keys(0, 3, 2)))
    True
    """
    return _fold_in(_fold_in(key(seed), step, "step"), rows, "rows")


def _bits(key: tf.Tensor, size: int, num_samples: Any, first_sample: Any) -> tf.Tensor:
    """`uint32` bits `[num_samples, *batch, size]`, by counter (element, sample)."""
    element = tf.range((size + 1) // 2)
    sample = tf.cast(first_sample, tf.int32)
    if num_samples is not None:
        sample = sample + tf.range(num_samples)
        sample = tf.reshape(sample, [-1] + [1] * key.shape.rank)
    key = key[..., tf.newaxis, :]
    words = threefry2x32(
        (key[..., 0], key[..., 1]),
        (tf.cast(element, tf.uint32), tf.cast(sample, tf.uint32)),
    )
    bits = tf.concat(words, axis=-1)
    return bits[..., :size] if size % 2 else bits


def _uniform(
    key: tf.Tensor, event_shape: Sequence[int], num_samples: Any, first_sample: Any
) -> tf.Tensor:
    """Odd multiples of 2^-24: the middles of 2^23 equal parts of (0, 1)."""
    _check_key(key)
    _check_num_samples(num_samples)
    if any(n < 0 for n in event_shape):
        raise ValueError(
            f"`event_shape` must hold sizes of at least 0; received {list(event_shape)}."
        )
    size = int(np.prod(event_shape, dtype=np.int64))
    bits = _bits(key, size, num_samples, first_sample)
    # Through int32: TensorFlow converts that to float32 several times faster.
    parts = tf.cast(
        tf.cast(tf.bitwise.right_shift(bits, np.uint32(9)), tf.int32), tf.float32
    )
    value = (parts + 0.5) * np.float32(2.0**-23)
    if len(event_shape) == 1:
        return value
    leading = value.shape[:-1]
    if not leading.is_fully_defined():
        leading = tf.shape(value)[:-1]
    event = tf.constant(event_shape, tf.int32)  # which `()` would not be by itself
    return tf.reshape(value, tf.concat([leading, event], axis=0))


def _polynomial(coefficients: Sequence[float], x: tf.Tensor) -> tf.Tensor:
    value = tf.fill([], np.float32(coefficients[0]))
    for coefficient in coefficients[1:]:
        value = value * x + np.float32(coefficient)
    return value


@functools.partial(_one_operation, num_words=1, dtype=tf.float32)
def _normal_quantile(u: tf.Tensor) -> tf.Tensor:
    """sqrt(2) erfinv(2u - 1), by Giles's polynomials [2]."""
    x = 2.0 * u - 1.0
    w = -tf.math.log((1.0 - x) * (1.0 + x))
    central = _polynomial(_ERFINV_CENTRAL, w - 2.5)
    tail = _polynomial(_ERFINV_TAIL, tf.sqrt(w) - 3.0)
    return np.float32(np.sqrt(2.0)) * x * tf.where(w < 5.0, central, tail)


def _as_floating(value: tf.Tensor, dtype: Any) -> tf.Tensor:
    dtype = tf.as_dtype(dtype)
    if not dtype.is_floating:
        raise TypeError(
            f"`dtype` must be a floating-point type; received {dtype.name}. Pass "
            "tf.float32."
        )
    return tf.cast(value, dtype)


def uniform(
    key: tf.Tensor,
    event_shape: Sequence[int] = (),
    num_samples: Any = None,
    first_sample: Any = 0,
    dtype: Any = tf.float32,
) -> tf.Tensor:
    """Uniform numbers in the open interval (0, 1), some for each key.

    The values are (k + 1/2) 2^-23 for k in [0, 2^23): never 0, never 1, exact in
    float32. They are drawn in float32 and cast to `dtype`.

    Args:
        key: `uint32` keys `[*batch, 2]`.
        event_shape: the shape of one draw, Python integers.
        num_samples: the number of draws a key; `None` for one, without the dimension.
        first_sample: the number of the first draw: sample k of a call is sample 0 of
            one with `first_sample=k`, so draws can be made in chunks.
        dtype: a floating-point type.

    Returns:
        `[num_samples, *batch, *event_shape]`, or `[*batch, *event_shape]`.

    >>> uniform(fold_in(key(0), tf.range(3)), [5], num_samples=2).shape.as_list()
    [2, 3, 5]
    """
    return _as_floating(_uniform(key, event_shape, num_samples, first_sample), dtype)


def normal(
    key: tf.Tensor,
    event_shape: Sequence[int] = (),
    num_samples: Any = None,
    first_sample: Any = 0,
    dtype: Any = tf.float32,
) -> tf.Tensor:
    """Standard normal numbers, some for each key; arguments and shapes as `uniform`.

    A normal is the quantile of a uniform number, by Giles's polynomial [2]; it lies
    within 5.42 of 0, and is the same to 1e-6 eagerly, in a graph and under XLA.

    >>> normal(key(0), [5]).shape.as_list()
    [5]
    """
    value = _normal_quantile(_uniform(key, event_shape, num_samples, first_sample))
    return _as_floating(value, dtype)
