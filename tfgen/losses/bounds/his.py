"""Hamiltonian refinement of the posterior's draws, as a bound."""

from typing import Any

import keras

from tfgen.losses.bounds.dais import DAIS

__all__ = ["HIS"]


@keras.saving.register_keras_serializable("tfgen")
class HIS(DAIS):
    """Hamiltonian importance sampling: q's draws move along the gradient of log p(x, z).

    z_0 is a draw from q, v_0 one from N(0, I), and (z_T, v_T) lies T leapfrog steps
    further, along log p(x, z) itself and without fresh noise. That is a flow, made of the
    model's own gradient in place of weights, which keeps volume:

        log w = log p(x, z_T) + log N(v_T) - log q(z_0) - log N(v_0).

    As of `DAIS`, E w = p(x), and the mean of log w is a **lower** bound on log p(x).

    Args:
        num_steps: T.
        num_samples: K.
        step_size: of the dynamics, in standard deviations of q a dimension, above 0.

    Raises:
        TypeError: if `num_steps` or `num_samples` is no integer, or `step_size` no number.
        ValueError: if one is out of range; at `compile`, if a latent is discrete, relaxed,
            or can't be reparameterized.

    Source: Caterini, Doucet, Sejdinovic. Hamiltonian variational auto-encoder.
    arXiv 1805.11328, without its tempering of the momentum.

    >>> HIS(num_steps=3).label
    'his'
    """

    label = "his"

    def __init__(
        self, num_steps: int = 3, num_samples: int = 1, step_size: float = 0.3
    ) -> None:
        super().__init__(num_steps, num_samples, step_size, momentum=1.0)

    def temperature(self, i: int) -> float:
        """1: every step is along log p(x, z)."""
        return 1.0

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        config = super().get_config()
        del config["momentum"]
        return config
