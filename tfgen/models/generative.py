"""What every model that draws samples shares: counters, keys, programs, its config."""

import math
import os
from collections.abc import Callable, Hashable
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.models import checks
from tfgen.models.blocks import in_row_blocks, with_xla_if_possible
from tfgen.models.config_sizes import check_sizes
from tfgen.models.undocumented import without_retracing_warning
from tfgen.serving.files import written_whole
from tfgen.training import FusedModel
from tfgen.training.policy import xla_pays

__all__ = ["GenerativeModel"]

# How many numbers of the samples a block may hold, 8 MB of float32, which a cache holds;
# and from how many numbers in all XLA saves more than the 0.3 s that it takes longer to
# compile: 10 against 27 ns of CPU each (binary images of 784-200-200-50, 2 cores).
_BLOCK_NUMBERS = 2**21
_XLA_NUMBERS = 2**24


class GenerativeModel(FusedModel):
    """The base of `VAE` and `GAN`: a `keras.Model` whose noise is keyed by row.

    In training and evaluation a row's key comes from the model's own seed, which is one of
    its weights; draws on request use the seed that they are given. Counters are weights,
    too, so that a resumed run has the same noise as an uninterrupted one.

    A subclass lists in `_parts` the constructor's arguments that are Keras objects.

    Args:
        **kwargs: `keras.Model`'s.
    """

    _parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()
        self._noise_seed = self._counter("noise_seed", random.fresh_seed())
        self._train_step_number = self._counter("train_step", 0)
        self._test_row = self._counter("test_row", 0)
        self._programs: dict[Hashable, Callable] = {}

    def _counter(self, name: str, value: int) -> keras.Variable:
        return self.add_weight(
            shape=(),
            dtype="int64",
            initializer=keras.initializers.Constant(value),
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as Keras serialises them."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": serialize(self.dtype_policy),
            **{part: serialize(getattr(self, part)) for part in self._parts},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model that `get_config` described."""
        check_sizes(config)
        config = dict(config)
        for part in (*cls._parts, "dtype"):
            if part in config:
                config[part] = keras.saving.deserialize_keras_object(
                    config[part], custom_objects=custom_objects
                )
        return cls(**config)

    def reset_metrics(self) -> None:
        """Resets the metrics, and the row that `evaluate` counts from."""
        super().reset_metrics()
        self._test_row.assign(0)

    # Files.

    def save(
        self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs: Any
    ) -> None:
        """Writes the model to a `.keras` file; arguments as `keras.Model.save`'s.

        The file appears whole or not at all: it is written beside `filepath` and renamed,
        so that a full disk or a killed process does not damage the old file.

        Raises:
            ValueError: if `filepath` has another ending.
            OSError: if it can't be written; names the path and the cause.
        """
        save = super().save
        whole = kwargs.get("zipped") is not False
        if whole and _is_replaced(filepath, ".keras", overwrite):
            with written_whole(filepath) as partial:
                save(partial, **kwargs)
        else:
            save(filepath, overwrite, **kwargs)

    def save_weights(
        self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs: Any
    ) -> None:
        """Writes the weights to a `.weights.h5` file, as `save` writes a model.

        Arguments are `keras.Model.save_weights`'s. With `max_shard_size` there are several
        files, which are written in place.
        """
        save = super().save_weights
        whole = kwargs.get("max_shard_size") is None
        if whole and _is_replaced(filepath, ".weights.h5", overwrite):
            with written_whole(filepath) as partial:
                save(partial, **kwargs)
        else:
            save(filepath, overwrite, **kwargs)

    # Keys.

    def _train_keys(self, rows: tf.Tensor) -> tf.Tensor:
        """The keys of rows of the global batch in a training step, which it counts."""
        step = tf.identity(self._train_step_number.value)
        self._train_step_number.assign(step + 1)
        return random.row_keys(self._stream(random.Stream.TRAIN), step, rows)

    def _test_keys(self, rows: tf.Tensor, total: tf.Tensor) -> tf.Tensor:
        """The keys of rows of the global batch, of size `total`, of an evaluation.

        They depend on the examples' positions in the data, not on the batch size.
        """
        first = self._test_row.value
        keys = random.row_keys(
            self._stream(random.Stream.TEST), 0, first + tf.cast(rows, tf.int64)
        )
        self._test_row.assign(first + tf.cast(total, tf.int64))
        return keys

    def _stream(self, kind: random.Stream) -> tf.Tensor:
        return random.stream(random.key(self._noise_seed.value), kind)

    def _keys(self, seed: Any, count: Any) -> tf.Tensor:
        """The keys of rows 0, 1, ..., `[count, 2]`; fresh ones if `seed` is `None`."""
        if seed is not None:
            if np.ndim(seed) > 0 and not random.is_key(seed):
                raise ValueError(
                    "`seed` must be one integer; received integers of shape "
                    f"{np.shape(seed)}. Pass a number such as 0: each row still has noise "
                    "of its own."
                )
            return random.row_keys(seed, 0, tf.range(count))
        return random.fold_in(random.next_key(self.seed_generator), tf.range(count))

    def _sample_keys(self, num_samples: int | None, seed: Any) -> tf.Tensor:
        """The keys of `sample(num_samples, seed)`, `[num_samples, 2]`."""
        if seed is not None and np.ndim(seed) > 0:
            checks.check_seeds(seed)
            if num_samples is not None and num_samples != len(seed):
                raise ValueError(
                    "`num_samples` must be left out if `seed` holds one seed per sample; "
                    f"received num_samples={num_samples} and {len(seed)} seeds."
                )
            return random.row_keys(seed, 0, 0)
        if num_samples is None:
            raise ValueError(
                "`num_samples` must be given unless `seed` holds one seed per sample; "
                f"received num_samples=None and seed={seed!r}. Try `sample(16)`."
            )
        return self._keys(seed, checks.positive_integer(num_samples, "num_samples"))

    def _drawn(
        self, name: str, make: Callable, keys: tf.Tensor, given: Any, width: int
    ) -> tf.Tensor:
        """A program's draws in blocks of rows, compiled by XLA where this saves time.

        Args:
            name: of the program.
            make: makes it: from keys `[B, 2]` and tensors `[B, ...]` to draws `[B, ...]`.
            keys: `[N, 2]`.
            given: a structure of tensors `[N, ...]`.
            width: how many numbers the largest intermediate has for one row.
        """
        # Without XLA two traces: one of the first number of rows, one of any other.
        options = {True: {"jit_compile": True}, False: {"reduce_retracing": True}}
        count = keys.shape[0] if tf.executing_eagerly() else None
        size, xla = max(1, _BLOCK_NUMBERS // width), False
        if count is not None and count > size:
            xla = count * width > _XLA_NUMBERS and xla_pays(self)
            if not xla:  # any size will do
                size = math.ceil(count / math.ceil(count / size))
        run = with_xla_if_possible(
            lambda xla: self.program(name, make, **options[xla]), xla
        )
        return in_row_blocks(lambda block: run(*block), (keys, given), count, size)

    # Programs.

    def program(self, name: Hashable, make: Callable[[], Callable], **options: Any) -> Any:
        """A compiled function that is made once and kept with the model.

        Args:
            name: distinguishes it from the model's other functions.
            make: makes the Python function, if there is none with that name.
            **options: `tf.function`'s, such as `jit_compile=True`.

        Returns:
            A `tf.function`, traced once for each signature. While another function is
            traced, the Python function itself: XLA takes whatever a differentiated call
            depends on for constants, and would compile every step anew.
        """
        if not tf.executing_eagerly():
            return make()
        key = (name, *sorted(options.items()))
        if key not in self._programs:
            program = tf.function(make(), autograph=False, **options)
            self._programs[key] = without_retracing_warning(program)
        return self._programs[key]


def _is_replaced(filepath: Any, ending: str, overwrite: bool) -> bool:
    """Whether `filepath` is a local file of that ending, to be written without asking."""
    if not isinstance(filepath, str | os.PathLike):
        return False
    path = os.fspath(filepath)
    is_local = path.endswith(ending) and "://" not in path
    return is_local and (overwrite or not os.path.exists(path))
