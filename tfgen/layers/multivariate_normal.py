"""Reparameterized Gaussians, z = mu + S eps, for every kind of S."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import canonical_size, check_params, to_event
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.linear_operator import DiagPlusLowRank, InvertibleMatrix
from tfgen.layers.multivariate_normal_tril import FastMultivariateNormalTriL
from tfgen.layers.scale import scale_of_raw
from tfgen.layers.triangular import fill_lower_triangle

tfd = tfp.distributions

__all__ = [
    "MultivariateNormalDiag",
    "MultivariateNormalDiagPlusLowRank",
    "MultivariateNormalScale",
    "MultivariateNormalTriL",
]


class _MultivariateNormal(DistributionLayer):
    """Base of the four: one event size, the location first in the parameters."""

    size_arguments: tuple[str, ...] = ("event_size",)

    def __init__(
        self,
        event_size: int,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, validate_args, **kwargs)
        self.event_size = canonical_size(event_size, "event_size")
        self.event_shape = (self.event_size,)


@register
class MultivariateNormalDiag(_MultivariateNormal):
    """z = mu + sigma * eps, of law N(mu, diag sigma^2), with sigma = softplus(raw).

    Args:
        event_size: the number of dimensions, D.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, 2 D]`: mu, then the raw sigma.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if `event_size` is no integer.
        ValueError: if it is below 1, or if `inputs` ends in another size than 2 D.

    >>> q = MultivariateNormalDiag(2)(tf.zeros([3, 4]))
    >>> q.event_shape.as_list(), q.batch_shape.as_list()
    ([2], [3])

    Source: Kingma, Welling. Auto-encoding variational Bayes. arXiv 1312.6114.
    """

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, validate_args: bool = False
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, 2 D]`."""
        check_params(params, 2 * event_size)
        loc, raw_scale = tf.split(params, 2, axis=-1)
        return tfd.MultivariateNormalDiag(
            loc, scale_of_raw(raw_scale), validate_args=validate_args
        )

    @staticmethod
    def params_size(event_size: int) -> int:
        """The number of parameters of a `D`-dimensional event: 2 D."""
        return 2 * canonical_size(event_size, "event_size")

    def _params_rule(self) -> str:
        return f"2·{self.event_size} = {self._params_size()}"


@register
class MultivariateNormalTriL(_MultivariateNormal):
    """z = mu + L eps, of law N(mu, L L^T), L lower triangular with positive diagonal.

    L is TFP's `FillScaleTriL` of the raw values: its diagonal is softplus(raw) + 1e-5.

    Args:
        event_size: the number of dimensions, D.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, D + D (D + 1) / 2]`: mu, then the raw L.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if `event_size` is no integer.
        ValueError: if it is below 1, or if `inputs` ends in another size.

    >>> MultivariateNormalTriL.params_size(50)
    1325
    """

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, validate_args: bool = False
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, D + D (D + 1) / 2]`."""
        check_params(params, MultivariateNormalTriL.params_size(event_size))
        sizes = [event_size, event_size * (event_size + 1) // 2]
        loc, raw = tf.split(params, sizes, axis=-1)
        matrix, diagonal = _fill_scale_tril(raw, event_size)
        return FastMultivariateNormalTriL(
            loc,
            matrix,
            validate_args=validate_args,
            diagonal=diagonal,
        )

    @staticmethod
    def params_size(event_size: int) -> int:
        """The number of parameters of a `D`-dimensional event: D + D (D + 1) / 2."""
        size = canonical_size(event_size, "event_size")
        return size + size * (size + 1) // 2

    def _params_rule(self) -> str:
        size = self.event_size
        return f"{size} + {size}·{size + 1}/2 = {self._params_size()}"


def _fill_scale_tril(raw: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The matrix of `tfb.FillScaleTriL(diag_shift=1e-5)`, and its diagonal."""
    matrix, diagonal = fill_lower_triangle(raw, size)
    diagonal = tf.math.softplus(diagonal) + 1e-5
    below = tf.where(np.tri(size, dtype=bool), matrix, tf.zeros([], raw.dtype))
    return tf.where(np.eye(size, dtype=bool), diagonal[..., tf.newaxis], below), diagonal


