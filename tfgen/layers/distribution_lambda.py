"""Any function from tensors to a distribution, as a layer."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.base import DistributionLayer, register
from tfgen.layers.conversion import function_config
from tfgen.layers.sampling import unwrap
from tfgen.layers.tensor_distribution import TensorDistribution
from tfgen.layers.undocumented import entry_layer

tfd = tfp.distributions

__all__ = ["DistributionLambda"]


@register
class DistributionLambda(DistributionLayer):
    """The distribution that a function, or a class of TFP, makes of the inputs.

    A file holds names, never code: a function is saved by the name it was registered
    under with `keras.saving.register_keras_serializable`, a class by its own. A lambda
    works until the model is saved.

    Args:
        make_distribution_fn: a function that takes what the layer is called on and
            returns a `tfd.Distribution`; or a class of `tfd`, or its name, to which a
            tensor, a list of tensors or a dict of them is passed as its arguments.
        convert_to_tensor_fn: see `DistributionLayer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: a tensor, or a list or dict of tensors.

    Returns:
        The function's distribution.

    Raises:
        TypeError: if `make_distribution_fn` is neither a function nor a class of `tfd`,
            or when it returns no distribution.
        ValueError: if it is a name that `tfd` does not have; when the layer is called,
            if the function uses a trainable variable that nothing trains; or, when the
            layer is saved, if it is a function that is not registered.

    >>> layer = DistributionLambda(lambda t: tfd.Normal(t[..., 0], tf.exp(t[..., 1])))
    >>> layer(tf.zeros([3, 2])).stddev().numpy()
    array([1., 1., 1.], dtype=float32)
    >>> DistributionLambda("Poisson")(tf.fill([3], 2.0)).mean().numpy()
    array([2., 2., 2.], dtype=float32)
    """

    # The function is trusted with parameters of the rank it was called with only.
    any_batch = False

    def __init__(
        self,
        make_distribution_fn: str | type | Callable,
        convert_to_tensor_fn: str | Callable = "sample",
        **kwargs: Any,
    ) -> None:
        super().__init__(convert_to_tensor_fn, **kwargs)
        self.make_distribution_fn = _canonical_function(make_distribution_fn)

    def build(self, input_shape: Any) -> None:
        """Nothing: the layer has no weights, and any inputs are the function's to check."""

    def call(self, inputs: Any) -> TensorDistribution:
        """The distribution that the function makes of `inputs`."""
        with tf.GradientTape() as tape:
            distribution = self.distribution(inputs)
        used = (*tape.watched_variables(), *unwrap(distribution).trainable_variables)
        self._check_trained(used)
        return self._regularized(distribution)

    def _check_trained(self, used: Sequence[tf.Variable]) -> None:
        """Raises a ValueError if the function uses a variable that no layer has."""
        if not used:
            return
        with tf.GradientTape() as tape:
            for variable in (*self.variables, *entry_layer(self).variables):
                tf.convert_to_tensor(variable)
        known = {variable.ref() for variable in tape.watched_variables()}
        unknown = [variable.name for variable in used if variable.ref() not in known]
        if unknown:
            raise ValueError(
                "`make_distribution_fn` must use only variables that belong to a layer; "
                f"received {self.make_distribution_fn!r}, which uses {unknown[0]!r}. "
                "`fit` would not train it. Give it to the layer before its first call, by "
                "`layer.s = layer.add_weight(...)` or `layer.net = "
                "keras.layers.Dense(2)`, and use `layer.s` or `layer.net` in the function."
            )

    def distribution(self, params: Any) -> TensorDistribution:
        """The distribution that the function makes of `params`."""
        params = keras.tree.map_structure(self._prepare, params)
        return self._tensor_distribution(
            self._distribution(params), params, self.distribution
        )

    def _prepare(self, value: Any) -> tf.Tensor:
        value = tf.convert_to_tensor(value)
        return tf.cast(value, self.variable_dtype) if value.dtype.is_floating else value

    def _distribution(self, params: Any) -> tfd.Distribution:
        function = self.make_distribution_fn
        if not isinstance(function, type):
            distribution = function(params)
        elif isinstance(params, dict):
            distribution = function(**params)
        elif isinstance(params, list | tuple):
            distribution = function(*params)
        else:
            distribution = function(params)
        if not isinstance(distribution, tfd.Distribution):
            raise TypeError(
                "`make_distribution_fn` must return a `tfd.Distribution`; received "
                f"{distribution!r} from {function!r}."
            )
        return distribution

    def compute_output_shape(self, input_shape: Any) -> tuple:
        """The shape of the tensor that the distribution converts to."""
        inputs = keras.tree.map_shape_structure(
            lambda shape: keras.KerasTensor(shape, dtype=self.variable_dtype), input_shape
        )
        return self.compute_output_spec(inputs).shape

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """A `KerasTensor` of the shape of the tensor that the output converts to."""
        return self._traced_output_spec(inputs)

    def _call_text(self) -> str:
        return f"{type(self).__name__}({self.make_distribution_fn!r})"

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; functions and classes by name."""
        function = self.make_distribution_fn
        if isinstance(function, type):
            made_by = function.__name__
        else:
            made_by = function_config(function, "make_distribution_fn")
        return {**super().get_config(), "make_distribution_fn": made_by}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DistributionLambda":
        """The layer that `get_config` described."""
        function = keras.saving.deserialize_keras_object(config["make_distribution_fn"])
        return super().from_config({**config, "make_distribution_fn": function})


def _canonical_function(function: Any) -> type | Callable:
    if isinstance(function, str):
        found = getattr(tfd, function, None)
        if not (isinstance(found, type) and issubclass(found, tfd.Distribution)):
            raise ValueError(
                "`make_distribution_fn` must be a function or the name of a class of "
                f"`tfp.distributions`; received {function!r}, which is neither."
            )
        return found
    if isinstance(function, type):
        # A class of the user's own may have the name of one of TFP's.
        if function in vars(tfd).values():
            return function
    elif callable(function):
        return function
    raise TypeError(
        "`make_distribution_fn` must be a function that returns a distribution, or a class "
        f"of `tfp.distributions`; received {function!r}. Wrap a class of your own in a "
        "function."
    )
