"""Statistics of the latents during `fit`: each unit's KL, and the weights' spread."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import FactoredDistribution, discrete_law, unwrap
from tfgen.losses import IWLB, Bound, elbo
from tfgen.losses.penalties.units import units
from tfgen.losses.weights import Draws
from tfgen.models.lasting_trouble import LastingTrouble

tfd = tfp.distributions

__all__ = ["LatentTrouble", "LatentWatch"]

# A unit with a KL below this, in nats, carries no information.
_LEAST_KL = 0.01
# An effective sample size below this counts as 1.
_LEAST_ESS = 1.1


class _Units(NamedTuple):
    """Values for one latent and each example; `None` if there is no closed form.

    Attributes:
        kl: KL(q(z_d|x) || p(z_d)) of each unit d, `[B, D]`, in nats.
        mean: E_q[z_d], `[B, D]`.
    """

    kl: tf.Tensor | None
    mean: tf.Tensor | None


class LatentWatch(keras.metrics.Metric):
    """Sums of the latents' statistics over an epoch's training steps, on the device.

    Like `LossWatch` it is not logged, but stored as a metric. It is reset at the beginning
    of an epoch by `LatentTrouble`, not by an evaluation.

    Args:
        bound: the model's bound. For an `IWLB` of two samples or more, the effective sample
            size of the weights is also recorded.
    """

    def __init__(self, bound: Bound) -> None:
        super().__init__(name="latent_watch")
        is_weighted = isinstance(bound, IWLB) and bound.num_samples > 1
        self.num_samples = bound.num_samples if is_weighted else 1
        self._sums: dict[str, dict[str, keras.Variable]] = {}
        self._count = self.add_variable((), "zeros", dtype="float64", name="count")
        self._ess = self.add_variable((), "zeros", dtype="float64", name="ess")

    def make_sums(self, posterior: Any, prior: Any) -> None:
        """Makes the variables for a model.

        Args:
            posterior: the posterior of one example.
            prior: the prior of one example.
        """
        zeros = lambda shape, dtype: tf.zeros([1, 1, *shape], dtype)
        if isinstance(posterior, FactoredDistribution):
            shapes, dtypes = posterior.event_shape, posterior.dtype
            z = {name: zeros(shape, dtypes[name]) for name, shape in shapes.items()}
        else:
            z = zeros(posterior.event_shape, posterior.dtype)
        found = _units_of(posterior, prior, Draws(z, tf.zeros([1, 1])))
        with tf.init_scope():  # may be called in the first step
            self._sums = {name: self._make(name, u) for name, u in found.items()}

    def _make(self, latent: str, values: _Units) -> dict[str, keras.Variable]:
        sizes = {}
        if values.kl is not None:
            sizes["kl"] = values.kl.shape[-1]
        if values.mean is not None:
            sizes["mean"] = sizes["square"] = values.mean.shape[-1]
        return {
            name: self.add_variable(
                (size,), "zeros", dtype="float64", name=f"{latent}_{name}"
            )
            for name, size in sizes.items()
        }

    def update_state(
        self, posterior: Any, prior: Any, log_weights: tf.Tensor, draws: Draws, weight: Any
    ) -> None:
        """Adds the values of a training step.

        Args:
            posterior: q(z|x), of batch shape `[B]`.
            prior: p(z), of batch shape `[]` or `[B]`.
            log_weights: `[K, B]`.
            draws: the values of z.
            weight: the weight of each example, `[B]`, or `None`.
        """
        rows = tf.ones(tf.shape(log_weights)[1:], tf.float64)
        if weight is not None:
            rows *= tf.cast(tf.reshape(weight, [-1]), tf.float64)
        self._count.assign_add(tf.reduce_sum(rows))
        if self.num_samples > 1:
            shares = tf.nn.softmax(log_weights, axis=0)
            self._ess.assign_add(_sum(rows, 1.0 / tf.reduce_sum(shares**2, axis=0)))
        for name, values in _units_of(posterior, prior, draws).items():
            sums = self._sums[name]
            if values.kl is not None:
                sums["kl"].assign_add(_sum(rows, values.kl))
            if values.mean is not None:
                mean = tf.cast(values.mean, tf.float64)
                sums["mean"].assign_add(_sum(rows, mean))
                sums["square"].assign_add(_sum(rows, mean**2))

    def result(self) -> tf.Tensor:
        """The sum of the weights of all examples so far."""
        return self._count.value

    @property
    def ess(self) -> float:
        """(sum_k w_k)^2 / sum_k w_k^2 of an example, averaged; 0 if it isn't recorded."""
        return float(self._average(self._ess))

    @property
    def kl(self) -> dict[str, np.ndarray]:
        """Each unit's KL(q(z_d|x) || p(z_d)), averaged, `[D]` by the latent's name."""
        return {
            name: self._average(sums["kl"])
            for name, sums in self._sums.items()
            if "kl" in sums
        }

    @property
    def variance(self) -> dict[str, np.ndarray]:
        """Var_x E_q[z_d] of each unit, `[D]` by the latent's name."""
        return {
            name: self._average(sums["square"]) - self._average(sums["mean"]) ** 2
            for name, sums in self._sums.items()
            if "mean" in sums
        }

    @property
    def latents(self) -> list[str]:
        """The names of the latents."""
        return list(self._sums)

    def _average(self, variable: keras.Variable) -> np.ndarray:
        total, count = (tf.convert_to_tensor(v.value) for v in (variable, self._count))
        with np.errstate(invalid="ignore"):  # before the first step
            return total.numpy() / count.numpy()


