"""Scales S of Gaussians: fast, with a gradient, and with kernels in XLA."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

__all__ = ["DiagPlusLowRank", "InvertibleMatrix", "LowerTriangular"]


class InvertibleMatrix(tf.linalg.LinearOperatorFullMatrix):
    """A square matrix whose determinant and solves go through S = Q R.

    TensorFlow's own go through LU, which has no gradient, and `slogdet`, which has no
    XLA kernel.
    """

    def _factors(self) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.linalg.qr(self.matrix)

    def _log_abs_determinant(self) -> tf.Tensor:
        diagonal = tf.linalg.diag_part(self._factors()[1])
        return tf.reduce_sum(tf.math.log(tf.abs(diagonal)), axis=-1)

    def _matmul(
        self, x: tf.Tensor, adjoint: bool = False, adjoint_arg: bool = False
    ) -> tf.Tensor:
        return _matmul(self.matrix, x, adjoint, adjoint_arg)

    def _solve(
        self, rhs: tf.Tensor, adjoint: bool = False, adjoint_arg: bool = False
    ) -> tf.Tensor:
        q, r = self._factors()
        if adjoint_arg:
            rhs = tf.linalg.adjoint(rhs)
        if adjoint:
            return q @ _triangular_solve(r, rhs, adjoint=True)
        return _triangular_solve(r, tf.matmul(q, rhs, adjoint_a=True))


class LowerTriangular(tf.linalg.LinearOperatorLowerTriangular):
    """A lower triangular matrix whose diagonal is known to be positive.

    TensorFlow's own, of which this is one, puts zeros above the diagonal at every use.

    Args:
        matrix: `[*batch, D, D]`, zero above the diagonal.
        diagonal: its diagonal, `[*batch, D]`.
    """

    def __init__(self, matrix: tf.Tensor, diagonal: tf.Tensor) -> None:
        super().__init__(matrix, is_non_singular=True, name="LowerTriangular")
        self.matrix = matrix
        self.diagonal = diagonal

    def _to_dense(self) -> tf.Tensor:
        return self.matrix

    def _diag_part(self) -> tf.Tensor:
        return self.diagonal

    def _log_abs_determinant(self) -> tf.Tensor:
        return tf.reduce_sum(tf.math.log(self.diagonal), axis=-1)

    def _matmul(
        self, x: tf.Tensor, adjoint: bool = False, adjoint_arg: bool = False
    ) -> tf.Tensor:
        return _matmul(self.matrix, x, adjoint, adjoint_arg)

    def _solve(
        self, rhs: tf.Tensor, adjoint: bool = False, adjoint_arg: bool = False
    ) -> tf.Tensor:
        rhs = tf.linalg.adjoint(rhs) if adjoint_arg else rhs
        return _triangular_solve(self.matrix, rhs, lower=True, adjoint=adjoint)


class DiagPlusLowRank(tf.linalg.LinearOperatorLowRankUpdate):
    """diag(sigma) + U U^T, through the rank x rank matrix C = I + U^T diag(1 / sigma) U.

    TensorFlow's own, of which this is one, adds that identity in a way whose gradient has
    no XLA kernel where the batch size is unknown when the graph is made. Determinants and
    solves are computed in float64: with a sigma of 1e-12 the identity in C would be lost
    to float32's rounding, and the terms of a gradient would overflow.

    Args:
        sigma: `[*batch, D]`, positive.
        factor: U, `[*batch, D, rank]`.
    """

    def __init__(self, sigma: tf.Tensor, factor: tf.Tensor) -> None:
        super().__init__(
            tf.linalg.LinearOperatorDiag(sigma, is_positive_definite=True),
            u=factor,
            is_self_adjoint=True,
            is_positive_definite=True,
            name="DiagPlusLowRank",
        )

    def _double(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Sigma, U and the Cholesky factor of C, in float64."""
        sigma = tf.cast(self.base_operator.diag, tf.float64)
        factor = tf.cast(self.u, tf.float64)
        scaled = factor / sigma[..., tf.newaxis]
        identity = tf.eye(factor.shape[-1], dtype=tf.float64)
        capacitance = identity + tf.matmul(factor, scaled, adjoint_a=True)
        return sigma, factor, tf.linalg.cholesky(capacitance)

    def _log_abs_determinant(self) -> tf.Tensor:
        sigma, _, cholesky = self._double()
        diagonal = tf.linalg.diag_part(cholesky)
        log_determinant = tf.reduce_sum(tf.math.log(sigma), axis=-1)
        log_determinant += 2.0 * tf.reduce_sum(tf.math.log(diagonal), axis=-1)
        return tf.cast(log_determinant, self.dtype)

    def _solve(
        self, rhs: tf.Tensor, adjoint: bool = False, adjoint_arg: bool = False
    ) -> tf.Tensor:
        # Woodbury: S^-1 = diag^-1 - diag^-1 U C^-1 U^T diag^-1; S is its own adjoint.
        rhs = tf.linalg.adjoint(rhs) if adjoint_arg else rhs
        sigma, factor, cholesky = self._double()
        sigma = sigma[..., tf.newaxis]
        first = tf.cast(rhs, tf.float64) / sigma
        inner = tf.matmul(factor, first, adjoint_a=True)
        inner = _triangular_solve(cholesky, inner, lower=True)
        inner = _triangular_solve(cholesky, inner, lower=True, adjoint=True)
        return tf.cast(first - tf.matmul(factor, inner) / sigma, self.dtype)


def _matmul(matrix: tf.Tensor, x: tf.Tensor, adjoint: bool, adjoint_arg: bool) -> tf.Tensor:
    """`tf.matmul`, for x with further leading dimensions."""

    def product(columns: tf.Tensor) -> tf.Tensor:
        return tf.matmul(matrix, columns, adjoint_a=adjoint)

    return _on_columns(product, matrix, tf.linalg.adjoint(x) if adjoint_arg else x)


def _triangular_solve(
    matrix: tf.Tensor, rhs: tf.Tensor, lower: bool = False, adjoint: bool = False
) -> tf.Tensor:
    """`tf.linalg.triangular_solve`, for a `rhs` with further leading dimensions."""

    def solve(columns: tf.Tensor) -> tf.Tensor:
        # The XLA kernel does not broadcast.
        batch = tf.broadcast_dynamic_shape(tf.shape(matrix)[:-2], tf.shape(columns)[:-2])
        a, b = (
            tf.broadcast_to(value, tf.concat([batch, tf.shape(value)[-2:]], axis=0))
            for value in (matrix, columns)
        )
        return tf.linalg.triangular_solve(a, b, lower=lower, adjoint=adjoint)

    return _on_columns(solve, matrix, rhs)


def _on_columns(
    function: Callable[[tf.Tensor], tf.Tensor], matrix: tf.Tensor, x: tf.Tensor
) -> tf.Tensor:
    """`function` of x, whose leading dimensions beyond the matrix's become columns.

    So matrices are not repeated for them, nor are their gradients before they are summed.
    """
    further = x.shape.rank - matrix.shape.rank
    if further <= 0:
        return function(x)
    order = [*range(further, x.shape.rank), *range(further)]
    moved = tf.transpose(x, order)
    shape = tf.shape(moved)
    columns = tf.reshape(moved, tf.concat([shape[: matrix.shape.rank - 1], [-1]], axis=0))
    columns = tf.ensure_shape(columns, [*moved.shape[: matrix.shape.rank - 1], None])
    result = tf.reshape(function(columns), shape)
    return tf.transpose(tf.ensure_shape(result, moved.shape), np.argsort(order))
