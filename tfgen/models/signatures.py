"""What a latent-variable model serves: its methods as functions of batches and seeds."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen import random
from tfgen.layers import (
    FactoredDistribution,
    central_value,
    is_keyed_by_row,
    unwrap,
)
from tfgen.losses import iwlb
from tfgen.models.parts import Structure
from tfgen.serving import Signature

tfd = tfp.distributions

__all__ = ["vae_signatures"]

_SEED = {"seed": tf.TensorSpec([None], tf.int64)}


def vae_signatures(model: Any, num_samples: int) -> dict[str, Signature]:
    """The signatures of a built `VAE`.

    Args:
        model: a `VAE`.
        num_samples: K of the signature `iwlb`.

    Returns:
        `sample`, `decode`, `encode`, `reconstruct` and `iwlb`, by name; the last three
        where the encoder takes tensors of fixed shapes by name.
    """
    shapes: Structure = model.structure
    conditions = {name: shapes.given[name] for name in shapes.conditions}
    latents = {
        name: tf.TensorSpec([None, *shape], model.variable_dtype)
        for name, shape in shapes.latents.items()
    }
    _warn_if_drawn_by_row(model)

    def sample(seed: tf.Tensor, given: Any) -> dict[str, tf.Tensor]:
        samples, mean = model._sample_by_key(random.row_keys(seed, 0, 0), given)
        return {"samples": samples, "mean": mean}

    def decode(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        z = {name: inputs[name] for name in latents}
        return {"mean": model._likelihood(z, inputs).mean()}

    def encode(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        return _parameters(model._posterior(given))

    def reconstruct(seed: tf.Tensor, given: Any) -> dict[str, tf.Tensor]:
        return {"mean": model._reconstruct(given, random.row_keys(seed, 0, 0))}

    def bound(seed: tf.Tensor, given: Any) -> dict[str, tf.Tensor]:
        terms = model._log_weight_terms(
            model._posterior(given),
            given["x"],
            given,
            num_samples=num_samples,
            key=random.row_keys(seed, 0, 0),
        )
        return {"iwlb": iwlb(terms.total)}

    signatures = {
        "sample": Signature(_with_seed(sample), {**_SEED, **conditions}),
        "decode": Signature(decode, {**latents, **conditions}),
    }
    if not _is_servable(shapes):
        return signatures
    given = dict(shapes.given)
    signatures["encode"] = Signature(encode, given)
    signatures["reconstruct"] = Signature(_with_seed(reconstruct), {**given, **_SEED})
    if tuple(given["x"].shape[1:]) == shapes.event_shape:
        signatures["iwlb"] = Signature(_with_seed(bound), {**given, **_SEED})
    return signatures


def _with_seed(function: Callable) -> Callable:
    """`function(seed, given)` as a function of inputs by name."""

    def served(seed: tf.Tensor, **given: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(seed, given)

    return served


def _is_servable(shapes: Structure) -> bool:
    """Whether what is given are tensors of fixed shapes, of which x has some size."""
    specs = list(shapes.given.values())
    if not all(isinstance(spec, tf.TensorSpec) for spec in specs):
        return False
    fixed = all(spec.shape[1:].is_fully_defined() for spec in specs)
    return fixed and shapes.given["x"].shape.rank > 1


def _parameters(posterior: tfd.Distribution) -> dict[str, tf.Tensor]:
    """The mean, and, of a Gaussian, sigma `[B, D]` or S `[B, D, D]`.

    Of several latents `mean_<name>` and `scale_<name>`, each at the means of those
    before it.
    """
    if not isinstance(posterior, FactoredDistribution):
        return _gaussian_parameters(posterior)
    centre: Mapping[str, tf.Tensor] = central_value(posterior)
    outputs = {}
    for name in posterior.layer.factors:
        for key, value in _gaussian_parameters(posterior.factor(name, centre)).items():
            outputs[f"{key}_{name}"] = value
    return outputs


def _gaussian_parameters(posterior: tfd.Distribution) -> dict[str, tf.Tensor]:
    inner = unwrap(posterior)
    outputs = {"mean": posterior.mean()}
    if isinstance(inner, tfd.MultivariateNormalLinearOperator):
        is_diagonal = isinstance(inner.scale, tf.linalg.LinearOperatorDiag)
        outputs["scale"] = inner.stddev() if is_diagonal else inner.scale.to_dense()
    elif isinstance(inner, tfd.Independent) and isinstance(inner.distribution, tfd.Normal):
        outputs["scale"] = inner.stddev()
    return outputs


def _warn_if_drawn_by_row(model: Any) -> None:
    """Warns of a prior or a decoder that has no draw by row key."""
    shapes = model.structure
    given = {
        name: tf.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype)
        for name, spec in shapes.given.items()
        if name in shapes.conditions
    }
    prior = model._prior_at(given)
    factors = {"prior": prior}
    if isinstance(prior, FactoredDistribution):
        centre = central_value(prior.layer(given))
        factors = {f"prior's {n}": prior.factor(n, centre) for n in prior.layer.factors}
    zeros = {
        n: tf.zeros([1, *shape], model.variable_dtype)
        for n, shape in shapes.latents.items()
    }
    for name, part in {**factors, "decoder": model._likelihood(zeros, given)}.items():
        if not is_keyed_by_row(part):
            inner = unwrap(part)
            warnings.warn(
                f"The {name}'s {type(inner).__name__} has no draw by row key: signature "
                "'sample' draws it one row at a time, which is slower.",
                stacklevel=4,
            )
