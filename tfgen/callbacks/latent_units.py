"""Logs during `fit` which units of z are active."""

from typing import Any

import keras
import numpy as np

from tfgen.models import checks

__all__ = ["LatentUnits"]


class LatentUnits(keras.callbacks.Callback):
    """Logs the number of active units of z, and keeps each unit's KL, epoch by epoch.

    Unit d is active where Var_x E_{q(z|x)}[z_d] > threshold, as in
    `tfgen.evaluation.active_units`, here over the epoch's training examples, while the
    weights change. It is logged as `active_units`; with several latents, as
    `active_units_<name>` for each latent whose means have a closed form. A callback that
    monitors it, such as `EarlyStopping`, must come after this one.

    The sums that it needs are part of every training step, with or without the callback.

    Args:
        threshold: threshold of the variance, in units of z squared.

    Attributes:
        kl: a list with, for each epoch, KL(q(z_d|x) || p(z_d)) of each unit, averaged over
            examples, `[D]`, in nats; a dict by name for several latents. It is the KL of
            the marginals if q correlates units, and is averaged over draws if a latent
            depends on another or TFP has no closed form. `None` if the units of q or p have
            no distribution in closed form, as in a flow.

    Raises:
        TypeError: if `threshold` is not a number, or (in `fit`) if the model is not a
            `VAE`.
        ValueError: if it is not positive, or (in `fit`) if neither means nor KLs of units
            have a closed form.

    >>> import tfgen
    >>> encoder = keras.Sequential([
    ...     keras.layers.Input([4]), keras.layers.Dense(4),
    ...     tfgen.layers.MultivariateNormalDiag(2),
    ... ])
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]), keras.layers.Dense(4),
    ...     tfgen.layers.IndependentBernoulli([4]),
    ... ])
    >>> vae = tfgen.models.VAE(encoder, decoder)
    >>> vae.compile("adam", "elbo", run_eagerly=True)
    >>> units = tfgen.callbacks.LatentUnits()
    >>> history = vae.fit(np.eye(4), epochs=2, callbacks=[units], verbose=0)
    >>> len(history.history["active_units"]), [kl.shape for kl in units.kl]
    (2, [(2,), (2,)])

    Source: Burda, Grosse, Salakhutdinov, arXiv 1509.00519, section 5.2.
    """

    def __init__(self, threshold: float = 0.01) -> None:
        super().__init__()
        self.threshold = checks.positive_number(threshold, "threshold")
        self.kl: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that means or KLs of the model's units are known."""
        self.kl = []
        watch = getattr(self.model, "latent_watch", None)
        if watch is None:
            raise TypeError(
                "`LatentUnits` looks at the latents of a `tfgen.models.VAE`; received a "
                f"{type(self.model).__name__}. Leave the callback out."
            )
        if self.model.built and not (watch.kl or watch.variance):
            raise ValueError(
                "`LatentUnits` needs a posterior whose units have a mean or a distribution "
                f"in closed form; received {self.model.encoder!r}. Leave the callback out, "
                "and use `tfgen.evaluation.active_units`, which draws."
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Logs the active units."""
        watch, is_joint = self.model.latent_watch, self.model.structure.is_joint
        for name, variance in watch.variance.items():
            label = f"active_units_{name}" if is_joint else "active_units"
            if logs is not None:
                logs[label] = int(np.sum(variance > self.threshold))
        self.kl.append(watch.kl if is_joint else watch.kl.get("z"))
