"""GAN losses by name."""

from collections.abc import Callable

import tensorflow as tf

from tfgen.losses.gan import GANLoss, GeneratorObjective
from tfgen.losses.gan_classic import Minimax, NonSaturating
from tfgen.losses.gan_critic import Hinge, LeastSquares, Wasserstein
from tfgen.losses.gan_divergence import FDivergence
from tfgen.losses.gan_likelihood import MaximumLikelihood

__all__ = ["get_gan_loss", "known_gan_losses"]

_ALIASES: dict[str, Callable[[], GANLoss]] = {
    "maximum_likelihood": MaximumLikelihood,
    "normalized_maximum_likelihood": lambda: MaximumLikelihood(normalize=True),
    "non_saturating": NonSaturating,
    "minimax": Minimax,
    "kl": lambda: FDivergence("kl"),
    "reverse_kl": lambda: FDivergence("reverse_kl"),
    "jensen_shannon": lambda: FDivergence("jensen_shannon"),
    "pearson": lambda: FDivergence("pearson"),
    "squared_hellinger": lambda: FDivergence("squared_hellinger"),
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
}


def known_gan_losses() -> tuple[str, ...]:
    """The names that `get_gan_loss` knows."""
    return tuple(_ALIASES)


def get_gan_loss(
    identifier: str | GANLoss | Callable[[tf.Tensor], tf.Tensor],
) -> GANLoss:
    """The GAN loss that a name, a loss or a function of the logits stands for.

    Args:
        identifier: A name of `known_gan_losses()`; a `GANLoss`, returned as it is; or
            a function f of logits `[batch]` → `[batch]`, for max_G E f(a(G(z))).

    Returns:
        A `GANLoss`.

    Raises:
        TypeError: If `identifier` is none of these.
        ValueError: If the name is unknown.

    >>> import tfgen
    >>> tfgen.losses.get_gan_loss("minimax").logits_are_log_ratio
    True
    """
    if isinstance(identifier, GANLoss):
        return identifier
    if isinstance(identifier, str):
        if identifier not in _ALIASES:
            known = ", ".join(repr(name) for name in _ALIASES)
            raise ValueError(
                f"`loss` must name a GAN loss; received {identifier!r}. Known: {known}."
            )
        return _ALIASES[identifier]()
    if isinstance(identifier, type) or not callable(identifier):
        raise TypeError(
            "`loss` must be a name, a `tfgen.losses.GANLoss` or a function of the "
            f"logits; received {identifier!r}."
        )
    return GeneratorObjective(identifier)
