"""What a penalty is: a function of a batch's posterior and draws, to a scalar."""

from typing import Any, ClassVar

import tensorflow as tf
import tensorflow_probability as tfp

from tfgen.layers.arguments import number_at_least

tfd = tfp.distributions


__all__ = ["Penalty", "check_reparameterized"]


class Penalty:
    """Base of the penalties: what is added to the loss, of a whole batch.

    A subclass defines `label`, which names its metric, and `__call__`; and `check`, if it
    does not apply to every pair of posterior and prior.

    Args:
        weight: what the penalty is multiplied by in the loss, at least 0. What is logged
            is the penalty itself.

    Raises:
        TypeError: if `weight` is no number.
        ValueError: if it is below 0 or not finite.
    """

    label: ClassVar[str]
    least_rows: ClassVar[int] = 1

    def __init__(self, weight: float) -> None:
        self.weight = number_at_least(0.0, weight, "weight")

    def __call__(
        self,
        posterior: tfd.Distribution,
        prior: tfd.Distribution,
        z: tf.Tensor,
        key: tf.Tensor,
    ) -> tf.Tensor:
        """The penalty of a batch, a scalar.

        Args:
            posterior: q(z|x), of batch shape `[B]`.
            prior: p(z), of batch shape `[]` or `[B]`.
            z: one draw from q for each row, `[B, *latent]`, or a dict of such tensors by
                the latents' names; reparameterized where q can be.
            key: the rows' keys, `uint32 [B, 2]`, for noise of the penalty's own.
        """
        raise NotImplementedError

    def check(self, posterior: tfd.Distribution, prior: tfd.Distribution) -> None:
        """Raises a ValueError if the penalty does not apply to such distributions."""

    def check_batch_size(self, batch_size: int) -> None:
        """Raises a ValueError if batches are too small for the penalty."""
        if batch_size < self.least_rows:
            raise ValueError(
                f"`batch_size` must be at least {self.least_rows} for the penalty "
                f"{self!r}, which compares examples; received {batch_size}."
            )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"weight": self.weight}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Penalty":
        """The penalty that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def check_reparameterized(penalty: Penalty, posterior: tfd.Distribution) -> None:
    """Raises a ValueError unless z is one tensor with a gradient in q's parameters."""
    if posterior.reparameterization_type != tfd.FULLY_REPARAMETERIZED:
        raise ValueError(
            f"`penalties` may hold {type(penalty).__name__} where z is one tensor and "
            "differentiable in the encoder's weights; received a posterior "
            f"{posterior.name!r}. End the encoder in a reparameterized layer, such as "
            "`tfgen.layers.MultivariateNormalDiag`."
        )