@register
class MultivariateNormalScale(_MultivariateNormal):
    """z = mu + S eps, of law N(mu, S S^T), with S = I + raw any invertible matrix.

    S is not kept invertible by construction, but log|det S| keeps training away from
    singular matrices. Let the raw values start near 0, so that S starts near the identity:
    give the layer before small initial weights, such as
    `kernel_initializer=keras.initializers.RandomNormal(stddev=0.01)`. Where S(x) starts
    singular for some x, training converges slowly.

    Args:
        event_size: the number of dimensions, D.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, D + D^2]`: mu, then the raw S, row by row.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if `event_size` is no integer.
        ValueError: if it is below 1, or if `inputs` ends in another size.

    >>> MultivariateNormalScale.params_size(3)
    12
    """

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, validate_args: bool = False
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, D + D^2]`."""
        check_params(params, event_size + event_size**2)
        raw_scale = to_event(params[..., event_size:], (event_size, event_size))
        scale = tf.eye(event_size, dtype=params.dtype) + raw_scale
        return tfd.MultivariateNormalLinearOperator(
            params[..., :event_size],
            InvertibleMatrix(scale, is_non_singular=True, is_square=True),
            validate_args=validate_args,
        )

    @staticmethod
    def params_size(event_size: int) -> int:
        """The number of parameters of a `D`-dimensional event: D + D^2."""
        size = canonical_size(event_size, "event_size")
        return size + size**2

    def _params_rule(self) -> str:
        return f"{self.event_size} + {self.event_size}² = {self._params_size()}"


@register
class MultivariateNormalDiagPlusLowRank(_MultivariateNormal):
    """z = mu + S eps, of law N(mu, S S^T), with S = diag(sigma) + U U^T, U of few columns.

    S is positive definite whatever the parameters are: sigma is softplus of the raw
    values, and U U^T only adds to it. log|det S| and solves cost O(D rank^2).

    Args:
        event_size: the number of dimensions, D.
        rank: the number of columns of U.
        convert_to_tensor_fn: see `DistributionLayer`.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, 2 D + D rank]`: mu, the raw sigma, then U, row by row.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if `event_size` or `rank` is no integer.
        ValueError: if one is below 1, or if `inputs` ends in another size.

    >>> MultivariateNormalDiagPlusLowRank.params_size(50, rank=2)
    200
    """

    size_arguments = ("event_size", "rank")

    def __init__(
        self,
        event_size: int,
        rank: int = 1,
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(event_size, convert_to_tensor_fn, validate_args, **kwargs)
        self.rank = canonical_size(rank, "rank")

    @staticmethod
    def new(
        params: tf.Tensor, event_size: int, rank: int = 1, validate_args: bool = False
    ) -> tfd.Distribution:
        """The TFP distribution at `params` `[*batch, 2 D + D rank]`."""
        check_params(params, event_size * (2 + rank))
        loc, raw_scale, factor = tf.split(
            params, [event_size, event_size, event_size * rank], axis=-1
        )
        scale = DiagPlusLowRank(
            scale_of_raw(raw_scale), to_event(factor, (event_size, rank))
        )
        return tfd.MultivariateNormalLinearOperator(loc, scale, validate_args=validate_args)

    @staticmethod
    def params_size(event_size: int, rank: int = 1) -> int:
        """The number of parameters of a `D`-dimensional event: 2 D + D rank."""
        return canonical_size(event_size, "event_size") * (2 + canonical_size(rank, "rank"))

    def _params_rule(self) -> str:
        size = self.event_size
        return f"2·{size} + {size}·{self.rank} = {self._params_size()}"
