"""One of D categories as a one-hot vector, and mixtures of such."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import canonical_size, check_params
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.mixture import components_and_logits

tfd = tfp.distributions

__all__ = ["CategoricalMixtureOfOneHotCategorical", "OneHotCategorical"]


class _Categorical(DistributionLayer):
    """Base of the two: a number of categories, and the dtype of samples."""

    size_arguments: tuple[str, ...] = ("event_size",)
    option_arguments = ("sample_dtype",)

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        sample_dtype: Any = None,
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.event_size = canonical_size(event_size, "event_size")
        self.event_shape = (self.event_size,)
        self.sample_dtype = sample_dtype and tf.as_dtype(sample_dtype).name

    def check_support(self, values: np.ndarray, name: str = "x") -> None:
        """Raises a ValueError if a row of `values` is not one 1 among zeros."""
        values = np.asarray(values)
        is_binary = np.isin(values, (0, 1)).all(axis=-1)
        wrong = ~(is_binary & (values.sum(axis=-1) == 1))
        if wrong.any():
            raise ValueError(
                f"`{name}` must be one-hot, a single 1 among zeros along the last "
                f"dimension, for `{self._call_text()}`; received {values[wrong][0]}. Use "
                "`keras.ops.one_hot` where the data are numbers of categories."
            )


@register
class OneHotCategorical(_Categorical):
    """One of D categories as a one-hot vector, P(x = e_i) = softmax(logits)_i.

    Args:
        event_size: the number of categories, D.
        convert_to_tensor_fn: see `DistributionLayer`.
        sample_dtype: the dtype of samples; the parameters' unless given.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, D]`: logits.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if `event_size` is no integer.
        ValueError: if it is below 1, or if `inputs` ends in another size.

    >>> OneHotCategorical(4)(tf.zeros([3, 4])).mean()[0].numpy()
    array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """

    @staticmethod
    def new(
        params: tf.Tensor,
        event_size: int,
        dtype: Any = None,
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, D]`."""
        check_params(params, event_size)
        return tfd.OneHotCategorical(
            logits=tf.ensure_shape(params, [*params.shape[:-1], event_size]),
            dtype=dtype or params.dtype,
            validate_args=validate_args,
        )

    @staticmethod
    def params_size(event_size: int) -> int:
        """The number of parameters of D categories: D."""
        return canonical_size(event_size, "event_size")


@register
class CategoricalMixtureOfOneHotCategorical(_Categorical):
    """A mixture of one-hot categoricals, P(x = e_i) = sum_k w_k softmax(logits_k)_i.

    `mean()` is that vector, and `log_mean()` its logarithm, computed as such.

    Args:
        event_size: the number of categories, D.
        num_components: the number of components, K.
        convert_to_tensor_fn: see `DistributionLayer`.
        sample_dtype: the dtype of samples; the parameters' unless given.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, K (1 + D)]`: the logits of w, then those of each component.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if `event_size` or `num_components` is no integer.
        ValueError: if one is below 1, or if `inputs` ends in another size.

    >>> layer = CategoricalMixtureOfOneHotCategorical(4, num_components=2)
    >>> layer(tf.zeros([3, 10])).log_mean().shape.as_list()
    [3, 4]
    """

    size_arguments = ("event_size", "num_components")

    def __init__(
        self,
        event_size: int,
        num_components: int,
        convert_to_tensor_fn: str | Callable = "sample",
        sample_dtype: Any = None,
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            event_size, convert_to_tensor_fn, sample_dtype, validate_args, **kwargs
        )
        self.num_components = canonical_size(num_components, "num_components")

    @staticmethod
    def new(
        params: tf.Tensor,
        event_size: int,
        num_components: int,
        dtype: Any = None,
        validate_args: bool = False,
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, K (1 + D)]`."""
        logits, components = components_and_logits(params, num_components, event_size)
        return _MixtureOfOneHotCategorical(
            tfd.Categorical(logits=logits),
            OneHotCategorical.new(components, event_size, dtype, validate_args),
            validate_args=validate_args,
        )

    @staticmethod
    def params_size(event_size: int, num_components: int) -> int:
        """The number of parameters: K (1 + D)."""
        size = canonical_size(event_size, "event_size")
        return canonical_size(num_components, "num_components") * (1 + size)

    def _params_rule(self) -> str:
        return f"{self.num_components}·(1 + {self.event_size}) = {self._params_size()}"


class _MixtureOfOneHotCategorical(tfd.MixtureSameFamily):
    """TFP's mixture, with the logarithm of its mean."""

    def log_mean(self) -> tf.Tensor:
        """log sum_k w_k softmax(logits_k), `[*batch, D]`."""
        weights = tf.math.log_softmax(self.mixture_distribution.logits_parameter())
        logits = self.components_distribution.logits_parameter()
        joint = weights[..., tf.newaxis] + tf.math.log_softmax(logits)
        return tf.reduce_logsumexp(joint, axis=-2)

    def _mean(self) -> tf.Tensor:
        return tf.exp(self.log_mean())
