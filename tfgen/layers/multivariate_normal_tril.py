"""TFP's Gaussian of a lower triangular scale, on a faster operator."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.linear_operator import LowerTriangular

tfd = tfp.distributions

__all__ = ["FastMultivariateNormalTriL"]


class FastMultivariateNormalTriL(tfd.MultivariateNormalTriL):
    """A `tfd.MultivariateNormalTriL` that trusts its matrix to be lower triangular.

    TFP's puts zeros above the diagonal at every use, and takes the diagonal out of the
    matrix, whose gradient is slow.

    Args:
        loc: mu, `[*batch, D]`.
        scale_tril: L, `[*batch, D, D]`: zero above the diagonal, positive on it.
        validate_args: as TFP's.
        allow_nan_stats: as TFP's.
        experimental_use_kahan_sum: as TFP's, for densities.
        name: as TFP's.
        diagonal: the diagonal of L, `[*batch, D]`, where it is at hand.

    >>> q = FastMultivariateNormalTriL(tf.zeros([2]), tf.constant([[1.0, 0.0], [2.0, 1.0]]))
    >>> q.covariance().numpy()
    array([[1., 2.],
           [2., 5.]], dtype=float32)
    """

    def __init__(
        self,
        loc: Any,
        scale_tril: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        experimental_use_kahan_sum: bool = False,
        name: str = "MultivariateNormalTriL",
        diagonal: tf.Tensor | None = None,
    ) -> None:
        self._matrix = tf.convert_to_tensor(scale_tril)
        if diagonal is None:
            diagonal = tf.linalg.diag_part(self._matrix)
        # Not TFP's constructor, which would make its own operator of the matrix.
        tfd.MultivariateNormalLinearOperator.__init__(
            self,
            loc,
            LowerTriangular(self._matrix, diagonal),
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            experimental_use_kahan_sum=experimental_use_kahan_sum,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict:
        # Of copies and slices. TFP warns of a class that inherits them.
        return super()._parameter_properties(dtype, num_classes)

    @property
    def scale_tril(self) -> tf.Tensor:
        """L, `[*batch, D, D]`."""
        return self._matrix

    @property
    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments, of which copies and slices are made."""
        made_with = super().parameters
        names = ("loc", "validate_args", "allow_nan_stats", "experimental_use_kahan_sum")
        return {
            "scale_tril": self._matrix,
            **{name: made_with[name] for name in (*names, "name")},
        }


@tfd.RegisterKL(FastMultivariateNormalTriL, tfd.MultivariateNormalDiag)
def _kl_from_diagonal(
    q: FastMultivariateNormalTriL, p: tfd.MultivariateNormalDiag, name: str | None = None
) -> tf.Tensor:
    """KL(q || p). TFP's own sums all D^2 squares at once, which XLA makes slow."""
    with tf.name_scope(name or "kl_tril_diag"):
        inverse = 1.0 / p.scale.diag_part()
        squares = tf.square(q.scale_tril * inverse[..., tf.newaxis])
        rows = tf.reduce_sum(squares, axis=-1) + tf.square((p.mean() - q.mean()) * inverse)
        logs = p.scale.log_abs_determinant() - q.scale.log_abs_determinant()
        return logs + 0.5 * tf.reduce_sum(rows - 1.0, axis=-1)
