"""Objectives: log-weights to bounds on log p(x).

| loss | what is reduced over K | source |
|---|---|---|
| `ELBO` | mean log w | arXiv 1312.6114 |
| `IWLB` | log mean w | arXiv 1509.00519 |
| `Renyi` | log mean w^(1 - alpha) / (1 - alpha) | arXiv 1602.02311 |
"""

from tfgen.losses.bounds import ELBO, IWLB, Bound, Renyi, get_bound
from tfgen.losses.reductions import LogWeights, elbo, iwlb, renyi

__all__ = [
    "ELBO",
    "IWLB",
    "Bound",
    "LogWeights",
    "Renyi",
    "elbo",
    "get_bound",
    "iwlb",
    "renyi",
]
