"""Determines how a model's parts fit together, and raises errors if they don't."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers import FactoredDistribution, JointDistribution, is_discrete, is_relaxed
from tfgen.models.parts import Parts, Structure, check_distribution

tfd = tfp.distributions

__all__ = ["attach_prior", "examine", "example", "shapes_by_name", "unnamed"]


def shapes_by_name(input_shape: Any) -> dict[str, Any]:
    """The argument of `build` as shapes by name; a single shape is that of `x`."""
    if isinstance(input_shape, Mapping):
        return {name: _as_shape(shape) for name, shape in input_shape.items()}
    return {"x": _as_shape(input_shape)}


def unnamed(shapes: Any) -> Any:
    """Shapes as `build` takes them: the shape of x alone if there is nothing else."""
    if isinstance(shapes, Mapping) and list(shapes) == ["x"]:
        return shapes["x"]
    return shapes


def _as_shape(shape: Any) -> Any:
    if all(size is None or isinstance(size, int) for size in shape):
        return tuple(shape)
    return [_as_shape(part) for part in shape]  # inputs by position


def example(parts: Parts, shapes: Mapping[str, Any], latents: list[str]) -> dict[str, Any]:
    """One example of zeros of what is given, in the dtypes that the parts take.

    Args:
        parts: of the model.
        shapes: by name, each `(None, ...)`, or a list of such.
        latents: the names of the latents.
    """
    by_position = isinstance(shapes.get("x"), list)
    specs = {} if by_position else parts.specs_of(list(shapes), latents)
    return {
        name: keras.tree.map_shape_structure(
            lambda s, n=name: tf.zeros(
                [1, *(size or 1 for size in s[1:])],
                specs[n].dtype if n in specs else keras.backend.floatx(),
            ),
            shape,
        )
        for name, shape in shapes.items()
    }


def examine(
    parts: Parts, posterior: Any, given: Mapping[str, Any], input_shape: Any
) -> Structure:
    """Checks that the three distributions agree, and returns their variables.

    Args:
        parts: of the model.
        posterior: what the encoder returned for one example.
        given: that example, by name.
        input_shape: as Keras gives it to `build`.

    Returns:
        A `Structure`.

    Raises:
        TypeError: if one of them is no distribution.
        ValueError: if their names or shapes don't agree.
    """
    is_joint = isinstance(posterior, FactoredDistribution)
    shapes = posterior.event_shape if is_joint else {"z": posterior.event_shape}
    latents = {name: tuple(shape) for name, shape in shapes.items()}
    conditions = {name: value for name, value in given.items() if name != "x"}
    _check_names(parts, given, list(latents))
    prior = parts.prior_at(conditions)
    _check_prior(prior, posterior, latents, is_joint)
    _check_values(prior, posterior)
    _check_decoder(parts, latents)
    dtypes = posterior.dtype if is_joint else {"z": posterior.dtype}
    zeros = {n: tf.zeros([1, *shape], dtypes[n]) for n, shape in latents.items()}
    likelihood = parts.decoder({**conditions, **zeros})
    check_distribution(likelihood, "decoder", "IndependentBernoulli(event_shape)")
    layer = getattr(likelihood, "layer", None)
    check_support = (lambda values, name: None) if layer is None else layer.check_support
    return Structure(
        input_shape,
        {n: keras.tree.map_structure(_spec, value) for n, value in given.items()},
        latents,
        is_joint,
        any(_kinds(posterior)[name] == "relaxed" for name in latents),
        tuple(likelihood.event_shape),
        check_support,
    )


def _spec(value: tf.Tensor) -> tf.TensorSpec:
    return tf.TensorSpec([None, *value.shape[1:]], value.dtype)


def _check_names(parts: Parts, given: Mapping[str, Any], latents: list[str]) -> None:
    """Raises a ValueError unless what is given is what the parts take."""
    both = sorted(set(given) & set(latents))
    if both:
        raise ValueError(
            f"`x` must not hold entries that are named like latents; received {both}, and "
            f"the latents are {latents}. Rename the entry or the latent."
        )
    if "seed" in given:
        raise ValueError(
            "`x` must not hold an entry 'seed', the name of a served model's seeds; "
            f"received {list(given)}. Rename the entry and the inputs that take it."
        )
    if isinstance(given.get("x"), list):
        return
    taken = parts.takes(list(given), latents)
    unused = [name for name in given if name not in set.union(*taken.values())]
    if unused:
        raise ValueError(
            f"`x` must hold only what encoder, decoder or prior takes; received {unused} "
            "too, which none of them takes. Leave it out, or give an input this name by "
            "`keras.Input(..., name=...)`."
        )


def _check_prior(
    prior: Any, posterior: Any, latents: dict[str, tuple], is_joint: bool
) -> None:
    """Raises an error unless the prior is over the posterior's latents."""
    if not isinstance(prior, tfd.Distribution):
        raise TypeError(
            "`prior` must return a distribution when it is called on the conditions, or "
            f"without arguments if it takes none; received {prior!r}."
        )
    if isinstance(prior, FactoredDistribution) != is_joint:
        one, other = ("latents by name", "a tensor")
        raise ValueError(
            "`prior` and the encoder's posterior must be over the same latents; received "
            f"a posterior over {one if is_joint else other} and a prior over "
            f"{other if is_joint else one}. Make both a `tfgen.layers.JointDistribution`."
        )
    if not is_joint:
        _check_event(prior, latents["z"])
    elif {n: tuple(s) for n, s in prior.event_shape.items()} != latents:
        found = {n: tuple(s) for n, s in prior.event_shape.items()}
        raise ValueError(
            "`prior` must be over the latents of the encoder's posterior, "
            f"{latents}; received {found}. Give both the same names and sizes."
        )


