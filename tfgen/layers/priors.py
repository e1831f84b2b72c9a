"""Priors whose parameters are trained: layers that are called on nothing."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import canonical_size
from tfgen.layers.autoregressive_flow import MaskedAutoregressiveFlow
from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.normal_mixture import NormalMixture
from tfgen.layers.scale import scale_of_raw

tfd = tfp.distributions

__all__ = ["FlowPrior", "LearnedPrior", "MixturePrior"]

# softplus of it is 1.
_RAW_ONE = float(np.log(np.expm1(1.0)))


@register
class MixturePrior(keras.layers.Layer):
    """p(z) = sum_k w_k N(z; mu_k, diag sigma_k^2), with w, mu and sigma trained.

    To begin with the components have equal weight, their mu are drawn from N(0, I), and
    their sigma is 1.

    Args:
        event_size: the number of dimensions, D.
        num_components: the number of components.
        **kwargs: `keras.layers.Layer`'s.

    Returns:
        Called without arguments: a `tfd.MixtureSameFamily` over `[D]`, of batch shape ().

    Raises:
        TypeError: if an argument is no integer.
        ValueError: if one is below 1.

    >>> prior = MixturePrior(2, num_components=10)
    >>> prior().event_shape.as_list(), len(prior.trainable_weights)
    ([2], 3)
    """

    def __init__(self, event_size: int, num_components: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.event_size = canonical_size(event_size, "event_size")
        self.num_components = canonical_size(num_components, "num_components")
        shape = (self.num_components, self.event_size)
        # Not cast under a mixed policy: a density is computed in the variables' dtype.
        self.logits = self.add_weight(
            name="logits",
            shape=(self.num_components,),
            initializer="zeros",
            autocast=False,
        )
        self.loc = self.add_weight(
            name="loc",
            shape=shape,
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            autocast=False,
        )
        self.raw_scale = self.add_weight(
            name="raw_scale",
            shape=shape,
            initializer=keras.initializers.Constant(_RAW_ONE),
            autocast=False,
        )
        self.built = True

    def call(self, inputs: Any = None) -> tfd.Distribution:
        """p(z)."""
        scale = scale_of_raw(tf.convert_to_tensor(self.raw_scale))
        return NormalMixture.of(
            tf.convert_to_tensor(self.logits),
            tfd.MultivariateNormalDiag(tf.convert_to_tensor(self.loc), scale),
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "event_size": self.event_size,
            "num_components": self.num_components,
        }


@register
class LearnedPrior(keras.layers.Layer):
    """p(z) of any family of `tfgen.layers`, whose parameters are trained.

    To begin with every parameter is 0: Bernoullis and categoricals are uniform, flows the
    identity. A layer's own weights are trained too.

    Args:
        layer: a distribution layer, such as `IndependentBernoulli([200])`,
            `OneHotCategorical(10)`, `PlanarFlow(8)` or `RealNVP(8, context_size=0)`.
        **kwargs: `keras.layers.Layer`'s.

    Returns:
        Called without arguments: TFP's distribution of the layer, of batch shape ().

    Raises:
        TypeError: if `layer` is no distribution layer.

    >>> import tfgen
    >>> prior = LearnedPrior(tfgen.layers.OneHotCategorical(4))
    >>> prior().probs_parameter().numpy()
    array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """

    def __init__(self, layer: DistributionLayer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(layer, dict):
            layer = keras.saving.deserialize_keras_object(layer)
        if not isinstance(layer, DistributionLayer):
            raise TypeError(
                "`layer` must be a distribution layer of `tfgen.layers`; received "
                f"{layer!r}. Pass one such as `tfgen.layers.IndependentBernoulli([8])`."
            )
        self.layer = layer
        if not layer.built:
            layer.build((layer._params_size(),))
        self.raw_parameters = self.add_weight(
            name="raw_parameters",
            shape=(layer._params_size(),),
            initializer="zeros",
            autocast=False,
        )
        self.built = True

    def call(self, inputs: Any = None) -> tfd.Distribution:
        """p(z)."""
        return self.layer.distribution(self.raw_parameters).tensor_distribution

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}


@register
class FlowPrior(keras.layers.Layer):
    """p(z): N(0, I) through masked autoregressive flows, whose networks are trained.

    See `MaskedAutoregressiveFlow`: the density of z, which training needs, takes one pass
    of each network, a sample D. Untrained, p(z) is N(0, I).

    Args:
        event_size: the number of dimensions, D.
        num_flows: the number of flows.
        hidden_units: the sizes of the hidden layers of each network.
        activation: of the hidden layers.
        **kwargs: `keras.layers.Layer`'s.

    Returns:
        Called without arguments: a `tfd.TransformedDistribution` over `[D]`, of batch
        shape ().

    Raises:
        TypeError: if a size is no integer.
        ValueError: if one is below 1.

    >>> prior = FlowPrior(2)
    >>> round(float(prior().log_prob([0.0, 0.0])), 4)  # -log(2 pi)
    -1.8379

    Source: Papamakarios, Pavlakou, Murray. Masked autoregressive flow for density
    estimation. arXiv 1705.07057; as a prior, Chen et al. Variational lossy autoencoder.
    arXiv 1611.02731.
    """

    def __init__(
        self,
        event_size: int,
        num_flows: int = 2,
        hidden_units: Sequence[int] = (64,),
        activation: Any = "elu",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.flow = MaskedAutoregressiveFlow(
            event_size,
            num_flows=num_flows,
            hidden_units=hidden_units,
            context_size=0,
            activation=activation,
            dtype=self.variable_dtype,
            name="flow",
        )
        self.flow.build((2 * self.flow.event_size,))
        self.built = True

    def call(self, inputs: Any = None) -> tfd.Distribution:
        """p(z)."""
        zeros = np.zeros(self.flow.event_size)
        base = np.concatenate([zeros, zeros + _RAW_ONE])
        return self.flow.distribution(base).tensor_distribution

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        flow = self.flow.get_config()
        names = ("event_size", "num_flows", "hidden_units", "activation")
        return {**super().get_config(), **{name: flow[name] for name in names}}
