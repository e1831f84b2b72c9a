"""A logistic rounded to whole numbers, the likelihood of 8-bit pixels."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import check_range

tfd = tfp.distributions

__all__ = ["DiscretizedLogistic"]


class DiscretizedLogistic(tfd.Distribution):
    """round(Y), Y ~ Logistic(mu, s), with values beyond `low` or `high` moved to it.

    With a = (x - 1/2 - mu) / s and b = (x + 1/2 - mu) / s, inside the range,

        P(x) = sigmoid(b) - sigmoid(a),
        log P(x) = log sigmoid(b) + log sigmoid(-a) + log(1 - exp(-1 / s)),

    whose second form cancels nowhere, however far x is from mu. At `low` only the first
    term is left, at `high` only the second.

    Args:
        loc: mu, `[*batch]`, in the units of x.
        scale: s > 0, `[*batch]`.
        low: the least value, an integer.
        high: the greatest, above `low`.
        validate_args: as TFP's.
        allow_nan_stats: as TFP's.
        name: as TFP's.

    >>> pixel = DiscretizedLogistic(loc=100.0, scale=5.0)
    >>> float(tf.reduce_sum(pixel.prob(tf.range(256.0))))
    1.0

    Source: Salimans, Karpathy, Chen, Kingma. PixelCNN++. arXiv 1701.05517; without its
    approximation where P(x) is small.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        low: int = 0,
        high: int = 255,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "DiscretizedLogistic",
    ) -> None:
        parameters = dict(locals())
        check_range(low, high)
        self.loc = tf.convert_to_tensor(loc, dtype_hint=tf.float32)
        self.scale = tf.convert_to_tensor(scale, dtype=self.loc.dtype)
        self.low = low
        self.high = high
        super().__init__(
            dtype=self.loc.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=validate_args,
            allow_nan_stats=allow_nan_stats,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict[str, Any]:
        properties = tfp.util.ParameterProperties
        return {"loc": properties(), "scale": properties()}

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        below = tf.math.log_sigmoid((x + 0.5 - self.loc) / self.scale)
        above = tf.math.log_sigmoid((self.loc - (x - 0.5)) / self.scale)
        width = _log1mexp(1.0 / self.scale)
        zero = tf.zeros([], self.dtype)
        inside = (x > self.low) & (x < self.high)
        return (
            tf.where(x < self.high, below, zero)
            + tf.where(x > self.low, above, zero)
            + tf.where(inside, width, zero)
        )

    def _cdf(self, x: tf.Tensor) -> tf.Tensor:
        cdf = tf.math.sigmoid((tf.floor(x) + 0.5 - self.loc) / self.scale)
        cdf = tf.where(x < self.low, tf.zeros([], self.dtype), cdf)
        return tf.where(x >= self.high, tf.ones([], self.dtype), cdf)

    def _quantile(self, value: tf.Tensor) -> tf.Tensor:
        logit = tf.math.log(value) - tf.math.log1p(-value)
        rounded = tf.round(self.loc + self.scale * logit)
        return tf.clip_by_value(rounded, self.low, self.high)

    def _sample_n(self, n: Any, seed: Any = None) -> tf.Tensor:
        shape = tf.concat([[n], self.batch_shape_tensor()], axis=0)
        seed = tfp.random.sanitize_seed(seed)
        # The middles of 2^23 parts, as `tfgen.random`: the logit of 0 is infinite.
        uniform = tf.random.stateless_uniform(
            shape, seed, minval=0, maxval=2**23, dtype=tf.int32
        )
        return self._quantile((tf.cast(uniform, self.dtype) + 0.5) * 2.0**-23)

    def _mean(self) -> tf.Tensor:
        centre, mean, _ = self._moments()
        return centre + mean

    def _variance(self) -> tf.Tensor:
        _, mean, square = self._moments()
        return square - mean**2

    def _moments(self) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """c, E (X - c) and E (X - c)^2, with c the value nearest to mu.

        E (X - c)   = sum_j P(X > c + j) - P(X < c - j),
        E (X - c)^2 = sum_j (2 j + 1) (P(X > c + j) + P(X < c - j)),    j = 0, 1, ...;

        near c nothing cancels. A loop over j needs the memory of one value only.
        """
        centre = tf.clip_by_value(tf.round(tf.stop_gradient(self.loc)), self.low, self.high)
        centre += tf.zeros_like(self.scale)
        zeros = tf.zeros_like(centre)

        def tail(end: tf.Tensor, sign: int, j: tf.Tensor) -> tf.Tensor:
            """The probability of what is more than j away from c, towards `end`."""
            beyond = tf.math.sigmoid((sign * (self.loc - centre) - j - 0.5) / self.scale)
            return tf.where(sign * (end - centre) > j, beyond, zeros)

        def add(j: tf.Tensor, first: tf.Tensor, second: tf.Tensor) -> tuple:
            above, below = tail(self.high, 1, j), tail(self.low, -1, j)
            weight = 2.0 * j + 1.0
            return j + 1.0, first + above - below, second + weight * (above + below)

        _, first, second = tf.while_loop(
            lambda *_: True,
            add,
            (tf.zeros([], self.dtype), zeros, zeros),
            maximum_iterations=self.high - self.low,
        )
        return centre, first, second

    def _mode(self) -> tf.Tensor:
        inner = tf.clip_by_value(tf.round(self.loc), self.low, self.high)
        inner += tf.zeros_like(self.scale)
        # What lies beyond an end may make it the likeliest value.
        ends = [tf.fill(tf.shape(inner), float(end)) for end in (self.low, self.high)]
        candidates = tf.stack([inner, *(tf.cast(end, self.dtype) for end in ends)])
        best = tf.argmax(self._log_prob(candidates), axis=0)
        chosen = tf.one_hot(best, 3, axis=0, dtype=self.dtype)
        return tf.reduce_sum(chosen * candidates, axis=0)


def _log1mexp(x: tf.Tensor) -> tf.Tensor:
    """log(1 - exp(-x)) for x > 0. The gradient of TFP's is NaN at x = 1e-8."""
    is_small = x < np.log(2.0)
    large = tf.where(is_small, tf.ones_like(x), x)
    return tf.where(
        is_small, tf.math.log(-tf.math.expm1(-x)), tf.math.log1p(-tf.exp(-large))
    )
