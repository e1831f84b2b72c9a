"""The KL divergence from a layer's distribution to another, added to a model's loss."""

import numbers
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.base import batch_size, register
from tfgen.layers.conversion import canonical_conversion, conversion_config, convert
from tfgen.layers.distribution_config import deserialize_prior, serialize_prior
from tfgen.layers.undocumented import accept_distributions

tfd = tfp.distributions

__all__ = ["KLDivergenceAddLoss", "KLDivergenceRegularizer"]


@register
class KLDivergenceRegularizer(keras.regularizers.Regularizer):
    """weight * KL(a || b), a the distribution of the layer it regularizes.

    As Keras asks of a regularizer, it returns the total over the batch, which the layer
    divides by the batch size: what is added to the loss is the average over the batch,
    taken once, in nats an example. With `NegativeLogLikelihood` that is the negative ELBO.

    Args:
        distribution_b: b: a `tfd.Distribution` of constants, a Keras layer that returns
            one when called without arguments (its weights are trained), a Keras model,
            which is called on a dummy, or a function that returns one.
        use_exact_kl: whether TFP's closed form is used; else the KL is estimated at the
            test points.
        test_points_reduce_axis: takes what TFP's does, and changes nothing: the estimate
            is averaged over all test points of an example, whatever their shape.
        test_points_fn: draws test points from a: `"sample"`, a function, or `None` for
            the tensor that a converts to.
        weight: a factor; 1 unless given. A variable, such as
            `keras.Variable(0.0, trainable=False)`, is read at every step, so that a
            callback can raise it from 0 to 1; a file holds its value at the time.

    Raises:
        TypeError: if `distribution_b` is of another kind or holds `tf.Variable`s, which no
            Keras optimizer would update, or if `weight` is no number, scalar variable or
            scalar tensor.

    >>> prior = tfd.MultivariateNormalDiag(tf.zeros([2]))
    >>> regularizer = KLDivergenceRegularizer(prior, use_exact_kl=True)
    >>> float(regularizer(tfd.MultivariateNormalDiag(tf.ones([3, 2]))))
    3.0
    """

    def __init__(
        self,
        distribution_b: Any,
        use_exact_kl: bool = False,
        test_points_reduce_axis: Any = (),
        test_points_fn: str | Callable | None = None,
        weight: Any = None,
    ) -> None:
        if not (isinstance(distribution_b, tfd.Distribution) or callable(distribution_b)):
            raise TypeError(
                "`distribution_b` must be a `tfd.Distribution`, or a layer or function "
                f"that returns one; received {distribution_b!r}."
            )
        if getattr(distribution_b, "trainable_variables", ()) and not self._is_layer(
            distribution_b
        ):
            raise TypeError(
                "`distribution_b` must be a Keras layer to be trained; received a "
                f"{type(distribution_b).__name__} with `tf.Variable`s, which no Keras "
                "optimizer would update. Use a prior layer, such as "
                "`tfgen.layers.MixturePrior`, or a distribution of constants."
            )
        _check_weight(weight)
        self.distribution_b = distribution_b
        self.use_exact_kl = bool(use_exact_kl)
        self.test_points_reduce_axis = test_points_reduce_axis
        self.test_points_fn = (
            None
            if test_points_fn in (None, tf.convert_to_tensor)
            else canonical_conversion(test_points_fn, "test_points_fn")
        )
        self.weight = weight

    @staticmethod
    def _is_layer(distribution: Any) -> bool:
        return isinstance(distribution, keras.layers.Layer)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """The layers whose weights are trained with the layer it regularizes."""
        return [self.distribution_b] if self._is_layer(self.distribution_b) else []

    def __call__(self, distribution: tfd.Distribution) -> tf.Tensor:
        """weight * KL, summed over the batch of `distribution`."""
        if not isinstance(distribution, tfd.Distribution):
            raise TypeError(
                "`KLDivergenceRegularizer` must regularize a layer that returns a "
                f"distribution; received {distribution!r}. Pass it as "
                "`activity_regularizer` to a layer of `tfgen.layers`."
            )
        mean = tf.reduce_mean(self._kl(distribution))
        count = tf.reduce_prod(distribution.batch_shape_tensor())
        total = mean * tf.cast(count, mean.dtype)
        if self.weight is None:
            return total
        return tf.cast(tf.convert_to_tensor(self.weight), total.dtype) * total

    def _kl(self, distribution: tfd.Distribution) -> tf.Tensor:
        other = self.distribution_b
        if isinstance(other, keras.Model):
            other = other(tf.zeros([1]))
        elif not isinstance(other, tfd.Distribution):
            other = other()
        if self.use_exact_kl:
            return tfd.kl_divergence(distribution, other)
        if self.test_points_fn is None:
            points = tf.convert_to_tensor(distribution)
        else:
            points = convert(distribution, self.test_points_fn)
        return distribution.log_prob(points) - other.log_prob(points)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        points = self.test_points_fn
        return {
            "distribution_b": serialize_prior(self.distribution_b, "distribution_b"),
            "use_exact_kl": self.use_exact_kl,
            "test_points_reduce_axis": self.test_points_reduce_axis,
            "test_points_fn": points and conversion_config(points, "test_points_fn"),
            "weight": None if self.weight is None else float(self.weight),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KLDivergenceRegularizer":
        """The regularizer that `get_config` described."""
        return cls(**_arguments_of(config))


@register
class KLDivergenceAddLoss(keras.layers.Layer):
    """Adds weight * KL(a || b), averaged over the batch, and passes a on.

    Args:
        distribution_b: see `KLDivergenceRegularizer`.
        use_exact_kl: see `KLDivergenceRegularizer`.
        test_points_reduce_axis: see `KLDivergenceRegularizer`.
        test_points_fn: see `KLDivergenceRegularizer`.
        weight: see `KLDivergenceRegularizer`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: a distribution, as a layer of `tfgen.layers` returns it.

    Returns:
        The same distribution.

    Raises:
        TypeError: as `KLDivergenceRegularizer`, and where `inputs` is no distribution.

    >>> prior = tfd.MultivariateNormalDiag(tf.zeros([2]))
    >>> layer = KLDivergenceAddLoss(prior, use_exact_kl=True)
    >>> posterior = layer(tfd.MultivariateNormalDiag(tf.ones([3, 2])))
    >>> [float(loss) for loss in layer.losses]
    [1.0]
    """

    def __init__(
        self,
        distribution_b: Any,
        use_exact_kl: bool = False,
        test_points_reduce_axis: Any = None,
        test_points_fn: str | Callable | None = None,
        weight: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        accept_distributions(self)
        self.regularizer = KLDivergenceRegularizer(
            distribution_b, use_exact_kl, test_points_reduce_axis, test_points_fn, weight
        )
        # Keras tracks the weights of a regularizer's prior through an attribute only.
        self.regularizer_layers = self.regularizer.layers

    def build(self, input_shape: Any = None) -> None:
        """Nothing: the layer has no weights of its own."""

    def call(self, inputs: Any) -> Any:
        """`inputs`, with their KL divergence added to the loss."""
        total = self.regularizer(inputs)
        self.add_loss(total / batch_size(inputs, total.dtype))
        return inputs

    def compute_output_spec(self, inputs: Any) -> Any:
        """The spec of the inputs."""
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), **self.regularizer.get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "KLDivergenceAddLoss":
        """The layer that `get_config` described."""
        return cls(**_arguments_of(config))


def _check_weight(weight: Any) -> None:
    is_number = isinstance(weight, numbers.Real)
    is_scalar = tf.is_tensor(weight) or isinstance(weight, keras.Variable | tf.Variable)
    if weight is None or is_number or (is_scalar and not tuple(weight.shape)):
        return
    raise TypeError(
        "`weight` must be a number, a scalar variable or a scalar tensor; received "
        f"{weight!r}. Pass `keras.Variable(0.0, trainable=False)` to change it in training."
    )


def _arguments_of(config: dict[str, Any]) -> dict[str, Any]:
    """The constructor's arguments that `get_config` described."""
    other = deserialize_prior(config["distribution_b"])
    points = keras.saving.deserialize_keras_object(config["test_points_fn"])
    return {**config, "distribution_b": other, "test_points_fn": points}
