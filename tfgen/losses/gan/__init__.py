"""What the two networks of a GAN minimise: an objective a file, penalties, names."""

from tfgen.losses.gan.base import GANLoss
from tfgen.losses.gan.divergence import FDivergence
from tfgen.losses.gan.general import GeneratorObjective
from tfgen.losses.gan.hinge import Hinge
from tfgen.losses.gan.least_squares import LeastSquares
from tfgen.losses.gan.maximum_likelihood import MaximumLikelihood
from tfgen.losses.gan.minimax import Minimax
from tfgen.losses.gan.non_saturating import NonSaturating
from tfgen.losses.gan.penalties import r1_penalty, r1_r2_penalty, wgan_gp_penalty
from tfgen.losses.gan.registry import get_gan_loss, known_gan_losses
from tfgen.losses.gan.relativistic import RelativisticPairing
from tfgen.losses.gan.wasserstein import Wasserstein

__all__ = [
    "FDivergence",
    "GANLoss",
    "GeneratorObjective",
    "Hinge",
    "LeastSquares",
    "MaximumLikelihood",
    "Minimax",
    "NonSaturating",
    "RelativisticPairing",
    "Wasserstein",
    "get_gan_loss",
    "known_gan_losses",
    "r1_penalty",
    "r1_r2_penalty",
    "wgan_gp_penalty",
]
