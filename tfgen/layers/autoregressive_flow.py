"""Distributions made by autoregressive flows: posteriors beyond one Gaussian."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.autoregressive_bijector import MaskedAutoregressive
from tfgen.layers.autoregressive_network import AutoregressiveNetwork
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.conditioned_flow import ConditionedFlow, bounded_log_scale
from tfgen.layers.sampling import unwrap
from tfgen.layers.tensor_distribution import TensorDistribution
from tfgen.layers.undocumented import accept_distributions

tfb = tfp.bijectors
tfd = tfp.distributions

__all__ = [
    "AutoregressiveTransform",
    "InverseAutoregressiveFlow",
    "MaskedAutoregressiveFlow",
]


@register
class AutoregressiveTransform(DistributionLayer):
    """y = f(x), x of the distribution the layer is called on, f a masked flow.

    y_i = x_i exp(s_i(y_<i)) + m_i(y_<i), with m and s the two outputs of `made`.

    Args:
        made: an `AutoregressiveNetwork` with `params=2`.
        convert_to_tensor_fn: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: a distribution over `[D]`, as a layer of `tfgen.layers` returns it.

    Returns:
        A distribution over `[D]`, of the same batch shape.

    Raises:
        TypeError: if `made` is no `AutoregressiveNetwork`, or `inputs` no distribution.
        ValueError: if `made` has another number of outputs than 2.

    >>> import tfgen
    >>> base = tfgen.layers.MultivariateNormalDiag(2)(tf.zeros([3, 4]))
    >>> flow = AutoregressiveTransform(AutoregressiveNetwork(2, hidden_units=[8]))
    >>> flow(base).log_prob(tf.zeros([3, 2])).shape.as_list()
    [3]

    Source: Papamakarios, Pavlakou, Murray. Masked autoregressive flow for density
    estimation. arXiv 1705.07057.
    """

    # Its parameters are those of the layer before, which may be any.
    any_batch = False

    def __init__(
        self,
        made: AutoregressiveNetwork,
        convert_to_tensor_fn: str | Callable = "sample",
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, **kwargs)
        accept_distributions(self)
        if not isinstance(made, AutoregressiveNetwork):
            raise TypeError(
                f"`made` must be a `tfgen.layers.AutoregressiveNetwork`; received {made!r}."
            )
        if made.params != 2:
            raise ValueError(
                "`made` must have 2 outputs an input, shift and log scale; received "
                f"params={made.params}."
            )
        self.made = made

    def build(self, input_shape: Any = None) -> None:
        """Builds the network, where the shape is known."""
        if input_shape is not None and not self.made.built:
            self.made.build(input_shape)

    def distribution(self, params: tfd.Distribution) -> TensorDistribution:
        """The transformed distribution of `params`, a distribution."""
        base = params
        if not isinstance(base, tfd.Distribution):
            raise TypeError(
                "`inputs` of `AutoregressiveTransform` must be a distribution; received "
                f"{base!r}. Put a distribution layer before it."
            )
        if not self.made.built:
            with tf.init_scope():
                self.build((None, *base.event_shape))
        network = self.made.bind()
        flow = MaskedAutoregressive(lambda y: tf.unstack(network(y), axis=-1))
        inner = unwrap(base)
        # The function alone, so that no tensor of `base` is kept.
        return self._tensor_distribution(
            tfd.TransformedDistribution(inner, flow, validate_args=self.validate_args),
            getattr(base, "raw_parameters", None),
            _Transformed(self, getattr(base, "factory", None)),
        )

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """A `KerasTensor` of the shape of the inputs."""
        return keras.KerasTensor(inputs.shape, dtype=self.variable_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The shape of the inputs."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "made": keras.saving.serialize_keras_object(self.made),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AutoregressiveTransform":
        """The layer that `get_config` described."""
        made = keras.saving.deserialize_keras_object(config["made"])
        return super().from_config({**config, "made": made})


@dataclasses.dataclass(frozen=True)
class _Transformed:
    """Rebuilds a transformed distribution from the base's raw parameters.

    Equal to another of the same layers, so that programs are traced once.
    """

    layer: AutoregressiveTransform
    rebuild_base: Callable | None

    def __call__(self, raw_parameters: tf.Tensor) -> TensorDistribution:
        if self.rebuild_base is None:
            raise TypeError(
                "`raw_parameters` can't be replaced if the base distribution was not made "
                "by a layer of tfgen: put a layer of `tfgen.layers` before "
                "`AutoregressiveTransform`."
            )
        return self.layer.distribution(self.rebuild_base(raw_parameters))


class _AutoregressiveFlow(ConditionedFlow):
    """Base of the two: flows by masked networks."""

    def _make_network(self, number: int) -> AutoregressiveNetwork:
        # The order turns round from flow to flow, so that each dimension comes early.
        return AutoregressiveNetwork(
            2,
            event_shape=self.event_size,
            conditional=self.context_size > 0,
            conditional_event_shape=self.context_size or None,
            hidden_units=self.hidden_units,
            input_order=("left-to-right", "right-to-left")[number % 2],
            activation=self.activation,
            output_initializer="zeros",
            dtype=self.variable_dtype,
            seed=0,
            name=f"network_{number}",
        )


def _shift_and_log_scale(network: Callable) -> Callable:
    def function(y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shift, raw = tf.unstack(network(y), axis=-1)
        return shift, bounded_log_scale(raw)

    return function


@register
class InverseAutoregressiveFlow(_AutoregressiveFlow):
    """z = f_T(... f_1(z_0)), z_0 = mu + sigma * eps, each f one pass to sample.

    A flow is f(z)_i = (z_i - m_i(z_<i, c)) exp(-s_i(z_<i, c)), its m and s by a masked
    network that also sees c, the context. A sample and its log-density take one pass;
    the density of a given z takes D, so this is for posteriors, which are drawn from,
    and estimators that need no more (`"stl"` and `"dreg"` need the density of a z).

    Untrained, the flows are the identity: q is N(mu, diag sigma^2).

    Args:
        event_size: the number of dimensions, D.
        num_flows: T.
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
        ValueError: if one is below 1, or if `inputs` ends in another size.

    >>> q = InverseAutoregressiveFlow(2)(tf.zeros([3, 6]))
    >>> q.sample(5, seed=0).shape.as_list()
    [5, 3, 2]

    Source: Kingma, Salimans, Jozefowicz, Chen, Sutskever, Welling. Improving variational
    inference with inverse autoregressive flow. arXiv 1606.04934.
    """

    def _flow(self, number: int, function: Callable) -> tfb.Bijector:
        return tfb.Invert(MaskedAutoregressive(_shift_and_log_scale(function)))


@register
class MaskedAutoregressiveFlow(_AutoregressiveFlow):
    """z = f_T(... f_1(z_0)), z_0 = mu + sigma * eps, each f one pass to evaluate.

    A flow is f(z)_i = z_i exp(s_i(f_<i, c)) + m_i(f_<i, c), its m and s by a masked
    network that also sees c, the context. The density of a given z takes one pass, a
    sample D: fit for likelihoods and priors, and for posteriors of few dimensions.

    Untrained, the flows are the identity: q is N(mu, diag sigma^2).

    Args:
        event_size: the number of dimensions, D.
        num_flows: T.
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
        ValueError: if one is below 1, or if `inputs` ends in another size.

    >>> MaskedAutoregressiveFlow.params_size(10, context_size=0)
    20

    Source: Papamakarios, Pavlakou, Murray. Masked autoregressive flow for density
    estimation. arXiv 1705.07057.
    """

    def _flow(self, number: int, function: Callable) -> tfb.Bijector:
        return MaskedAutoregressive(_shift_and_log_scale(function))
