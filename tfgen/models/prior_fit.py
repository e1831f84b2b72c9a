"""Fits a prior to the aggregate posterior of a trained model."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.layers import sample
from tfgen.models import checks
from tfgen.models.given import of_x
from tfgen.models.mean_field import MeanFieldVAE
from tfgen.models.vae import IWAE, VAE

__all__ = ["FittedPrior", "fit_prior"]


class FittedPrior(NamedTuple):
    """What `fit_prior` returns.

    Attributes:
        model: a model of the same encoder and decoder with the fitted prior, to be
            compiled, sampled from, saved or exported like any other.
        log_prob: log p(x) with the fitted prior, `[B]`, in nats.
        gain: by how much that is above log p(x) with the model's own prior, `[B]`, in nats;
            by the same draws of z.
    """

    model: VAE
    log_prob: tf.Tensor
    gain: tf.Tensor


def fit_prior(
    model: VAE,
    x: Any,
    prior: keras.layers.Layer,
    x_test: Any = None,
    steps: int = 2000,
    batch_size: int = 256,
    learning_rate: float = 0.01,
    num_samples: int = 500,
    seed: int = 0,
) -> FittedPrior:
    """Fits a prior to the latents of data, without changing encoder and decoder.

    The prior ascends

        E_q(z) log p(z),   q(z) = (1/N) sum_n q(z|x_n),

    with Adam, whose learning rate decreases to 0 by half a cosine. q(z) is the best prior
    for the
    ELBO: the mean ELBO over the data is largest at p(z) = q(z), and its gain is KL(q(z) ||
    p_old(z)) - KL(q(z) || p(z)).

    The same x, seed and initial weights of the prior give the same result.

    Args:
        model: a `VAE` or `IWAE`; it keeps its own prior.
        x: the training data, `[N, ...]`, or a dict of what is given by name.
        prior: a layer such as `tfgen.layers.MixturePrior(latent_dim, num_components=50)`,
            `FlowPrior(latent_dim)`, or a `JointDistribution` of several latents. It is
            trained in place from the weights that it has.
        x_test: data on which the gain is measured; x unless given, of which the gain is a
            little too large, since the prior was fitted to it.
        steps: of Adam.
        batch_size: examples a step, drawn with replacement.
        learning_rate: at the start.
        num_samples: importance samples an example, of `log_prob` and `gain`.
        seed: an integer.

    Returns:
        A `FittedPrior`: `model`, `log_prob` and `gain`.

    Raises:
        TypeError: if `model` is no `VAE` or its encoder a table, `prior` no Keras layer, x
            no array, or a number no integer.
        ValueError: if `prior` has no weights to train or is over another space, or a number
            is out of range.
        FloatingPointError: if the fit diverges.

    Source: Tomczak, Welling. VAE with a VampPrior. arXiv 1705.07120, for the best prior;
    Ghosh et al. From variational to deterministic autoencoders. arXiv 1903.12436, for
    fitting it after training.

    >>> import tfgen
    >>> encoder = keras.Sequential([
    ...     keras.Input([3]), keras.layers.Dense(4), tfgen.layers.MultivariateNormalDiag(2)
    ... ])
    >>> decoder = keras.Sequential([
    ...     keras.Input([2]), keras.layers.Dense(6), tfgen.layers.IndependentNormal(3)
    ... ])
    >>> x = np.zeros([8, 3], "float32")
    >>> prior = tfgen.layers.MixturePrior(2, num_components=4)
    >>> fitted = fit_prior(VAE(encoder, decoder), x, prior, steps=2)
    >>> fitted.model.sample(5, seed=0).shape.as_list(), fitted.gain.shape.as_list()
    ([5, 3], [8])
    """
    _check(model, prior)
    steps = checks.positive_integer(steps, "steps")
    batch_size = checks.positive_integer(batch_size, "batch_size")
    learning_rate = checks.positive_number(learning_rate, "learning_rate")
    num_samples = checks.positive_integer(num_samples, "num_samples")
    given = _arrays(x, "x")
    x_test = given if x_test is None else _arrays(x_test, "x_test")
    fitted = (IWAE if isinstance(model, IWAE) else VAE)(model.encoder, model.decoder, prior)
    fitted._build_for(given)
    variables = prior.trainable_weights
    if not variables:
        raise ValueError(
            f"`prior` must have weights to train; received {prior!r} with none. Use one "
            "such as `tfgen.layers.MixturePrior(latent_dim, num_components=50)`."
        )
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(variables)
    step = tf.function(_ascent(fitted, variables, optimizer), autograph=False)
    given = fitted._checked(given)
    for number in range(steps):
        keys = random.row_keys(seed, tf.constant(number), tf.range(batch_size))
        value = step(given, keys)
    if not np.isfinite(value):
        raise FloatingPointError(
            f"fitting `prior` failed: its mean log-density is {float(value)} nats. Lower "
            f"`learning_rate`, which is {learning_rate:g}."
        )
    old, new = (m.log_prob(x_test, num_samples, seed=seed) for m in (model, fitted))
    return FittedPrior(fitted, new, new - old)


def _ascent(model: VAE, variables: list, optimizer: keras.optimizers.Optimizer) -> Callable:
    """Returns a function that makes a step on a batch and returns the mean log p(z)."""

    def step(given: Any, keys: tf.Tensor) -> tf.Tensor:
        count = tf.shape(keras.tree.flatten(given)[0])[0]
        share = random.uniform(random.stream(keys, random.Stream.BATCH), dtype=tf.float64)
        rows = tf.cast(share * tf.cast(count, tf.float64), tf.int32)
        batch = keras.tree.map_structure(lambda value: tf.gather(value, rows), given)
        z = sample(model._posterior(batch), keys)
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model._prior_at(batch).log_prob(z))
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return -loss

    return step


def _arrays(x: Any, name: str) -> dict[str, Any]:
    """What is given by name, where all of it is arrays."""
    given = of_x(x)
    for value in keras.tree.flatten(given):
        if not (isinstance(value, np.ndarray) or tf.is_tensor(value)):
            raise TypeError(
                f"`{name}` must be an array, or a dict of arrays by name; received a "
                f"{type(value).__name__}."
            )
    return given


def _check(model: Any, prior: Any) -> None:
    """Raises a TypeError if a prior can't be fitted to this model."""
    # The encoder of a `MeanFieldVAE` is a table, which is trained with the prior.
    if not isinstance(model, VAE) or isinstance(model, MeanFieldVAE):
        raise TypeError(
            "`model` must be a `VAE` or `IWAE`, whose encoder finds the latents of data; "
            f"received a {type(model).__name__}. Give the prior to the model instead, and "
            "train the two together."
        )
    if not isinstance(prior, keras.layers.Layer):
        raise TypeError(
            "`prior` must be a Keras layer whose weights can be trained, such as "
            "`tfgen.layers.MixturePrior(latent_dim, num_components=50)`; received "
            f"{prior!r}."
        )
