"""A distribution over several named latents, one factor after the other."""

import functools
import operator
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import sampling
from tfgen.layers.arguments import check_sample_shape
from tfgen.layers.discrete_law import discrete_law
from tfgen.layers.rows import take_rows
from tfgen.layers.tensor_distribution import TensorDistribution

tfd = tfp.distributions

__all__ = ["FactoredDistribution", "factor_key"]


class FactoredDistribution(tfd.Distribution):
    """q(z_1, ..., z_n) = prod_i q(z_i | z_1, ..., z_(i-1)), of named latents z_i.

    What a `JointDistribution` returns. Its values are dicts of tensors by name; the shape
    of `log_prob` is that of samples and batch. `seed` is an integer, a key, keys of the
    rows, or `None`, as for `TensorDistribution`.

    Attributes:
        layer: the `JointDistribution`.
        given: what it was called with, by name, each `[B, ...]`.
    """

    def __init__(
        self,
        layer: Any,
        given: Mapping[str, Any],
        raw_parameters: Mapping[str, tf.Tensor] | None = None,
        training: bool = False,
        is_of_discrete_laws: bool = False,
    ) -> None:
        self._get_layer = lambda: layer  # a `tf.Module` would track the layer itself
        given = dict(given)
        self._get_given = lambda: given
        self._raw = dict(raw_parameters or {})
        self._training = training
        self._is_of_discrete_laws = is_of_discrete_laws
        templates = layer.templates(given)
        if is_of_discrete_laws:
            templates = {n: _of_discrete_law(t) for n, t in templates.items()}
        super().__init__(
            dtype={n: t.dtype for n, t in templates.items()},
            reparameterization_type={
                n: t.reparameterization_type for n, t in templates.items()
            },
            validate_args=False,
            allow_nan_stats=True,
            parameters={},
            name=layer.name,
        )
        self._get_templates = lambda: templates

    @property
    def layer(self) -> Any:
        """The layer that made the distribution."""
        return self._get_layer()

    @property
    def given(self) -> dict[str, Any]:
        """What the layer was called with, by name."""
        return dict(self._get_given())

    def factor(self, name: str, latents: Mapping[str, Any]) -> tfd.Distribution:
        """The distribution of one latent, given those before it.

        Args:
            name: of the latent.
            latents: the latents that are drawn before it, by name, `[*samples, B, ...]`.

        Returns:
            A distribution of batch shape `[*samples, B]`, or of what it depends on.
        """
        template = self._get_templates()[name]
        inputs = self.layer.inputs_of[name]
        if inputs is None:
            made = self.layer.factors[name]
            return discrete_law(made) if self._is_of_discrete_laws else made
        ranks = {n: t.event_shape.rank for n, t in self._get_templates().items()}
        before = {n: latents[n] for n in self.layer.before(name) if n in latents}
        made = inputs.on_samples(before, self.given, ranks, self._training)
        if self._is_of_discrete_laws:
            made = discrete_law(made)
        if name not in self._raw:
            return made
        raw = self._raw[name]
        return made.rebuild(made.raw_parameters + raw if template.is_dependent else raw)

    @property
    def is_discrete(self) -> dict[str, bool]:
        """Whether each latent's values are discrete, by name."""
        return {n: t.is_discrete for n, t in self._get_templates().items()}

    @property
    def is_relaxed(self) -> dict[str, bool]:
        """Whether each latent's factor is a relaxed Bernoulli or categorical, by name."""
        return {n: t.is_relaxed for n, t in self._get_templates().items()}

    @property
    def discrete(self) -> "FactoredDistribution":
        """The same factors, those that are relaxed by their discrete laws."""
        raw = self._raw
        return FactoredDistribution(self.layer, self.given, raw, self._training, True)

    # What each example's own parameters are.

    @property
    def raw_parameters(self) -> dict[str, tf.Tensor]:
        """Parameters of each example's own, by factor, `[B, P]`.

        Those of a factor that depends on no latent are its raw parameters; those of one
        that does are added to its network's output, and are 0 at first. A factor
        that is not made by a layer of `tfgen.layers` has none.
        """
        result = {}
        for name, template in self._get_templates().items():
            if name in self._raw:
                result[name] = self._raw[name]
            elif template.params_size is None:
                continue
            elif template.is_dependent:
                batch = self.batch_shape_tensor()
                shape = tf.concat([batch, [template.params_size]], axis=0)
                result[name] = tf.zeros(shape, template.dtype)
            else:
                result[name] = self.factor(name, {}).raw_parameters
        return result

    def rebuild(self, raw_parameters: Mapping[str, tf.Tensor]) -> "FactoredDistribution":
        """The same factors with other parameters of each example's own."""
        return FactoredDistribution(
            self.layer,
            self.given,
            raw_parameters,
            self._training,
            self._is_of_discrete_laws,
        )

    @property
    def tensors(self) -> dict[str, Any]:
        """What the distribution is made from, each tensor `[B, ...]`; see `factory`."""
        return {"given": self.given, "raw_parameters": self.raw_parameters}

    @property
    def factory(self) -> Any:
        """Makes the distribution from `tensors`: the layer's, and free of any tensor."""
        if self._is_of_discrete_laws:
            return self.layer.discrete_from_tensors
        return self.layer.from_tensors

    def rows(self, index: Any) -> "FactoredDistribution":
        """The distribution of some rows of the batch.

        Args:
            index: a slice, integers, or a mask `[B]`.
        """
        return self.factory(take_rows(self.tensors, index))

    # A distribution.

    def sample(
        self, sample_shape: Any = (), seed: Any = None, name: str = "sample", **_: Any
    ) -> dict[str, tf.Tensor]:
        """Draws of all latents, `[*sample_shape, *batch, *event]` by name."""
        return self._draw(sample_shape, seed)[0]

    def experimental_sample_and_log_prob(
        self, sample_shape: Any = (), seed: Any = None, name: str = "sample", **_: Any
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Draws of all latents, and their log-density, in nats."""
        return self._draw(sample_shape, seed)

    keys = TensorDistribution.keys

    def _next_key(self) -> tf.Tensor:
        return self.layer.next_key()

    sample_and_log_prob = experimental_sample_and_log_prob

    def _draw(self, sample_shape: Any, seed: Any) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        check_sample_shape(sample_shape)
        keys = self.keys(seed)
        shape = tf.reshape(tf.cast(sample_shape, tf.int32), [-1])
        if shape.shape == [0]:
            return sampling.sample_and_log_prob(self, keys)
        count = tf.reduce_prod(shape)
        z, log_prob = sampling.sample_and_log_prob(self, keys, count)
        if shape.shape == [1]:
            return z, log_prob

        def unflatten(value: tf.Tensor) -> tf.Tensor:
            return tf.reshape(value, tf.concat([shape, tf.shape(value)[1:]], axis=0))

        return keras.tree.map_structure(unflatten, z), unflatten(log_prob)

    def log_prob(self, value: Mapping[str, Any], name: str = "log_prob") -> tf.Tensor:
        """log q(z), `[*samples, *batch]`, in nats.

        Args:
            value: every latent by name, `[*samples, *batch, *event]`.
            name: of the operation.

        Raises:
            ValueError: if a latent is missing, or one is not of the distribution.
        """
        names = list(self.layer.factors)
        if not isinstance(value, Mapping) or set(value) != set(names):
            received = sorted(value) if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(
                f"`value` must be a dict with the latents {names}; received {received}."
            )
        value = {n: tf.convert_to_tensor(value[n], dtype_hint=self.dtype[n]) for n in names}
        return _sum([self.factor(n, value).log_prob(value[n]) for n in names])

    def mean(self, name: str = "mean", **_: Any) -> dict[str, tf.Tensor]:
        """The means, where no latent depends on another.

        Raises:
            NotImplementedError: if one does.
        """
        return {n: factor.mean() for n, factor in self._independent("mean").items()}

    def _independent(self, what: str) -> dict[str, tfd.Distribution]:
        """The factors, none of which depends on a latent."""
        templates = self._get_templates()
        dependent = [n for n, template in templates.items() if template.is_dependent]
        if dependent:
            raise NotImplementedError(
                f"{what} of {self.name!r} has no closed form: {dependent} depend on other "
                "latents."
            )
        return {n: self.factor(n, {}) for n in templates}

    @property
    def event_shape(self) -> dict[str, tf.TensorShape]:
        """The shape of each latent, by name."""
        return {n: t.event_shape for n, t in self._get_templates().items()}

    @property
    def batch_shape(self) -> tf.TensorShape:
        """`[B]`, or `[]` where nothing is given."""
        leaves = keras.tree.flatten(self.given)
        return tf.TensorShape([leaves[0].shape[0]]) if leaves else tf.TensorShape([])

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> tf.Tensor:
        """The batch shape as a tensor."""
        leaves = keras.tree.flatten(self.given)
        return tf.shape(leaves[0])[:1] if leaves else tf.zeros([0], tf.int32)

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict:
        return {}


def _sum(terms: list[tf.Tensor]) -> tf.Tensor:
    """The sum; a factor without a batch broadcasts."""
    return functools.reduce(operator.add, terms)


def _of_discrete_law(template: Any) -> Any:
    """The template of a factor's discrete law; of one that is not relaxed, its own."""
    if not template.is_relaxed:
        return template
    kind = tfd.NOT_REPARAMETERIZED
    return template._replace(
        is_discrete=True, is_relaxed=False, reparameterization_type=kind
    )


@discrete_law.register
def _(distribution: FactoredDistribution) -> FactoredDistribution:
    return distribution.discrete if any(distribution.is_relaxed.values()) else distribution


def factor_key(key: tf.Tensor, number: int) -> tf.Tensor:
    """The rows' keys of one latent, by its number: the first's are the rows' own."""
    return random.stream(key, random.Stream.FACTOR, number) if number else key


@sampling.draw_and_log_prob.register(FactoredDistribution)
def _(
    distribution: FactoredDistribution, noise: Any
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The first latent by the row's key itself, the others by streams of their own."""
    z: dict[str, tf.Tensor] = {}
    total: Any = 0.0
    for number, name in enumerate(distribution.layer.factors):
        factor = distribution.factor(name, z)
        key = factor_key(noise.key, number)
        z[name], log_prob = sampling.draw_and_log_prob(
            sampling.unwrap(factor), noise._replace(key=key)
        )
        total = total + log_prob
    return z, total


@tfd.RegisterKL(FactoredDistribution, FactoredDistribution)
def _kl(
    a: FactoredDistribution, b: FactoredDistribution, name: str | None = None
) -> tf.Tensor:
    """The sum over the latents, where none depends on another."""
    factors, others = a._independent("a KL divergence"), b._independent("a KL divergence")
    terms = [tfd.kl_divergence(q, others[n]) for n, q in factors.items()]
    return _sum(terms)
