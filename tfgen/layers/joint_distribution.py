"""Joint distributions over named latents: hierarchies, ladders, independent latents."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers.base import register
from tfgen.layers.discrete_law import is_discrete_law, is_relaxed
from tfgen.layers.distribution_config import deserialize_prior, serialize_prior
from tfgen.layers.factored_distribution import FactoredDistribution
from tfgen.layers.named_inputs import NamedInputs
from tfgen.layers.tensor_distribution import TensorDistribution

tfd = tfp.distributions

__all__ = ["JointDistribution"]


class Template(NamedTuple):
    """What is known of a factor without its parameters.

    Attributes:
        event_shape: of the latent.
        dtype: of the latent.
        reparameterization_type: of the factor.
        is_discrete: whether the latent's values are.
        is_relaxed: whether the factor is a relaxed Bernoulli or categorical.
        is_dependent: whether it takes a latent that is drawn before it.
        params_size: the number of its raw parameters; `None` where it is not made by a
            layer of `tfgen.layers` that takes any batch shape.
    """

    event_shape: tf.TensorShape
    dtype: tf.DType
    reparameterization_type: Any
    is_discrete: bool
    is_relaxed: bool
    is_dependent: bool
    params_size: int | None


@register
class JointDistribution(keras.layers.Layer):
    """q(z_1, ..., z_n) = prod_i q(z_i | those before it, what is given).

    A factor is a Keras model that ends in a distribution layer, and is called with the
    variables that its `keras.Input(name=...)`s are named after: what is given (`x`, a
    condition) and the latents before it. One input of another name takes `x`, in a
    posterior, or else the only variable there is. A factor that depends on nothing is a
    `tfd.Distribution`. So a posterior over two layers of latents, a ladder (whose factors
    come in the order of the prior's), and independent latents of different shapes are
    each a dict.

    Args:
        factors: by the latents' names, in the order of drawing.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: what is given, a dict of tensors `[B, ...]` by name, or the tensor x;
            nothing for a prior that takes nothing.

    Returns:
        A `FactoredDistribution` over a dict of latents, of batch shape `[B]`, or `[]`
        where nothing is given.

    Raises:
        TypeError: if `factors` is no dict, or a factor neither a Keras layer nor a
            distribution.
        ValueError: if there are no factors, if a factor takes itself or a latent that is
            drawn after it, or (when it is called) takes what there is not.

    >>> import tfgen
    >>> x, z1 = keras.Input([8], name="x"), keras.Input([3], name="z1")
    >>> normal = tfgen.layers.MultivariateNormalDiag
    >>> posterior = JointDistribution({
    ...     "z1": keras.Model(x, normal(3)(keras.layers.Dense(6)(x))),
    ...     "z2": keras.Model(z1, normal(2)(keras.layers.Dense(4)(z1))),
    ... })
    >>> q = posterior({"x": tf.zeros([5, 8])})
    >>> {name: z.shape.as_list() for name, z in q.sample(seed=0).items()}
    {'z1': [5, 3], 'z2': [5, 2]}

    Source: as `tfd.JointDistributionNamed`, for Keras models; ladders: Sønderby et al.
    Ladder variational autoencoders. arXiv 1602.02282.
    """

    def __init__(self, factors: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if not isinstance(factors, Mapping):
            raise TypeError(
                "`factors` must be a dict from a latent's name to a Keras model or a "
                f"`tfd.Distribution`; received {factors!r}."
            )
        if not factors:
            raise ValueError("`factors` must hold at least one latent; received {}.")
        for name, factor in factors.items():
            if not isinstance(name, str) or not isinstance(
                factor, keras.layers.Layer | tfd.Distribution
            ):
                raise TypeError(
                    "`factors` must map a latent's name to a Keras model that ends in a "
                    "distribution layer, or to a `tfd.Distribution`; received "
                    f"{name!r}: {factor!r}."
                )
        self.factors = dict(factors)
        self.inputs_of = {
            name: NamedInputs(factor, f"factors[{name!r}]")
            if isinstance(factor, keras.layers.Layer)
            else None
            for name, factor in self.factors.items()
        }
        self._check_order()
        self.seed_generator = keras.random.SeedGenerator()
        # Behind a function: Keras would wrap what an attribute holds.
        self._get_templates: Callable[[], dict[str, Template]] = dict
        self.built = True

    def before(self, name: str) -> list[str]:
        """The latents that are drawn before one."""
        names = list(self.factors)
        return names[: names.index(name)]

    def _check_order(self) -> None:
        for name, inputs in self.inputs_of.items():
            later = set(self.factors) - set(self.before(name))
            wrong = sorted(later & set(inputs.specs if inputs else {}))
            if wrong:
                raise ValueError(
                    f"`factors` must be in the order in which they are drawn: {name!r} "
                    f"takes {wrong}, which {'is' if len(wrong) == 1 else 'are'} not drawn "
                    f"before it; received the order {list(self.factors)}. Put what a "
                    "factor takes before it; a cycle can't be drawn."
                )

    # What it is made of.

    @property
    def specs(self) -> dict[str, keras.KerasTensor]:
        """The inputs of all factors that are no latents, by name, where they say them."""
        return {
            name: spec
            for inputs in self.inputs_of.values()
            if inputs is not None
            for name, spec in inputs.specs.items()
            if name not in self.factors
        }

    def names(self, variables: Any) -> dict[str, str]:
        """The variables that the factors take, without latents; see `NamedInputs.names`."""
        variables = [name for name in variables if name not in self.factors]
        taken: dict[str, str] = {}
        for name, inputs in self.inputs_of.items():
            if inputs is not None:
                found = inputs.names([*variables, *self.before(name)])
                taken |= {k: v for k, v in found.items() if v in variables}
        return taken

    def templates(self, given: Mapping[str, Any]) -> dict[str, Template]:
        """What is known of each factor without its parameters.

        It is found out once, on one example of zeros.
        """
        if self._get_templates():
            return self._get_templates()
        with tf.init_scope():
            zeros = keras.tree.map_structure(
                lambda t: tf.zeros([1, *(size or 1 for size in t.shape[1:])], t.dtype),
                dict(given),
            )
            found: dict[str, Template] = {}
            latents: dict[str, tf.Tensor] = {}
            for name in self.factors:
                found[name], latents[name] = self._template(name, zeros, latents)
        self._get_templates = lambda: found
        return found

    def _template(
        self, name: str, given: dict, latents: dict
    ) -> tuple[Template, tf.Tensor]:
        """The template of one factor, and a value of its latent."""
        inputs = self.inputs_of[name]
        is_dependent = False
        if inputs is None:
            made = self.factors[name]
        else:
            variables = {**given, **latents}
            is_dependent = bool(set(inputs.names(variables).values()) & set(latents))
            made = inputs(variables)
        if not isinstance(made, tfd.Distribution) or made.batch_shape.rank > 1:
            raise ValueError(
                f"`factors[{name!r}]` must return one distribution for each example, of "
                f"batch shape (N,); received {made!r}. End it in a layer such as "
                "`tfgen.layers.MultivariateNormalDiag(latent_dim)`."
            )
        params_size = None
        if isinstance(made, TensorDistribution) and made.layer.any_batch:
            params_size = int(made.raw_parameters.shape[-1])
        template = Template(
            made.event_shape,
            made.dtype,
            made.reparameterization_type,
            is_discrete_law(made),
            is_relaxed(made),
            is_dependent,
            params_size,
        )
        return template, tf.zeros([1, *made.event_shape], made.dtype)

    # Use.

    def call(self, inputs: Any = None, training: bool = False) -> FactoredDistribution:
        """The joint distribution, given `inputs`."""
        given = {} if inputs is None else inputs
        if not isinstance(given, Mapping):
            given = {"x": given}
        unknown = set(given) & set(self.factors)
        if unknown:
            raise ValueError(
                f"`inputs` must not be named like latents; received {sorted(unknown)}, "
                f"beside the latents {list(self.factors)}. Rename one of them."
            )
        taken = set(self.names(given).values())
        used = {name: value for name, value in given.items() if name in taken}
        return FactoredDistribution(self, used, training=training)

    def from_tensors(self, tensors: Mapping[str, Any]) -> FactoredDistribution:
        """The distribution whose `tensors` are given."""
        return FactoredDistribution(self, tensors["given"], tensors["raw_parameters"])

    def discrete_from_tensors(self, tensors: Mapping[str, Any]) -> FactoredDistribution:
        """The same, with relaxed factors by their discrete laws."""
        made = self.from_tensors(tensors)
        return made.discrete

    def next_key(self) -> tf.Tensor:
        """A fresh key, for draws without a seed."""
        state = tf.cast(self.seed_generator.next(), tf.int64)
        return random.fold_in(random.key(state[0]), state[1])

    def compute_output_spec(self, inputs: Any = None, training: bool = False) -> Any:
        """`KerasTensor`s of the latents, by name."""
        given = {} if inputs is None else inputs
        given = given if isinstance(given, Mapping) else {"x": given}
        variables = dict(given)
        for name, factor in self.factors.items():
            named = self.inputs_of[name]
            variables[name] = (
                keras.KerasTensor(tuple(factor.event_shape), factor.dtype.name)
                if named is None
                else named(variables)
            )
        return {name: variables[name] for name in self.factors}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        factors = [
            [name, serialize_prior(factor, f"factors[{name!r}]")]
            for name, factor in self.factors.items()
        ]
        return {**super().get_config(), "factors": factors}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "JointDistribution":
        """The layer that `get_config` described."""
        factors = {name: deserialize_prior(factor) for name, factor in config["factors"]}
        return cls(**{**config, "factors": factors})
