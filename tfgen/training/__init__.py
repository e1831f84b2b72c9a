"""How `fit` runs: many training steps as one XLA program."""

from tfgen.training.fused import FusedModel

__all__ = ["FusedModel"]
