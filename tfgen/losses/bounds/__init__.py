"""Bounds on log p(x) as training objectives: one a file."""

from tfgen.losses.bounds.base import Bound, Evaluation
from tfgen.losses.bounds.ciwae import CIWAE
from tfgen.losses.bounds.dais import DAIS
from tfgen.losses.bounds.elbo import ELBO
from tfgen.losses.bounds.his import HIS
from tfgen.losses.bounds.iwlb import IWLB
from tfgen.losses.bounds.miwae import MIWAE
from tfgen.losses.bounds.piwae import PIWAE
from tfgen.losses.bounds.registry import get_bound
from tfgen.losses.bounds.renyi import Renyi
from tfgen.losses.bounds.tvo import TVO

__all__ = [
    "CIWAE",
    "DAIS",
    "ELBO",
    "HIS",
    "IWLB",
    "MIWAE",
    "PIWAE",
    "TVO",
    "Bound",
    "Evaluation",
    "Renyi",
    "get_bound",
]
