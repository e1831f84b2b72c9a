"""Objectives: log-weights to bounds on log p(x), logits to what a GAN minimises.

| loss | what is reduced over K | source |
|---|---|---|
| `ELBO` | mean log w | arXiv 1312.6114 |
| `IWLB` | log mean w | arXiv 1509.00519 |
| `Renyi` | log mean w^(1 - alpha) / (1 - alpha) | arXiv 1602.02311, 2210.06226 |
| `MIWAE` | mean over M groups of log mean w | arXiv 1802.04537 |
| `CIWAE` | beta mean log w + (1 - beta) log mean w | arXiv 1802.04537 |
| `PIWAE` | `MIWAE` for the encoder, log mean w for the decoder | arXiv 1802.04537 |
| `TVO` | sum over b of the mean of log w by shares w^b | arXiv 1907.00031 |
| `DAIS` | log mean w, w of chains that anneal q to p | arXiv 2107.10211, 2106.15921 |
| `HIS` | log mean w, w of q's draws along the gradient of log p | arXiv 1805.11328 |
| `NegativeLogLikelihood` | nothing: -log p(y), for any Keras model that ends in p |

| penalty, beside a bound | what is added to the loss, of a batch | source |
|---|---|---|
| `FreeBits` | sum over units of max(0, nats - KL of the unit) | arXiv 1606.04934 |
| `KLCapacity` | the distance of the KL from a capacity | arXiv 1804.03599 |
| `TotalCorrelation` | KL(q(z) || prod_d q(z_d)) | arXiv 1802.04942 |
| `MMD` | maximum mean discrepancy of q(z) and p(z) | arXiv 1706.02262, 1711.01558 |

| GAN loss | what the generator minimises, of logits a | source |
|---|---|---|
| `MaximumLikelihood` | -mean exp(a), or -log mean exp(a) | arXiv 1412.6515 |
| `NonSaturating` | mean softplus(-a) | arXiv 1406.2661 |
| `Minimax` | -mean softplus(a) | arXiv 1406.2661 |
| `FDivergence` | mean f(r) - r f'(r), r = exp(a) | arXiv 1606.00709 |
| `GeneratorObjective` | -mean f(a) | arXiv 1406.2661 |
| `LeastSquares` | mean (a - 1)^2 / 2 | arXiv 1611.04076 |
| `Hinge`, `Wasserstein` | -mean a | arXiv 1705.02894, 1701.07875 |
| `RelativisticPairing` | mean softplus(a(x) - a) | arXiv 1807.00734, 2501.05441 |
"""

from tfgen.losses.bounds import (
    CIWAE,
    DAIS,
    ELBO,
    HIS,
    IWLB,
    MIWAE,
    PIWAE,
    TVO,
    Bound,
    Renyi,
    get_bound,
)
from tfgen.losses.gan import (
    FDivergence,
    GANLoss,
    GeneratorObjective,
    Hinge,
    LeastSquares,
    MaximumLikelihood,
    Minimax,
    NonSaturating,
    RelativisticPairing,
    Wasserstein,
    get_gan_loss,
    known_gan_losses,
    r1_penalty,
    r1_r2_penalty,
    wgan_gp_penalty,
)
from tfgen.losses.negative_log_likelihood import NegativeLogLikelihood
from tfgen.losses.penalties import (
    MMD,
    FreeBits,
    KLCapacity,
    Penalty,
    TotalCorrelation,
    get_penalties,
    kl_parts,
)
from tfgen.losses.reductions import elbo, iwlb, renyi
from tfgen.losses.weights import Draws, LogWeights, log_weights

__all__ = [
    "CIWAE",
    "DAIS",
    "ELBO",
    "HIS",
    "IWLB",
    "MIWAE",
    "MMD",
    "PIWAE",
    "TVO",
    "Bound",
    "Draws",
    "FDivergence",
    "FreeBits",
    "GANLoss",
    "GeneratorObjective",
    "Hinge",
    "KLCapacity",
    "LeastSquares",
    "LogWeights",
    "MaximumLikelihood",
    "Minimax",
    "NegativeLogLikelihood",
    "NonSaturating",
    "Penalty",
    "RelativisticPairing",
    "Renyi",
    "TotalCorrelation",
    "Wasserstein",
    "elbo",
    "get_bound",
    "get_gan_loss",
    "get_penalties",
    "iwlb",
    "kl_parts",
    "known_gan_losses",
    "log_weights",
    "r1_penalty",
    "r1_r2_penalty",
    "renyi",
    "wgan_gp_penalty",
]