class LatentTrouble(LastingTrouble):
    """Warns if z carries no information, or if one sample has all the weight in an IWLB.

    `VAE.fit` adds one by itself.

    Args:
        watch: the statistics of the model's steps.
    """

    def __init__(self, watch: LatentWatch) -> None:
        super().__init__()
        self._watch = watch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Resets the statistics."""
        self._watch.reset_state()

    def troubles(self, logs: dict[str, Any]) -> dict[str, str]:
        """Posterior collapse, and weights that one sample dominates."""
        found = {}
        kl, ess, count = self._largest_kl(logs), self._watch.ess, self._watch.num_samples
        if kl < _LEAST_KL:
            found["collapse"] = (
                f"no unit of z has a KL(q(z|x) || p(z)) of {_LEAST_KL} nats or more; the "
                f"largest is {kl:.1e}. The posterior has collapsed to the prior: z "
                "carries no information about x. Start with a small weight of the KL, by "
                "`tfgen.callbacks.KLWarmup` with loss='elbo'; allow each unit some KL "
                "without a penalty, by compile(penalties=[tfgen.losses.FreeBits(0.1)]); "
                "or make the decoder weaker, so that it needs z."
            )
        if count > 1 and ess < _LEAST_ESS:
            found["ess"] = (
                f"one of the K = {count} importance weights of an example is much larger "
                f"than the others: their effective sample size is {ess:.2f} on average, "
                "so the bound gains little over the ELBO and its gradient is noisy. The "
                "posterior is far from p(z|x): train for some epochs with loss='elbo' "
                "first, end the encoder in a wider family, such as "
                "`tfgen.layers.MultivariateNormalTriL`, or set a lower limit for the "
                "decoder's scale. A larger `num_samples` helps little."
            )
        return found

    def _largest_kl(self, logs: dict[str, Any]) -> float:
        """The largest KL of a unit; that of the whole of z if no unit's is known."""
        by_latent = self._watch.kl
        if by_latent and list(by_latent) == self._watch.latents:
            return max(float(kl.max()) for kl in by_latent.values())
        return float(logs.get("kl", np.inf))


def _units_of(posterior: Any, prior: Any, draws: Draws) -> dict[str, _Units]:
    """The values that are known for each latent's units, by the latent's name."""
    posterior, prior = discrete_law(posterior), discrete_law(prior)
    means = _mean_or_none(posterior)
    if isinstance(posterior, FactoredDistribution):
        factors = {
            name: (posterior.factor(name, draws.z), prior.factor(name, draws.z))
            for name in posterior.layer.factors
        }
        z, means = draws.z, means or {}
    else:
        factors, z = {"z": (posterior, prior)}, {"z": draws.z}
        means = {} if means is None else {"z": means}
    found = {}
    for name, (q, p) in factors.items():
        kl = _kl(_marginals(q), _marginals(p), z[name], draws.log_mass)
        mean = means.get(name)
        batch = tf.shape(draws.log_posterior)[1]
        found[name] = _Units(
            None if kl is None else tf.broadcast_to(kl, [batch, kl.shape[-1]]),
            None if mean is None else _rows(mean, q.event_shape, batch),
        )
    return found


def _mean_or_none(distribution: tfd.Distribution) -> Any:
    try:
        return distribution.mean()
    except NotImplementedError:
        return None


def _marginals(distribution: tfd.Distribution) -> tfd.Distribution | None:
    """The distribution of each unit of a vector `[D]`, of batch shape `[..., D]`."""
    inner = unwrap(distribution)
    try:
        return units(inner, "posterior")
    except ValueError:
        if not isinstance(inner, tfd.MultivariateNormalLinearOperator):
            return None
    scale = inner.scale.to_dense()
    # As a product: summed over rows it took 6 % of a step, at [100, 50, 50].
    variance = tf.linalg.matvec(scale**2, tf.ones(scale.shape[-1:], scale.dtype))
    return tfd.Normal(inner.mean(), tf.sqrt(variance))


def _kl(
    q: tfd.Distribution | None, p: tfd.Distribution | None, z: tf.Tensor, log_mass: Any
) -> tf.Tensor | None:
    """KL(q || p) of each unit, `[B, D]`; averaged over draws if it has no closed form."""
    if q is None or p is None:
        return None
    try:
        kl = tfd.kl_divergence(q, p)
    except NotImplementedError:
        kl = q.log_prob(z) - p.log_prob(z)
    if kl.shape.rank < 3:  # one for all draws
        return kl
    return elbo(kl, None if log_mass is None else log_mass[..., tf.newaxis])


def _rows(mean: tf.Tensor, event_shape: tf.TensorShape, batch: tf.Tensor) -> tf.Tensor:
    """`[B, *latent]`, or `[*latent]`, as `[B, D]`."""
    size = event_shape.num_elements()
    return tf.broadcast_to(tf.reshape(mean, [-1, size]), [batch, size])


def _sum(rows: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """The sum over examples, by their weights `[B]`, of `[B]` or `[B, D]`."""
    return tf.tensordot(rows, tf.cast(values, tf.float64), axes=1)
