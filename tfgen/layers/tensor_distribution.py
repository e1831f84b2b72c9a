"""A distribution that is also a tensor: what tfgen's layers return."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import sampling
from tfgen.layers.arguments import check_event_of, check_sample_shape
from tfgen.layers.rows import take_rows
from tfgen.layers.undocumented import (
    IsTensorLike,
    is_reachable,
    overloadable_operators,
)

tfd = tfp.distributions

__all__ = ["SymbolicDistribution", "TensorDistribution"]

_DELEGATED = (
    "log_prob",
    "prob",
    "log_cdf",
    "cdf",
    "log_survival_function",
    "survival_function",
    "quantile",
    "entropy",
    "mean",
    "variance",
    "stddev",
    "covariance",
    "mode",
    "kl_divergence",
    "cross_entropy",
)


class TensorDistribution(tfd.Distribution):
    """A `tfd.Distribution` which TensorFlow and Keras convert to a tensor.

    It wraps a TFP distribution and remembers the layer and the raw parameters that it
    was made from. Sampling is by `tfgen.random`; everything else is TFP's.

    `seed`, in `sample` and `experimental_sample_and_log_prob`, is

    - an integer, or a scalar integer tensor: row b is drawn by (seed, step 0, row b);
    - a key, `uint32 [2]`, or TFP's stateless seed, `int32 [2]`: folded with the row;
    - keys, `uint32 [*batch, 2]`: row b is drawn by key b;
    - `None`: fresh numbers, which `keras.utils.set_random_seed` makes repeatable when
      it is called before the layer is made.

    Attributes:
        tensor_distribution: the TFP distribution.
        raw_parameters: the tensor it was made from, `[*batch, params_size]`.
        layer: the layer that made it.
        factory: makes the distribution from `tensors`; the layer's, and free of any tensor.
    """

    def __init__(
        self,
        distribution: tfd.Distribution,
        raw_parameters: tf.Tensor,
        layer: Any,
        rebuild: Callable[[tf.Tensor], "TensorDistribution"],
        convert_to_tensor: Callable[[tfd.Distribution], tf.Tensor],
        next_key: Callable[[], tf.Tensor],
    ) -> None:
        # First, since `__getattr__` looks into it.
        self.tensor_distribution = distribution
        super().__init__(
            dtype=distribution.dtype,
            reparameterization_type=distribution.reparameterization_type,
            validate_args=distribution.validate_args,
            allow_nan_stats=distribution.allow_nan_stats,
            parameters=dict(distribution.parameters),
            name=distribution.name,
        )
        self.raw_parameters = raw_parameters
        # Behind a function, since a `tf.Module` would track the layer.
        self._get_layer = lambda: layer
        self.factory = rebuild
        self._convert = convert_to_tensor
        self._next_key = next_key
        self._value: tf.Tensor | None = None

    @property
    def layer(self) -> Any:
        """The layer that made the distribution."""
        return self._get_layer()

    def rebuild(self, raw_parameters: tf.Tensor) -> "TensorDistribution":
        """The same family at other raw parameters: constant, refined or looked up.

        A function of `raw_parameters` and of the layers' weights alone: it keeps no tensor
        that this distribution was made from.

        Raises:
            ValueError: if the distribution was not made from raw parameters.
        """
        if self.raw_parameters is None:
            raise ValueError(
                "`rebuild` needs a distribution that a layer made from raw parameters; "
                f"received {self.tensor_distribution!r}."
            )
        return self.factory(raw_parameters)

    @property
    def tensors(self) -> tf.Tensor:
        """What the distribution is made from, `[*batch, params_size]`; see `factory`."""
        return self.raw_parameters

    def rows(self, index: Any) -> "TensorDistribution":
        """The distribution of some rows of the batch: of raw parameters taken from it.

        `q[index]` takes rows of the tensor; this takes rows of the distribution.

        Args:
            index: a slice; integers, an array or a tensor `[n]`, of which those below 0
                count from the end; or a boolean mask `[B]`.

        Returns:
            A distribution of batch shape `[n, ...]`, which draws numbers of its own: its
            row 0 is keyed as row 0.

        Raises:
            TypeError: if `index` is none of these.
            ValueError: if the distribution has no batch or no raw parameters, if a row
                does not exist, or if a mask has another length than the batch.

        >>> import tfgen
        >>> q = tfgen.layers.MultivariateNormalDiag(2)(tf.zeros([5, 4]))
        >>> q.rows([0, -1]).batch_shape.as_list(), q.rows(slice(3)).batch_shape.as_list()
        ([2], [3])
        """
        if self.batch_shape.rank == 0 or self.raw_parameters is None:
            raise ValueError(
                "`rows` needs a distribution with a batch dimension, that a layer made "
                f"from raw parameters; received {self.tensor_distribution!r}."
            )
        return self.rebuild(take_rows(self.raw_parameters, index))

    def copy(self, **parameters: Any) -> tfd.Distribution:
        """TFP's copy of the wrapped distribution: of no layer, and no tensor."""
        return self.tensor_distribution.copy(**parameters)

    # Sampling.

    def keys(self, seed: Any) -> tf.Tensor:
        """The rows' keys, `uint32 [*batch, 2]`, that `seed` means."""
        seed = self._next_key() if seed is None else seed
        if tf.is_tensor(seed) and seed.dtype == tf.int32 and seed.shape == 2:
            seed = tf.bitcast(seed, tf.uint32)
        elif not random.is_key(seed):
            seed = random.key(seed)
            if seed.shape.rank != 1:
                raise ValueError(
                    "`seed` must be one integer, a key (`uint32 [2]`) or the rows' keys "
                    "(`uint32 [*batch, 2]`); received integers of shape "
                    f"{seed.shape[:-1]}. For one seed per row use "
                    "`tfgen.random.key(seed)`."
                )
            seed = random.fold_in(seed, 0)
        if seed.shape.rank > 1 or self.batch_shape.rank == 0:
            return seed
        batch = self.batch_shape_tensor()
        rows = tf.reshape(tf.range(tf.reduce_prod(batch)), batch)
        return random.fold_in(seed, rows)

    def sample(
        self, sample_shape: Any = (), seed: Any = None, name: str = "sample", **kwargs: Any
    ) -> tf.Tensor:
        """Draws, `[*sample_shape, *batch, *event]`; see above for `seed`."""
        check_sample_shape(sample_shape)
        return super().sample(sample_shape, seed, name, **kwargs)

    def log_prob(self, value: Any, name: str = "log_prob", **kwargs: Any) -> tf.Tensor:
        """The logarithm of the density, or of the probability, at `value`."""
        check_event_of(value, self.event_shape)
        return super().log_prob(value, name, **kwargs)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        return sampling.sample(self.tensor_distribution, self.keys(seed), n)

    def _sample_and_log_prob(
        self, sample_shape: Any, seed: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.get_static_value(tf.reduce_prod(sample_shape))
        count = tf.reduce_prod(sample_shape) if count is None else int(count)
        draw, log_prob = sampling.sample_and_log_prob(
            self.tensor_distribution, self.keys(seed), count
        )
        if sample_shape.shape == [1]:
            return draw, log_prob

        def unflatten(value: tf.Tensor) -> tf.Tensor:
            shape = tf.concat([sample_shape, tf.shape(value)[1:]], axis=0)
            return tf.reshape(value, shape)

        return unflatten(draw), unflatten(log_prob)

    # Shapes and attributes: the wrapped distribution's.

    def _batch_shape(self) -> tf.TensorShape:
        return self.tensor_distribution.batch_shape

    def _batch_shape_tensor(self, **parameters: Any) -> tf.Tensor:
        return self.tensor_distribution.batch_shape_tensor()

    def _event_shape(self) -> tf.TensorShape:
        return self.tensor_distribution.event_shape

    def _event_shape_tensor(self) -> tf.Tensor:
        return self.tensor_distribution.event_shape_tensor()

    def _default_event_space_bijector(self) -> Any:
        return self.tensor_distribution.experimental_default_event_space_bijector()

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict:
        return {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "tensor_distribution" not in vars(self):
            raise AttributeError(name)
        return getattr(self.tensor_distribution, name)

    # The tensor.

    @property
    def shape(self) -> tf.TensorShape:
        """The shape of the tensor it converts to: batch, then event."""
        return self.batch_shape.concatenate(self.event_shape)

    @property
    def ndim(self) -> int:
        """The rank of the tensor it converts to."""
        return self.shape.rank

    def value(self) -> tf.Tensor:
        """The tensor it converts to, the same one at every conversion."""
        if self._value is None or not is_reachable(self._value):
            self._value = tf.convert_to_tensor(self._convert(self))
        return self._value

    def numpy(self) -> np.ndarray:
        """The tensor as an array."""
        return self.value().numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.value().numpy(), dtype=dtype)

    def __len__(self) -> int:
        return len(self.value())

    def __iter__(self) -> Any:
        return iter(self.value())

    def __bool__(self) -> bool:
        raise TypeError(
            "a distribution is neither true nor false; received "
            f"{self.tensor_distribution!r} where a condition was expected. Write "
            "`q is not None`, or `bool(tf.reduce_all(q > 0))` for the tensor."
        )

    # So that `array * q` is `q.__rmul__(array)`, a tensor, as it is for `tf.Tensor`.
    __array_priority__ = 100


class SymbolicDistribution(IsTensorLike, TensorDistribution):
    """A `TensorDistribution` made while Keras looks for the shape of a model's output.

    Keras makes a `KerasTensor` of it, so that a subclassed model can end in it.
    """

    @property
    def shape(self) -> tf.TensorShape:
        """The shape of the tensor it converts to."""
        return self.value().shape


def _delegate(name: str) -> Callable:
    def method(self: TensorDistribution, *args: Any, **kwargs: Any) -> tf.Tensor:
        return getattr(self.tensor_distribution, name)(*args, **kwargs)

    method.__name__ = f"_{name}"
    return method


for _name in _DELEGATED:
    setattr(TensorDistribution, f"_{_name}", _delegate(_name))


def _overload(operator: str) -> Callable:
    def method(self: TensorDistribution, *args: Any) -> tf.Tensor:
        return getattr(self.value(), operator)(*args)

    method.__name__ = operator
    return method


# Not `==`: a distribution is a key in caches of TFP's.
for _name in overloadable_operators() - {"__eq__", "__ne__"}:
    setattr(TensorDistribution, _name, _overload(_name))


def _to_tensor(
    value: TensorDistribution, dtype: Any = None, name: Any = None, as_ref: bool = False
) -> tf.Tensor:
    tensor = value.value()
    if dtype is not None and not tf.as_dtype(dtype).is_compatible_with(tensor.dtype):
        tensor = tf.cast(tensor, dtype)
    return tensor


tf.register_tensor_conversion_function(TensorDistribution, _to_tensor)


@tfd.RegisterKL(TensorDistribution, TensorDistribution)
@tfd.RegisterKL(TensorDistribution, tfd.Distribution)
@tfd.RegisterKL(tfd.Distribution, TensorDistribution)
def _kl(a: tfd.Distribution, b: tfd.Distribution, name: str | None = None) -> tf.Tensor:
    return tfd.kl_divergence(sampling.unwrap(a), sampling.unwrap(b), name=name)
