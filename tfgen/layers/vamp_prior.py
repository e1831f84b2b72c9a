"""The prior that is a mixture of the encoder's own posteriors."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import canonical_size
from tfgen.layers.base import register
from tfgen.layers.normal_mixture import NormalMixture
from tfgen.layers.sampling import unwrap

tfd = tfp.distributions

__all__ = ["VampPrior"]

_UNATTACHED = (
    "`VampPrior` must be attached to an encoder before it is called; received none. Pass "
    "it to `tfgen.models.VAE(prior=...)`, or call `attach(encoder, input_shape)`."
)


@register
class VampPrior(keras.layers.Layer):
    """p(z) = (1 / K) sum_k q(z | u_k), with the pseudo-inputs u_k trained.

    The encoder is the model's own: the model attaches it, and a file holds it once.
    Gradients of log p(z) reach pseudo-inputs and encoder. The encoder is called as in
    inference (dropout off).

    Args:
        num_components: the number of pseudo-inputs, K.
        pseudo_inputs: their first values, `[K, ...]`, such as examples from the training
            data; drawn from N(0, 1) unless given.
        activation: keeps pseudo-inputs where inputs lie, a Keras activation or its name:
            `"sigmoid"` for data in [0, 1], which then start at the sigmoid of their first
            values; none unless given.
        **kwargs: `keras.layers.Layer`'s.

    Returns:
        Called without arguments: a `tfd.MixtureSameFamily` of batch shape ().

    Raises:
        TypeError: if `num_components` is no integer.
        ValueError: if it is below 1, if `pseudo_inputs` has another number of rows, or if
            the prior is called before an encoder was attached.

    >>> import tfgen
    >>> encoder = keras.Sequential([
    ...     keras.layers.Input([8]),
    ...     keras.layers.Dense(4),
    ...     tfgen.layers.MultivariateNormalDiag(2),
    ... ])
    >>> prior = VampPrior(10)
    >>> prior.attach(encoder, (None, 8))
    >>> prior().event_shape.as_list(), len(prior.trainable_weights)
    ([2], 1)

    Source: Tomczak, Welling. VAE with a VampPrior. arXiv 1705.07120.
    """

    def __init__(
        self,
        num_components: int,
        pseudo_inputs: Any = None,
        activation: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_components = canonical_size(num_components, "num_components")
        self.activation = keras.activations.get(activation)
        self._encode: Any = None
        self._encoder: Callable[[], Any] = lambda: None
        self._first_values = None
        if pseudo_inputs is not None:
            self._first_values = np.asarray(pseudo_inputs, self.variable_dtype)
            if self._first_values.shape[:1] != (self.num_components,):
                raise ValueError(
                    f"`pseudo_inputs` must have `num_components`, {self.num_components}, "
                    f"rows; received shape {self._first_values.shape}."
                )

    def attach(self, encoder: keras.layers.Layer, input_shape: Any) -> None:
        """Sets the encoder whose posteriors the prior is a mixture of.

        `tfgen.models.VAE` does this when it is built.

        Args:
            encoder: from inputs to q(z | inputs): an encoder, or a distribution layer,
                whose inputs are a posterior's raw parameters.
            input_shape: the encoder's, `(None, ...)`.

        Raises:
            ValueError: if the encoder takes several inputs, or inputs of another shape
                than the pseudo-inputs have; or if another encoder is attached already.
        """
        if self._encoder() not in (None, encoder):
            raise ValueError(
                "`encoder` must be the one that the `VampPrior` is attached to, since its "
                f"posteriors make up the prior; received {encoder.name!r} after "
                f"{self._encoder().name!r}. Make a prior for each model."
            )
        if not (
            isinstance(input_shape, tuple | list)
            and all(isinstance(size, int | None) for size in input_shape)
        ):
            raise ValueError(
                "`encoder` of a `VampPrior` must take one input; received input shape "
                f"{input_shape}."
            )
        # Functions, since Keras would track and save the encoder a second time.
        self._encoder = lambda: encoder
        self._encode = lambda inputs: encoder(inputs, training=False)
        if not self.built:
            self.build(input_shape)
        shape = tuple(self.pseudo_inputs.shape)[1:]
        if shape != tuple(input_shape)[1:]:
            raise ValueError(
                "`pseudo_inputs` must have the shape of the encoder's inputs, "
                f"{tuple(input_shape)[1:]}; received {shape}."
            )

    def build(self, input_shape: Any) -> None:
        """Makes the pseudo-inputs; before `attach` their shape is unknown."""
        if input_shape is None:
            raise ValueError(_UNATTACHED)
        initializer: Any = keras.initializers.RandomNormal(stddev=1.0)
        shape = (self.num_components, *input_shape[1:])
        if self._first_values is not None:
            values = self._first_values
            shape = values.shape
            initializer = lambda shape, dtype: tf.cast(values, dtype)
        self.pseudo_inputs = self.add_weight(
            name="pseudo_inputs", shape=shape, initializer=initializer, autocast=False
        )

    def call(self, inputs: Any = None) -> tfd.Distribution:
        """p(z)."""
        if self._encode is None:
            raise ValueError(_UNATTACHED)
        posterior = self._encode(self.activation(tf.convert_to_tensor(self.pseudo_inputs)))
        components = unwrap(posterior)
        logits = tf.zeros([self.num_components], components.dtype)
        return NormalMixture.of(logits, components)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; the weights hold the pseudo-inputs."""
        return {
            **super().get_config(),
            "num_components": self.num_components,
            "activation": keras.activations.serialize(self.activation),
        }
