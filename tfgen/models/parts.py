"""How encoder, prior and decoder fit together, determined on one example of zeros."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import (
    FactoredDistribution,
    JointDistribution,
    NamedInputs,
    is_discrete,
    is_relaxed,
)

tfd = tfp.distributions

__all__ = [
    "Parts",
    "Structure",
    "check_distribution",
    "check_network",
    "check_prior",
    "known_input_shape",
    "standard_normal",
]


class Structure(NamedTuple):
    """The variables of a latent-variable model, once its inputs' shapes are known.

    Attributes:
        input_shape: of what is given, as Keras gives it to `build`.
        given: a spec of one example of each variable that is given, by name.
        latents: the shape of each latent, by name.
        is_joint: whether z is a dict of latents; otherwise it is a tensor.
        is_relaxed: whether a latent's posterior is a relaxation of a discrete one.
        event_shape: of x, as the likelihood has it.
        check_support: raises a ValueError if data `(values, name)` are outside the
            likelihood's support.
    """

    input_shape: Any
    given: dict[str, Any]
    latents: dict[str, tuple[int, ...]]
    is_joint: bool
    is_relaxed: bool
    event_shape: tuple[int, ...]
    check_support: Callable[[Any, str], None]

    @property
    def latent_shape(self) -> Any:
        """The shape of z; of several latents, by name."""
        return dict(self.latents) if self.is_joint else self.latents["z"]

    @property
    def conditions(self) -> list[str]:
        """The names of the inputs other than x."""
        return [name for name in self.given if name != "x"]


class Parts:
    """The three parts of a model, called by the names of their inputs.

    Args:
        encoder: from what is given to q(z|x, c).
        decoder: from z, or latents by name, and conditions to p(x|z, c).
        prior: a distribution, or a layer that returns one, given conditions or nothing.
    """

    def __init__(self, encoder: Any, decoder: Any, prior: Any) -> None:
        self.encoder = _named(encoder, "encoder")
        self.decoder = _named(decoder, "decoder")
        self._prior = prior
        is_layer = isinstance(prior, keras.layers.Layer)
        self.prior: Any = _named(prior, "prior") if is_layer else None

    def prior_at(self, conditions: Mapping[str, Any]) -> tfd.Distribution:
        """p(z|c), of batch shape `[B]`, or `[]` where it takes no condition."""
        return self._prior if self.prior is None else self.prior(conditions)

    def takes(self, variables: list[str], latents: list[str]) -> dict[str, set[str]]:
        """The variables, among those given, that each part takes.

        Args:
            variables: the names of the inputs.
            latents: the names of the latents.

        Raises:
            ValueError: if a part takes something that does not exist.
        """
        conditions = [name for name in variables if name != "x"]
        taken = {"encoder": set(self.encoder.names(variables).values())}
        of_decoder = self.decoder.names([*conditions, *latents]).values()
        taken["decoder"] = set(of_decoder) - set(latents)
        taken["prior"] = set()
        if self.prior is not None:
            taken["prior"] = set(self.prior.names(conditions).values())
        return taken

    def specs_of(self, variables: list[str], latents: list[str]) -> dict[str, Any]:
        """The `KerasTensor`s of the variables, where a part says them."""
        conditions = [name for name in variables if name != "x"]
        found: dict[str, Any] = {}
        for part, names in (
            (self.prior, conditions),
            (self.decoder, [*conditions, *latents]),
            (self.encoder, variables),
        ):
            for name, variable in (part.names(names) if part is not None else {}).items():
                if variable in variables and name in part.specs:
                    found[variable] = part.specs[name]
        return found

    def known_shapes(self, latents: list[str]) -> dict[str, tuple] | None:
        """The shapes of what is given, `None` where they are known from data only."""
        encoder, decoder = self.encoder.specs, self.decoder.specs
        if not encoder or (len(encoder) > 1 and "x" not in encoder):
            return None
        if len(encoder) == 1 and not isinstance(self.encoder, JointDistribution):
            encoder = {"x": next(iter(encoder.values()))}
        conditions = {}
        if len(decoder) > 1:
            conditions = {n: s for n, s in decoder.items() if n not in latents}
        if self.prior is not None:
            conditions |= self.prior.specs
        shapes = {n: tuple(s.shape) for n, s in {**conditions, **encoder}.items()}
        automatic = [n for n in shapes if n.startswith(("keras_tensor", "input_layer"))]
        return None if automatic else shapes


def _named(network: Any, part: str) -> Any:
    """Wraps a network to be called by name; a `JointDistribution` is already."""
    if isinstance(network, JointDistribution):
        return network
    return NamedInputs(network, part)


def check_network(network: Any, part: str) -> None:
    """Raises a TypeError unless an encoder or a decoder is a Keras model or layer."""
    if not isinstance(network, keras.layers.Layer):
        raise TypeError(
            f"`{part}` must be a Keras model that ends in a distribution layer; "
            f"received {network!r} of type {type(network).__name__}."
        )


def check_prior(prior: Any) -> None:
    """Raises a TypeError unless a prior is `None`, a distribution or a Keras layer."""
    if prior is not None and not isinstance(prior, tfd.Distribution | keras.layers.Layer):
        raise TypeError(
            "`prior` must be a `tfd.Distribution` or a Keras layer that returns one; "
            f"received {prior!r} of type {type(prior).__name__}."
        )
    if isinstance(prior, tfd.Distribution) and prior.trainable_variables:
        raise TypeError(
            "`prior` must be a Keras layer to be trained; received a "
            f"{type(prior).__name__} with {len(prior.trainable_variables)} "
            "`tf.Variable`s, which no Keras optimizer would update. Use a prior layer, "
            "or a distribution of constants."
        )


def standard_normal(posterior: tfd.Distribution) -> Any:
    """N(0, I) over the latents of `posterior`, independent for each latent."""
    _check_continuous(posterior)
    if isinstance(posterior, FactoredDistribution):
        return JointDistribution(
            {
                name: _standard_normal(tuple(shape), posterior.dtype[name])
                for name, shape in posterior.event_shape.items()
            },
            name="prior",
        )
    return _standard_normal(tuple(posterior.event_shape), posterior.dtype)


def _check_continuous(posterior: tfd.Distribution) -> None:
    """Raises a ValueError if N(0, I) is not over a posterior's values."""
    found = is_discrete(posterior) or is_relaxed(posterior)
    which = ""
    if isinstance(posterior, FactoredDistribution):
        kinds = {n: posterior.is_discrete[n] or r for n, r in posterior.is_relaxed.items()}
        found = any(kinds.values())
        which = f" over {[name for name, kind in kinds.items() if kind]}"
    if found:
        raise ValueError(
            "`prior` must be given for a discrete or relaxed posterior, since the "
            "default, N(0, I), is over other values; received None for a "
            f"posterior{which}. Pass one over the same values, such as "
            "`tfgen.layers.LearnedPrior(tfgen.layers.IndependentBernoulli([8]))`, or that "
            "of each latent in a `tfgen.layers.JointDistribution`."
        )


