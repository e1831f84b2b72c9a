"""The bijector of autoregressive flows, whose gradient needs no unrolled loop."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

tfb = tfp.bijectors

__all__ = ["MaskedAutoregressive"]

ShiftAndLogScale = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class MaskedAutoregressive(tfb.Bijector):
    """y_i = x_i exp(s_i(y_<i)) + m_i(y_<i): one pass from y to x, D passes from x to y.

    As `tfb.MaskedAutoregressiveFlow`, whose gradient through the D passes keeps them all
    in memory, and has no XLA kernel where the batch size is unknown when the graph is
    made. Here y is the fixed point of y = F(y), F(y) = x exp(s(y)) + m(y), and a gradient
    g on y is one on F of

        u = g + J^T u = sum_k (J^T)^k g,    J = dF/dy,

    whose sum ends after D terms, since J is strictly triangular in the flow's order.

    Args:
        shift_and_log_scale_fn: from y `[*batch, D]` to m and s, each `[*batch, D]`.
        validate_args: as TFP's.
        name: as TFP's.

    Source: Papamakarios, Pavlakou, Murray. Masked autoregressive flow for density
    estimation. arXiv 1705.07057.
    """

    def __init__(
        self,
        shift_and_log_scale_fn: ShiftAndLogScale,
        validate_args: bool = False,
        name: str = "masked_autoregressive",
    ) -> None:
        parameters = dict(locals())
        self._shift_and_log_scale = shift_and_log_scale_fn
        super().__init__(
            forward_min_event_ndims=1,
            validate_args=validate_args,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {}

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        shift, log_scale = self._shift_and_log_scale(y)
        return (y - shift) * tf.exp(-log_scale)

    def _inverse_log_det_jacobian(self, y: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_sum(self._shift_and_log_scale(y)[1], axis=-1)

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        size = x.shape[-1]

        def step(y: tf.Tensor) -> tf.Tensor:
            shift, log_scale = self._shift_and_log_scale(y)
            return x * tf.exp(log_scale) + shift

        # Each pass makes one more dimension correct; the last has the gradient.
        y = tf.stop_gradient(_repeat(step, tf.zeros_like(x), size - 1))
        return _with_gradient_of_fixed_point(step(y), y, step, size)


def _with_gradient_of_fixed_point(
    value: tf.Tensor, y: tf.Tensor, step: Callable[[tf.Tensor], tf.Tensor], size: int
) -> tf.Tensor:
    """`value`, F(y) at the fixed point, with the fixed point's gradient."""

    @tf.custom_gradient
    def identity(value: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            def pull_back(total: tf.Tensor) -> tf.Tensor:
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(y)
                    moved = step(y)
                return upstream + tape.gradient(moved, y, total)

            return _repeat(pull_back, upstream, size - 1)

        return tf.identity(value), gradient

    return identity(value)


def _repeat(
    function: Callable[[tf.Tensor], tf.Tensor], value: tf.Tensor, times: int
) -> tf.Tensor:
    """`function`, applied `times` times."""
    # The first call is outside the loop: it sets the shape, and XLA needs one step or more.
    if times > 0:
        value = function(value)
    if times > 1:
        (value,) = tf.while_loop(
            lambda _: True,
            lambda value: (function(value),),
            (value,),
            maximum_iterations=times - 1,
        )
    return value
