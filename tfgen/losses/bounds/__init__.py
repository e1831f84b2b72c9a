"""Bounds on log p(x) as training objectives: one a file."""

from tfgen.losses.bounds.base import Bound, Evaluation
from tfgen.losses.bounds.elbo import ELBO
from tfgen.losses.bounds.iwlb import IWLB
from tfgen.losses.bounds.registry import get_bound
from tfgen.losses.bounds.renyi import Renyi

__all__ = ["ELBO", "IWLB", "Bound", "Evaluation", "Renyi", "get_bound"]