def _standard_normal(shape: tuple[int, ...], dtype: Any) -> tfd.Distribution:
    zeros = tf.zeros(shape, dtype)
    if len(shape) == 1:
        return tfd.MultivariateNormalDiag(zeros, tf.ones_like(zeros))
    return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), len(shape))


def known_input_shape(model: keras.layers.Layer) -> Any:
    """The input shape of a functional or Sequential model, `None` where it is unknown."""
    try:
        return model.input_shape
    except (AttributeError, ValueError):
        return None


def check_distribution(value: Any, part: str, instance: str) -> None:
    """Raises an error unless `value` is a batch of distributions over one example each."""
    if not isinstance(value, tfd.Distribution):
        raise TypeError(
            f"`{part}` must end in a distribution; received {type(value).__name__} of "
            f"shape {getattr(value, 'shape', None)}. End it in a layer such as "
            f"`tfgen.layers.{instance}`."
        )
    if value.batch_shape.rank != 1:
        raise ValueError(
            f"`{part}` must return one distribution for each example, of batch shape "
            f"(N,); received batch shape {tuple(value.batch_shape)} and event shape "
            f"{tuple(value.event_shape)} for one example{_independent_hint(value)}."
        )


def _independent_hint(distribution: tfd.Distribution) -> str:
    if distribution.batch_shape.rank and not distribution.event_shape.rank:
        return ". Wrap it in `tfd.Independent`, or use a layer that does"
    return ""
