"""What tensor a model's distribution becomes for the layers after it."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.base import register
from tfgen.layers.conversion import canonical_conversion, convert, keeps_shape
from tfgen.layers.undocumented import accept_distributions

tfd = tfp.distributions

__all__ = ["ConvertToTensor"]


@register
class ConvertToTensor(keras.layers.Layer):
    """The mean, or another tensor, of the distribution that the model before it returns.

    Layers after a model that ends in a distribution layer are fed what that layer's
    `convert_to_tensor_fn` selects, by default a draw: for a Bernoulli likelihood, zeros
    and ones without a gradient. `ConvertToTensor("mean")` after a trained
    `tfgen.models.VAE`, or any such model, gives the mean and its gradient, and leaves the
    model as it is.

    Args:
        convert_to_tensor_fn: `"mean"`, `"mode"`, `"stddev"`, `"variance"` or `"sample"`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: a distribution, as a layer of `tfgen.layers` or a model returns it.

    Returns:
        A tensor `[*batch, *event]`.

    Raises:
        ValueError: if `convert_to_tensor_fn` is another name.
        TypeError: if it is no name, or if `inputs` is no distribution.

    >>> import tfgen
    >>> likelihood = tfgen.layers.IndependentBernoulli(2)(tf.zeros([1, 2]))
    >>> ConvertToTensor("mean")(likelihood).numpy()
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, convert_to_tensor_fn: str = "mean", **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        accept_distributions(self)
        function = canonical_conversion(convert_to_tensor_fn, "convert_to_tensor_fn")
        if not keeps_shape(function):
            raise ValueError(
                "`convert_to_tensor_fn` of `ConvertToTensor` must name a tensor of the "
                f"distribution's shape, such as 'mean'; received {convert_to_tensor_fn!r}. "
                "Pass functions to the distribution layer itself."
            )
        self.convert_to_tensor_fn = function

    def build(self, input_shape: Any = None) -> None:
        """Nothing: the layer has no weights."""

    def call(self, inputs: tfd.Distribution) -> tf.Tensor:
        """The tensor, `[*batch, *event]`."""
        if not isinstance(inputs, tfd.Distribution):
            raise TypeError(
                "`inputs` of `ConvertToTensor` must be a distribution; received "
                f"{inputs!r}. Put it directly after a distribution layer, or after a model "
                "that ends in one."
            )
        return tf.convert_to_tensor(convert(inputs, self.convert_to_tensor_fn))

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """A `KerasTensor` of the shape of the inputs."""
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "convert_to_tensor_fn": self.convert_to_tensor_fn,
        }
