"""Layers that turn parameters into distributions: TFP's output layers for Keras 3.

| layer | its law | parameters |
|---|---|---|
| `MultivariateNormalDiag` | N(mu, diag sigma^2) | 2 D |
| `MultivariateNormalTriL` | N(mu, L L^T) | D + D (D + 1) / 2 |
| `MultivariateNormalScale` | N(mu, S S^T) | D + D^2 |
| `IndependentBernoulli` | Bernoulli a dimension | D |
| `IndependentNormal` | N(mu, sigma^2) a dimension | 2 D |
"""

from tfgen.layers.base import DistributionLayer
from tfgen.layers.independent import IndependentBernoulli, IndependentNormal
from tfgen.layers.multivariate_normal import (
    MultivariateNormalDiag,
    MultivariateNormalScale,
    MultivariateNormalTriL,
)
from tfgen.layers.sampling import is_keyed_by_row, sample, sample_and_log_prob
from tfgen.layers.tensor_distribution import TensorDistribution

__all__ = [
    "DistributionLayer",
    "IndependentBernoulli",
    "IndependentNormal",
    "MultivariateNormalDiag",
    "MultivariateNormalScale",
    "MultivariateNormalTriL",
    "TensorDistribution",
    "is_keyed_by_row",
    "sample",
    "sample_and_log_prob",
]
