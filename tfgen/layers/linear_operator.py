"""Scales S whose determinant and solves have a gradient, and kernels in XLA."""

import numpy as np
import tensorflow as tf

__all__ = ["DiagPlusLowRank", "InvertibleMatrix"]


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

    def _solve(
        self, rhs: tf.Tensor, adjoint: bool = False, adjoint_arg: bool = False
    ) -> tf.Tensor:
        q, r = self._factors()
        if adjoint_arg:
            rhs = tf.linalg.adjoint(rhs)
        if adjoint:
            return q @ _triangular_solve(r, rhs, adjoint=True)
        return _triangular_solve(r, tf.matmul(q, rhs, adjoint_a=True))


class DiagPlusLowRank(tf.linalg.LinearOperatorLowRankUpdate):
    """diag(sigma) + U U^T, through the rank x rank matrix C = I + U^T diag(1 / sigma) U.

    TensorFlow's own, of which this is one, adds that identity in a way whose gradient has
    no XLA kernel where the batch size is unknown when the graph is made.

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

    def _cholesky_of_capacitance(self) -> tf.Tensor:
        scaled = self.u / self.base_operator.diag[..., tf.newaxis]
        identity = tf.eye(self.u.shape[-1], dtype=self.dtype)
        return tf.linalg.cholesky(identity + tf.matmul(self.u, scaled, adjoint_a=True))

    def _log_abs_determinant(self) -> tf.Tensor:
        diagonal = tf.linalg.diag_part(self._cholesky_of_capacitance())
        capacitance = 2.0 * tf.reduce_sum(tf.math.log(diagonal), axis=-1)
        return capacitance + self.base_operator.log_abs_determinant()

    def _solve(
        self, rhs: tf.Tensor, adjoint: bool = False, adjoint_arg: bool = False
    ) -> tf.Tensor:
        # Woodbury: S^-1 = diag^-1 - diag^-1 U C^-1 U^T diag^-1; S is its own adjoint.
        rhs = tf.linalg.adjoint(rhs) if adjoint_arg else rhs
        sigma = self.base_operator.diag[..., tf.newaxis]
        first = rhs / sigma
        cholesky = self._cholesky_of_capacitance()
        inner = tf.matmul(self.u, first, adjoint_a=True)
        inner = _triangular_solve(cholesky, inner, lower=True)
        inner = _triangular_solve(cholesky, inner, lower=True, adjoint=True)
        return first - tf.matmul(self.u, inner) / sigma


def _triangular_solve(
    matrix: tf.Tensor, rhs: tf.Tensor, lower: bool = False, adjoint: bool = False
) -> tf.Tensor:
    """`tf.linalg.triangular_solve`, for right-hand sides with further leading dimensions.

    Its XLA kernel does not broadcast. The further dimensions become columns, so that the
    matrices are not repeated.
    """
    further = rhs.shape.rank - matrix.shape.rank
    if further > 0:
        order = [*range(further, rhs.shape.rank), *range(further)]
        moved = tf.transpose(rhs, order)
        shape = tf.shape(moved)
        columns = tf.reshape(moved, tf.concat([shape[: matrix.shape.rank - 1], [-1]], 0))
        solved = _triangular_solve(matrix, columns, lower, adjoint)
        return tf.transpose(tf.reshape(solved, shape), np.argsort(order))
    batch = tf.broadcast_dynamic_shape(tf.shape(matrix)[:-2], tf.shape(rhs)[:-2])
    matrix = tf.broadcast_to(matrix, tf.concat([batch, tf.shape(matrix)[-2:]], axis=0))
    rhs = tf.broadcast_to(rhs, tf.concat([batch, tf.shape(rhs)[-2:]], axis=0))
    return tf.linalg.triangular_solve(matrix, rhs, lower=lower, adjoint=adjoint)
