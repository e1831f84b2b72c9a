"""Penalties that look at a whole batch, added to the loss beside a bound: one a file.

| penalty | what is added, times `weight` | source |
|---|---|---|
| `FreeBits` | sum over units of max(0, nats - KL of the unit) | arXiv 1606.04934 |
| `KLCapacity` | the distance of the KL from a capacity | arXiv 1804.03599 |
| `TotalCorrelation` | KL(q(z) || prod_d q(z_d)) | arXiv 1802.04942 |
| `MMD` | the squared maximum mean discrepancy of q(z) and p(z) | arXiv 1706.02262 |

Give them to `VAE.compile(penalties=[...])`. Each is logged under its own name, and the
bound that is logged stays the bound. To write another, subclass `Penalty`.
"""

from tfgen.losses.penalties.base import Penalty
from tfgen.losses.penalties.free_bits import FreeBits
from tfgen.losses.penalties.kl_capacity import KLCapacity
from tfgen.losses.penalties.mmd import MMD
from tfgen.losses.penalties.registry import get_penalties
from tfgen.losses.penalties.total_correlation import TotalCorrelation, kl_parts

__all__ = [
    "MMD",
    "FreeBits",
    "KLCapacity",
    "Penalty",
    "TotalCorrelation",
    "get_penalties",
    "kl_parts",
]
