"""GAN losses by name."""

from collections.abc import Callable

from tfgen.losses.gan.base import GANLoss
from tfgen.losses.gan.divergence import FDivergence
from tfgen.losses.gan.hinge import Hinge
from tfgen.losses.gan.least_squares import LeastSquares
from tfgen.losses.gan.maximum_likelihood import MaximumLikelihood
from tfgen.losses.gan.minimax import Minimax
from tfgen.losses.gan.non_saturating import NonSaturating
from tfgen.losses.gan.relativistic import RelativisticPairing
from tfgen.losses.gan.wasserstein import Wasserstein

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
    "relativistic_pairing": RelativisticPairing,
}


def known_gan_losses() -> tuple[str, ...]:
    """The names that `get_gan_loss` knows."""
    return tuple(_ALIASES)


def get_gan_loss(identifier: str | GANLoss) -> GANLoss:
    """The GAN loss of a name, or the loss itself.

    A bare function of the logits is refused: a Keras user means by it what is minimised,
    while GAN papers mean the f of max_G E f(a(G(z))).

    Args:
        identifier: A name of `known_gan_losses()`, or a `GANLoss`, returned as it is.

    Returns:
        A `GANLoss`.

    Raises:
        TypeError: If `identifier` is neither.
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
    if callable(identifier) and not isinstance(identifier, type):
        raise TypeError(
            "`loss` must be a name or a `tfgen.losses.GANLoss`; received the function "
            f"{identifier!r}, which can be read in two ways. For the generator to maximise "
            "E f(a) of its logits a, as in the GAN papers, pass "
            "`tfgen.losses.GeneratorObjective(f)`. For it to minimise E f(a), which is "
            "Keras's convention, pass `tfgen.losses.GeneratorObjective(lambda a: -f(a))`."
        )
    raise TypeError(
        f"`loss` must be a name or a `tfgen.losses.GANLoss`; received {identifier!r}. "
        "Pass a name such as 'maximum_likelihood'."
    )
