"""Distributions made by affine couplings: one pass to sample, one to evaluate."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.base import register
from tfgen.layers.conditioned_flow import ConditionedFlow, bounded_log_scale

tfb = tfp.bijectors

__all__ = ["RealNVP"]


class _CouplingNetwork(keras.layers.Layer):
    """Shift and log scale of some dimensions, from the others and a context.

    Args:
        num_inputs: the number of dimensions that are seen.
        sizes: of the hidden layers and the output; the output begins with zeros.
        context_size: the size of the context, 0 for none.
        activation: of the hidden layers.
        **kwargs: `keras.layers.Layer`'s.
    """

    def __init__(
        self,
        num_inputs: int,
        sizes: Sequence[int],
        context_size: int,
        activation: Callable,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._sizes = [num_inputs, *sizes]
        self._context_size, self._activation = context_size, activation

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        pairs = list(itertools.pairwise(self._sizes))
        self._kernels, self._biases = [], []
        for number, (fan_in, fan_out) in enumerate(pairs):
            initializer = "zeros" if number == len(pairs) - 1 else "glorot_uniform"
            kernel = self._weight(f"kernel_{number}", (fan_in, fan_out), initializer)
            self._kernels.append(kernel)
            self._biases.append(self._weight(f"bias_{number}", (fan_out,), "zeros"))
        if self._context_size:
            shape = (self._context_size, self._sizes[1])
            initializer = "zeros" if len(pairs) == 1 else "glorot_uniform"
            self._context = self._weight("context_kernel", shape, initializer)

    def _weight(self, name: str, shape: tuple, initializer: str) -> keras.Variable:
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, autocast=False
        )

    def bind(self, context: tf.Tensor | None) -> Callable:
        """The network as a function of the dimensions that are seen, `[*batch, d]`."""
        kernels, biases = (
            [tf.convert_to_tensor(weight) for weight in weights]
            for weights in (self._kernels, self._biases)
        )
        if context is not None:
            of_context = tf.tensordot(context, tf.convert_to_tensor(self._context), axes=1)
            biases[0] += of_context

        def network(z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            hidden = z
            for number, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
                hidden = self._activation(hidden) if number else hidden
                hidden = tf.tensordot(hidden, kernel, axes=1) + bias
            shift, raw = tf.split(hidden, 2, axis=-1)
            return shift, bounded_log_scale(raw)

        return network


@register
class RealNVP(ConditionedFlow):
    """z = f_T(... f_1(z_0)), z_0 = mu + sigma * eps, each f an affine coupling.

    A coupling leaves one half of the dimensions, a, as it is, and moves the other, b:

        f(a, b) = (a, b exp(s(a, c)) + m(a, c)),

    its m and s by a network that also sees c, the context. The halves change places from
    flow to flow. A sample, its log-density, and the density of a given z take one pass
    each: fit for posteriors by any estimator, for likelihoods, and for priors
    (`LearnedPrior(RealNVP(D, context_size=0))`).

    Untrained, the flows are the identity: q is N(mu, diag sigma^2).

    Args:
        event_size: the number of dimensions, D, at least 2.
        num_flows: T; 2 move every dimension once.
        hidden_units: the sizes of the hidden layers of each network.
        context_size: the size of c; D unless given, 0 for none.
        activation: of the hidden layers.
        convert_to_tensor_fn: see `DistributionLayer`; TFP has no mean of a flow.
        validate_args: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: `[*batch, 2 D + context_size]`: mu, the raw sigma, then c.

    Returns:
        A distribution over `[D]`, of batch shape `batch`.

    Raises:
        TypeError: if a size is no integer.
        ValueError: if one is too small, or if `inputs` ends in another size.

    >>> q = RealNVP(3)(tf.zeros([2, 9]))
    >>> q.log_prob(q.sample(5, seed=0)).shape.as_list()
    [5, 2]

    Source: Dinh, Sohl-Dickstein, Bengio. Density estimation using Real NVP.
    arXiv 1605.08803.
    """

    def __init__(
        self,
        event_size: int,
        num_flows: int = 4,
        hidden_units: Sequence[int] = (64,),
        context_size: int | None = None,
        activation: Any = "elu",
        convert_to_tensor_fn: str | Callable = "sample",
        validate_args: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(event_size, int) and event_size == 1:
            raise ValueError(
                "`event_size` must be at least 2, since a coupling transforms one half of "
                "the dimensions given the other half; received 1. Use "
                "`MaskedAutoregressiveFlow`."
            )
        super().__init__(
            event_size,
            num_flows,
            hidden_units,
            context_size,
            activation,
            convert_to_tensor_fn,
            validate_args,
            **kwargs,
        )

    def _num_seen(self, number: int) -> int:
        """How many dimensions a flow leaves as they are: the first half, or the last."""
        half = self.event_size // 2
        return self.event_size - half if number % 2 else half

    def _make_network(self, number: int) -> _CouplingNetwork:
        seen = self._num_seen(number)
        return _CouplingNetwork(
            seen,
            [*self.hidden_units, 2 * (self.event_size - seen)],
            self.context_size,
            self.activation,
            dtype=self.variable_dtype,
            name=f"network_{number}",
        )

    def _flow(self, number: int, function: Callable) -> tfb.Bijector:
        seen = self._num_seen(number)
        return tfb.RealNVP(
            num_masked=-seen if number % 2 else seen,
            shift_and_log_scale_fn=lambda z, units: function(z),
        )