def _kinds(distribution: Any) -> dict[str, str]:
    """The kind of each latent's values: discrete, relaxed or continuous."""
    if isinstance(distribution, FactoredDistribution):
        discrete, relaxed = distribution.is_discrete, distribution.is_relaxed
    else:
        discrete = {"z": is_discrete(distribution)}
        relaxed = {"z": is_relaxed(distribution)}
    return {
        name: "discrete" if discrete[name] else "relaxed" if relaxed[name] else "continuous"
        for name in discrete
    }


def _check_values(prior: Any, posterior: Any) -> None:
    """Raises a ValueError where one of prior and posterior is discrete and one is not.

    A relaxed posterior is compatible with a relaxed prior, and with the discrete prior that
    both approximate.
    """
    of_prior = _kinds(prior)
    for name, kind in _kinds(posterior).items():
        other = of_prior[name]
        is_same = kind == other or (kind == "relaxed" and other == "discrete")
        if "discrete" in (kind, other) and not is_same:
            raise ValueError(
                f"`prior` must be over the values of the posterior of {name!r}, which is "
                f"{kind}; received a {other} prior. Use "
                + (
                    "a discrete one, such as `tfgen.layers.LearnedPrior("
                    "tfgen.layers.IndependentBernoulli([8]))`."
                    if kind == "discrete"
                    else "a continuous one, or end the encoder in a discrete or relaxed "
                    "layer, such as `tfgen.layers.IndependentBernoulli`."
                )
            )


def _check_event(prior: Any, latent: tuple) -> None:
    if (prior.batch_shape.rank or 0) > 1 or tuple(prior.event_shape) != latent:
        hint = ""
        if prior.batch_shape.rank and not prior.event_shape.rank:
            hint = ". Wrap it in `tfd.Independent`, or use a layer that does"
        raise ValueError(
            "`prior` must be one distribution over the encoder's latent space, of batch "
            f"shape () and event shape {latent}; received batch shape "
            f"{tuple(prior.batch_shape)} and event shape {tuple(prior.event_shape)}. Give "
            f"both the same latent size{hint}."
        )


def _check_decoder(parts: Parts, latents: dict[str, tuple]) -> None:
    """Raises a ValueError where the decoder takes latents of another size."""
    for name, spec in parts.decoder.specs.items():
        latent = name if name in latents else "z" if len(parts.decoder.specs) == 1 else None
        if latent in latents and tuple(spec.shape)[1:] != latents[latent]:
            raise ValueError(
                "`decoder` must take the encoder's latent size: the encoder's posterior "
                f"is over {latents[latent]}; received a decoder of input shape "
                f"{tuple(spec.shape)}. Give both the same latent size."
            )


def attach_prior(prior: Any, encoder: keras.Model, posterior: Any, given: Any) -> None:
    """Gives the encoder to a prior that is made of posteriors, such as a `VampPrior`.

    Integers, such as an example's number in mean field, can't be trained as pseudo-inputs:
    there the posterior's raw parameters take their place.

    Args:
        prior: a distribution, a layer, or a `JointDistribution` of them.
        encoder: the model's.
        posterior: what it returned for one example.
        given: that example, by name.
    """
    if isinstance(prior, JointDistribution):
        for name, factor in prior.factors.items():
            if hasattr(factor, "attach"):
                _attach(factor, *_factor_of(encoder, posterior, name, given))
    elif hasattr(prior, "attach"):
        _attach(prior, encoder, posterior, given)


def _factor_of(encoder: Any, posterior: Any, name: str, given: Any) -> tuple[Any, Any, Any]:
    """The posterior's factor of one latent, what it returns, and what it takes."""
    is_joint = isinstance(encoder, JointDistribution)
    factor = encoder.factors.get(name) if is_joint else None
    if factor is None or posterior.layer.templates(given)[name].is_dependent:
        raise ValueError(
            f"`prior` of {name!r} is a mixture of posteriors of {name!r} given x alone; "
            f"received an encoder where {name!r} depends on another latent, or has no "
            f"factor. Draw {name!r} first in the encoder, as a ladder VAE does, or use "
            "another prior."
        )
    return factor, posterior.factor(name, {}), given


def _attach(prior: Any, encoder: Any, posterior: Any, given: Mapping[str, Any]) -> None:
    x: Any = given.get("x")
    if tf.is_tensor(x) and x.dtype.is_integer:
        prior.attach(posterior.layer, (None, posterior.raw_parameters.shape[-1]))
    else:
        shapes = {n: keras.tree.map_structure(_shape, value) for n, value in given.items()}
        prior.attach(encoder, unnamed(shapes))


def _shape(value: tf.Tensor) -> tuple:
    return (None, *value.shape[1:])
