"""Layers that turn parameters into distributions: TFP's output layers for Keras 3.

| posterior or likelihood | its law | parameters |
|---|---|---|
| `MultivariateNormalDiag` | N(mu, diag sigma^2) | 2 D |
| `MultivariateNormalTriL` | N(mu, L L^T) | D + D (D + 1) / 2 |
| `MultivariateNormalScale` | N(mu, S S^T) | D + D^2 |
| `MultivariateNormalDiagPlusLowRank` | S = diag(sigma) + U U^T | (2 + rank) D |
| `InverseAutoregressiveFlow` | flows of one pass a sample | 2 D + context |
| `MaskedAutoregressiveFlow` | flows of one pass a density | 2 D + context |
| `RealNVP` | affine couplings, one pass for both | 2 D + context |
| `PlanarFlow` | T flows of one direction each | 2 D + T (2 D + 1) |
| `IndependentBernoulli` | Bernoulli for each dimension | D |
| `IndependentDiscretizedLogistic` | 8-bit pixels, a rounded logistic for each | 2 D |
| `IndependentLogistic` | Logistic(mu, s) for each dimension | 2 D |
| `IndependentNormal` | N(mu, sigma^2) for each dimension | 2 D |
| `IndependentPoisson` | counts, Poisson(rate) for each dimension | D |
| `OneHotCategorical` | one of D categories | D |
| `RelaxedBernoulli` | in (0, 1), near 0 and 1 at a low temperature | D |
| `RelaxedOneHotCategorical` | on the simplex, near its corners | D |
| `CategoricalMixtureOfOneHotCategorical` | K mixed one-hot categoricals | K (1 + D) |
| `MixtureSameFamily` | K components of one layer of P parameters | K (1 + P) |
| `MixtureNormal`, `MixtureLogistic` | K of independent dimensions | K (1 + 2 D) |
| `DistributionLambda` | what a function returns | any |
| `AutoregressiveTransform` | a distribution through a masked network | a distribution |

| prior, called without arguments | its law |
|---|---|
| `LearnedPrior` | any family above, with trained parameters |
| `MixturePrior` | sum_k w_k N(mu_k, diag sigma_k^2) |
| `VampPrior` | mean of q(z given u_k) over pseudo-inputs |
| `FlowPrior` | N(0, I) through masked autoregressive flows |

| joint distribution | its law |
|---|---|
| `JointDistribution` | prod_i q(z_i given those before it and what is given), z_i named |

| part | what it does |
|---|---|
| `KLDivergenceRegularizer`, `KLDivergenceAddLoss` | add a KL divergence to the loss |
| `AutoregressiveNetwork` | the masked network of a flow |
| `ConvertToTensor` | the mean, or another tensor, of a model's distribution |
| `VariableLayer` | a variable, whatever the input |
| `DifferentiableAugmentation` | random changes of images, for a discriminator |
| `ProjectionLogit` | the logit of a discriminator that is given a class |
"""

from tfgen.layers.autoregressive_flow import (
    AutoregressiveTransform,
    InverseAutoregressiveFlow,
    MaskedAutoregressiveFlow,
)
from tfgen.layers.autoregressive_network import AutoregressiveNetwork
from tfgen.layers.base import DistributionLayer
from tfgen.layers.categorical import (
    CategoricalMixtureOfOneHotCategorical,
    OneHotCategorical,
)
from tfgen.layers.central_value import central_value, is_discrete
from tfgen.layers.convert_to_tensor import ConvertToTensor
from tfgen.layers.differentiable_augmentation import DifferentiableAugmentation
from tfgen.layers.discrete_law import discrete_law, is_relaxed
from tfgen.layers.discretized_logistic import DiscretizedLogistic
from tfgen.layers.distribution_lambda import DistributionLambda
from tfgen.layers.factored_distribution import FactoredDistribution
from tfgen.layers.independent import (
    IndependentBernoulli,
    IndependentLogistic,
    IndependentNormal,
)
from tfgen.layers.independent_counts import (
    IndependentDiscretizedLogistic,
    IndependentPoisson,
)
from tfgen.layers.joint_distribution import JointDistribution
from tfgen.layers.kl_divergence import KLDivergenceAddLoss, KLDivergenceRegularizer
from tfgen.layers.mixture import MixtureLogistic, MixtureNormal, MixtureSameFamily
from tfgen.layers.multivariate_normal import (
    MultivariateNormalDiag,
    MultivariateNormalDiagPlusLowRank,
    MultivariateNormalScale,
    MultivariateNormalTriL,
)
from tfgen.layers.named_inputs import NamedInputs
from tfgen.layers.noise_scope import noise_keys, row_noise
from tfgen.layers.planar_flow import PlanarFlow
from tfgen.layers.priors import FlowPrior, LearnedPrior, MixturePrior
from tfgen.layers.projection_logit import ProjectionLogit
from tfgen.layers.real_nvp import RealNVP
from tfgen.layers.relaxed import RelaxedBernoulli, RelaxedOneHotCategorical
from tfgen.layers.sampling import (
    Noise,
    is_keyed_by_row,
    register_draw,
    sample,
    sample_and_log_prob,
    unwrap,
)
from tfgen.layers.support import all_values, num_values
from tfgen.layers.tensor_distribution import TensorDistribution
from tfgen.layers.vamp_prior import VampPrior
from tfgen.layers.variable_layer import VariableLayer

__all__ = [
    "AutoregressiveNetwork",
    "AutoregressiveTransform",
    "CategoricalMixtureOfOneHotCategorical",
    "ConvertToTensor",
    "DifferentiableAugmentation",
    "DiscretizedLogistic",
    "DistributionLambda",
    "DistributionLayer",
    "FactoredDistribution",
    "FlowPrior",
    "IndependentBernoulli",
    "IndependentDiscretizedLogistic",
    "IndependentLogistic",
    "IndependentNormal",
    "IndependentPoisson",
    "InverseAutoregressiveFlow",
    "JointDistribution",
    "KLDivergenceAddLoss",
    "KLDivergenceRegularizer",
    "LearnedPrior",
    "MaskedAutoregressiveFlow",
    "MixtureLogistic",
    "MixtureNormal",
    "MixturePrior",
    "MixtureSameFamily",
    "MultivariateNormalDiag",
    "MultivariateNormalDiagPlusLowRank",
    "MultivariateNormalScale",
    "MultivariateNormalTriL",
    "NamedInputs",
    "Noise",
    "OneHotCategorical",
    "PlanarFlow",
    "ProjectionLogit",
    "RealNVP",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "TensorDistribution",
    "VampPrior",
    "VariableLayer",
    "all_values",
    "central_value",
    "discrete_law",
    "is_discrete",
    "is_keyed_by_row",
    "is_relaxed",
    "noise_keys",
    "num_values",
    "register_draw",
    "row_noise",
    "sample",
    "sample_and_log_prob",
    "unwrap",
]
