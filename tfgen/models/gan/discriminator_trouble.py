"""Warns where the discriminator of a GAN has won."""

from typing import Any

from tfgen.models.lasting_trouble import LastingTrouble

__all__ = ["DiscriminatorTrouble"]

# From it on, nearly no sample is taken for data.
_ACCURACY = 0.99


class DiscriminatorTrouble(LastingTrouble):
    """Warns where the discriminator tells nearly all samples and data apart.

    `GAN.fit` adds one by itself. It looks at `accuracy`, which is logged where a logit is
    a log-ratio: a critic, as of `Wasserstein`, is meant to be ahead.
    """

    def troubles(self, logs: dict[str, Any]) -> dict[str, str]:
        """An accuracy of nearly 1."""
        accuracy = float(logs.get("accuracy", 0.0))
        if accuracy <= _ACCURACY:
            return {}
        text = (
            f"the discriminator is right on {accuracy:.1%} of data and samples: it has "
            "won, and the generator learns little from it. Use gradient_penalty='r1', a "
            "smaller learning rate of `discriminator_optimizer`, fewer "
            "`discriminator_steps` or a smaller discriminator; or loss='wasserstein' with "
            "gradient_penalty='wgan_gp', whose gradient stays."
        )
        return {"won": text}
