"""The signal-to-noise ratio of gradients, as the number of samples grows."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.evaluation.arguments import check_model
from tfgen.evaluation.table import format_table
from tfgen.losses import IWLB
from tfgen.losses.estimators import Estimator, get_estimator
from tfgen.models import VAE, checks

__all__ = ["gradient_snr"]


def gradient_snr(
    model: VAE,
    x: Any,
    num_samples: Sequence[int] = (1, 4, 16, 64),
    estimators: Sequence[str | Estimator] | str | None = None,
    num_replicates: int = 500,
    seed: Any = None,
    y: Any = None,
    verbose: bool = True,
) -> dict[str, dict[str, np.ndarray]]:
    """Signal-to-noise ratio of gradients of L_K, for encoder and decoder, by estimator.

        SNR = |E g| / sqrt(E |g - E g|^2),

    where g is the gradient of the batch's mean L_K in all parameters of the encoder, or of
    the decoder, and expectations are over the noise alone. As K grows, the bound gets
    tighter, but the SNR of the reparameterized encoder gradient decreases as 1/sqrt(K);
    DReG's grows as sqrt(K). The SNR of decoder gradients, which no estimator changes, grows
    as sqrt(K).

    |E g|^2 is estimated without bias, by subtracting the noise of the mean over R
    replicates; if SNR^2 is not well above 1/R, the ratio is unreliable, and it is 0 if the
    estimate is negative. The rates in K hold for weights of finite fourth moment, that is,
    for a q that is not narrower than the posterior.

    Args:
        model: a `VAE` or `IWAE`.
        x: a batch, `[B, ...]`, or a dict of inputs by name.
        num_samples: the values of K.
        estimators: estimators of `tfgen.losses.IWLB`, names or objects, see
            `tfgen.losses.estimators`; or `"all"`, every name that applies to the model's
            posterior. By default `"reparameterized"` and `"dreg"` if they apply, and
            otherwise all that do.
        num_replicates: R, the number of gradients for each figure, at least 2.
        seed: an integer, or `None` for fresh numbers.
        y: `[B, *event]`, the targets of the likelihood; x unless given.
        verbose: whether to print the table.

    Returns:
        A dict by the estimators' names, of dicts of arrays as long as `num_samples`:
        `num_samples`; the ratios `encoder` and `decoder`; and `encoder_variance` and
        `decoder_variance`, E |g - E g|^2. NaN if an estimator does not support that K:
        `"vimco"` does not support 1, and `"enumerate"` supports only 1.

    Raises:
        ValueError: if a number is below its minimum, an estimator is unknown or does not
            apply, or the model has no trainable weights in its encoder or its decoder.
        TypeError: if a number is not an integer.

    Source: Rainforth et al. Tighter variational bounds are not necessarily better.
    arXiv 1802.04537; Tucker et al., arXiv 1810.04152.
    """
    check_model(model, x)
    if checks.positive_integer(num_replicates, "num_replicates") == 1:
        raise ValueError("`num_replicates` must be at least 2; received 1.")
    if not list(num_samples):
        raise ValueError(
            f"`num_samples` must hold at least one K; received {num_samples!r}. Pass "
            "numbers such as (1, 4, 16)."
        )
    for count in num_samples:
        checks.positive_integer(count, "num_samples")
    groups = {"encoder": model.encoder, "decoder": model.decoder}
    for name, part in groups.items():
        if not part.trainable_variables:
            raise ValueError(
                f"`{name}` must have trainable weights; received one with none. Set "
                "`trainable = True`."
            )
    posterior = model.encode(x)
    chosen = _chosen(estimators, posterior)
    x, y = keras.tree.map_structure(tf.convert_to_tensor, (x, x if y is None else y))
    seed = random.fresh_seed() if seed is None else seed
    keys = random.row_keys(seed, 0, tf.range(posterior.batch_shape[0]))
    result = {}
    for estimator in chosen:
        figures = []
        for count in num_samples:
            if count < estimator.min_samples or (estimator.enumerates and count > 1):
                figures.append([np.nan] * 4)
                continue
            bound = IWLB(count, estimator=estimator)
            estimator.check(posterior, count)
            moments = _moments(model, bound, estimator, list(groups.values()))
            found = moments(x, y, keys, num_replicates)
            ratios = [_ratio(mean, squares, num_replicates) for mean, squares in found]
            figures.append(
                [*ratios, *(_variance(squares, num_replicates) for _, squares in found)]
            )
        names = ("encoder", "decoder", "encoder_variance", "decoder_variance")
        columns = dict(zip(names, np.array(figures).T, strict=True))
        result[_label(estimator)] = {"num_samples": np.array(num_samples), **columns}
    if verbose:
        print(_table(result))
    return result


def _chosen(estimators: Any, posterior: Any) -> list[Estimator]:
    """The requested estimators; by default those that apply."""
    if estimators is None:
        pathwise = [get_estimator(name) for name in ("reparameterized", "dreg")]
        estimators = pathwise if _applies(pathwise[0], posterior) else "all"
    if isinstance(estimators, str):
        if estimators != "all":
            raise ValueError(
                "`estimators` must be 'all' or a sequence of estimators; received "
                f"{estimators!r}. Pass [{estimators!r}]."
            )
        known = map(get_estimator, IWLB.estimators)
        return [estimator for estimator in known if _applies(estimator, posterior)]
    for estimator in estimators:
        IWLB.check_estimator(estimator)
    return [get_estimator(estimator) for estimator in estimators]


def _applies(estimator: Estimator, posterior: Any) -> bool:
    try:
        estimator.check(posterior, max(estimator.min_samples, 1))
    except ValueError:
        return False
    return True


def _label(estimator: Estimator) -> str:
    try:
        is_default = estimator.get_config() == type(estimator)().get_config()
    except TypeError:  # it has no defaults
        is_default = False
    return estimator.name if is_default else repr(estimator)


def _moments(
    model: VAE, bound: IWLB, estimator: Estimator, parts: list[Any]
) -> Callable[..., Any]:
    """Returns a function from (x, y, keys, R) to each part's mean gradient and squares."""
    variables = [list(part.trainable_variables) for part in parts]

    def gradients(x: Any, y: Any, keys: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            posterior = model.encode(x)
            draws = estimator.draw(posterior, keys, bound.num_samples)
            terms = model.log_weight_terms(x, y=y, posterior=posterior, z=draws)
            surrogate = estimator.surrogate(bound.objective, terms, draws)
            objective = tf.reduce_mean(surrogate)
        groups = tape.gradient(objective, variables, unconnected_gradients="zero")
        return [tf.concat([tf.reshape(g, [-1]) for g in group], 0) for group in groups]

    def run(x: Any, y: Any, keys: tf.Tensor, count: tf.Tensor) -> Any:
        def step(i: tf.Tensor, moments: list[tuple[tf.Tensor, tf.Tensor]]) -> tuple:
            new = gradients(x, y, random.stream(keys, random.Stream.REPLICATE, i))
            weight = 1.0 / (tf.cast(i, new[0].dtype) + 1.0)
            after = []
            for gradient, (mean, squares) in zip(new, moments, strict=True):  # Welford
                change = gradient - mean
                mean += weight * change
                after.append((mean, squares + change * (gradient - mean)))
            return i + 1, after

        sizes = [sum(int(np.prod(v.shape)) for v in group) for group in variables]
        dtype = variables[0][0].dtype
        start = [(tf.zeros([size], dtype), tf.zeros([size], dtype)) for size in sizes]
        return tf.while_loop(lambda i, _: i < count, step, (tf.constant(0), start))[1]

    return tf.function(run, autograph=False)


def _variance(squares: tf.Tensor, count: int) -> float:
    return float(np.sum(squares.numpy(), dtype="float64")) / (count - 1)


def _ratio(mean: tf.Tensor, squares: tf.Tensor, count: int) -> float:
    variance = _variance(squares, count)
    signal = float(np.sum(mean.numpy().astype("float64") ** 2)) - variance / count
    return np.sqrt(max(signal, 0.0) / variance) if variance > 0 else np.inf


def _table(result: dict[str, dict[str, np.ndarray]]) -> str:
    header = ["estimator", "K", "encoder SNR", "decoder SNR"]
    header += ["encoder variance", "decoder variance"]
    rows = [
        [estimator, str(k), *(f"{value:.3g}" for value in figures)]
        for estimator, values in result.items()
        for k, *figures in zip(*values.values(), strict=True)
        if not np.isnan(figures[0])
    ]
    return format_table(header, rows)
