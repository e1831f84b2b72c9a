"""Descent of any f-divergence from data to generator, through samples."""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from tfgen.losses.gan.base import GANLoss
from tfgen.losses.gan.exponentials import mean_exp, mean_expm1
from tfgen.losses.gan.general import serialize_function

__all__ = ["FDivergence"]


@keras.saving.register_keras_serializable("tfgen")
class FDivergence(GANLoss):
    """The generator descends D_f(p_data ‖ p_gen) = E_gen f(r), r = p_data / p_gen.

    With r = exp(a) at the optimal D, and D held fixed, the generator minimises

        E h(r),    h(r) = f(r) - r f′(r),

    whose gradient through the sample is the divergence's; E f(r) itself has the wrong
    one, since p_gen is in r too. These are built in, written in terms of a so that they
    overflow only where the value itself does:

        name                 f(r)                                h
        "kl"                 r log r                             -exp(a)
        "reverse_kl"         -log r                              -a
        "jensen_shannon"     ½ [r log r - (1 + r) log ½(1 + r)]  ½ [log 2 - softplus(a)]
        "pearson"            (r - 1)²                            1 - exp(2a)
        "squared_hellinger"  (√r - 1)²                           1 - exp(a/2)
        "alpha"              (r^α - 1 - α(r - 1)) / (α(α - 1))   (1 - exp(αa)) / α

    h is defined up to a constant. The α family runs through them: α = 1 is KL
    (maximum likelihood), α = 0 reverse KL, α = 2 half of Pearson's χ², α = ½ twice
    the squared Hellinger distance. The larger α, the more the generator covers and
    the greater the variance of its gradient.

    Args:
        f: A name of the table, or a convex function of r, `[batch]` → `[batch]`, by
            TensorFlow operations that can be differentiated twice. A function sees
            r = exp(a), which in float32 is 0 below a = -103 and infinite above 88.7.
            To be saved it must be registered by
            `keras.saving.register_keras_serializable`.
        alpha: α, for `f="alpha"` only.

    Raises:
        TypeError: If `f` is neither a name nor callable.
        ValueError: If the name is unknown, or `alpha` is missing, not finite or given
            to another `f`.

    >>> import tfgen
    >>> float(tfgen.losses.FDivergence("reverse_kl")([2.0]))
    -2.0
    >>> float(tfgen.losses.FDivergence(lambda r: (r - 1.0) ** 2)([0.0]))
    0.0

    [1] Nowozin et al., f-GAN: training generative neural samplers using variational
        divergence minimization. arXiv:1606.00709
    """

    def __init__(
        self, f: str | Callable[[tf.Tensor], tf.Tensor], alpha: float | None = None
    ):
        if not (isinstance(f, str) or callable(f)):
            raise TypeError(
                f"`f` must be a name or a function of r = exp(a); received {f!r}. "
                f"Known names: {_known()}."
            )
        if isinstance(f, str) and f != "alpha" and f not in _OBJECTIVES:
            raise ValueError(
                f"`f` must be a known f-divergence or a function of r = exp(a); "
                f"received {f!r}. Known names: {_known()}."
            )
        if (f == "alpha") != (alpha is not None):
            raise ValueError(
                '`alpha` must be given for `f="alpha"` and for no other; '
                f"received f={f!r}, alpha={alpha!r}."
            )
        if alpha is not None and not math.isfinite(alpha):
            raise ValueError(f"`alpha` must be finite; received {alpha!r}.")
        self.f = f
        self.alpha = alpha
        is_mild = f in ("reverse_kl", "jensen_shannon") or alpha == 0.0
        self.weighs_by_ratio = self.can_overflow = not is_mild

    def objective(self, logits: tf.Tensor) -> tf.Tensor:
        """E h(exp(a)), from logits."""
        if self.alpha is not None:
            return _alpha_objective(logits, self.alpha)
        if isinstance(self.f, str):
            return _OBJECTIVES[self.f](logits)
        return _general_objective(logits, self.f)

    def get_config(self) -> dict:
        """The constructor's arguments, a function `f` by its registered name."""
        f = self.f if isinstance(self.f, str) else serialize_function(self.f)
        return {"f": f, "alpha": self.alpha}

    @classmethod
    def from_config(cls, config: dict) -> "FDivergence":
        """The loss that `get_config` described."""
        f = config["f"]
        if not isinstance(f, str):
            f = keras.saving.deserialize_keras_object(f)
        return cls(f, alpha=config["alpha"])


def _alpha_objective(logits: tf.Tensor, alpha: float) -> tf.Tensor:
    if alpha == 0.0:
        return -tf.reduce_mean(logits)
    return -mean_expm1(alpha * logits) / alpha


def _jensen_shannon_objective(logits: tf.Tensor) -> tf.Tensor:
    return 0.5 * (math.log(2.0) - tf.reduce_mean(tf.math.softplus(logits)))


def _general_objective(logits: tf.Tensor, f: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    ratio = tf.exp(logits)
    with tf.GradientTape() as tape:
        tape.watch(ratio)
        value = f(ratio)
    return tf.reduce_mean(value - ratio * tape.gradient(value, ratio))


_OBJECTIVES = {
    "kl": lambda a: -mean_exp(a),
    "reverse_kl": lambda a: -tf.reduce_mean(a),
    "jensen_shannon": _jensen_shannon_objective,
    "pearson": lambda a: -mean_expm1(2.0 * a),
    "squared_hellinger": lambda a: -mean_expm1(0.5 * a),
}


def _known() -> str:
    return ", ".join(repr(name) for name in [*_OBJECTIVES, "alpha"])
