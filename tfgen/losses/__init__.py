"""`tfgen.losses`."""

from tfgen.losses.gan import GANLoss, GeneratorObjective
from tfgen.losses.gan_classic import Minimax, NonSaturating
from tfgen.losses.gan_critic import Hinge, LeastSquares, Wasserstein
from tfgen.losses.gan_divergence import FDivergence
from tfgen.losses.gan_likelihood import MaximumLikelihood
from tfgen.losses.gan_penalty import r1_penalty, wgan_gp_penalty
from tfgen.losses.gan_registry import get_gan_loss, known_gan_losses

__all__ = [
    "FDivergence",
    "GANLoss",
    "GeneratorObjective",
    "Hinge",
    "LeastSquares",
    "MaximumLikelihood",
    "Minimax",
    "NonSaturating",
    "Wasserstein",
    "get_gan_loss",
    "known_gan_losses",
    "r1_penalty",
    "wgan_gp_penalty",
]
