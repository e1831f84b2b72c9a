"""Warns if the discriminator of a GAN is almost always right."""

from typing import Any

from tfgen.models.lasting_trouble import LastingTrouble

__all__ = ["DiscriminatorTrouble"]

# From this accuracy on, almost no sample is classified as data.
_ACCURACY = 0.99


class DiscriminatorTrouble(LastingTrouble):
    """Warns if the discriminator is right on almost all samples and data.

    `GAN.fit` adds one by itself. It checks `accuracy`, which is logged if the logit is a
    log-ratio. A critic, as in `Wasserstein`, is meant to be accurate.
    """

    def troubles(self, logs: dict[str, Any]) -> dict[str, str]:
        """An accuracy of nearly 1."""
        accuracy = float(logs.get("accuracy", 0.0))
        if accuracy <= _ACCURACY:
            return {}
        text = (
            f"the discriminator is right on {accuracy:.1%} of data and samples: it "
            "separates them so easily that the generator learns little from it. Use "
            "gradient_penalty='r1', a smaller learning rate of `discriminator_optimizer`, "
            "fewer `discriminator_steps` or a smaller discriminator; or "
            "loss='wasserstein' with gradient_penalty='wgan_gp', whose gradient does not "
            "vanish."
        )
        return {"won": text}
