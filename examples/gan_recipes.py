"""Data, networks and settings that train a GAN on two cores, one recipe per dataset.

| recipe | data | minutes |
|---|---|---|
| `two_gaussians` | two modes on a line, for a generator that can make one Gaussian | 1/2 |
| `ring` | eight Gaussians on a circle of radius 2, standard deviation 0.1 | 1/2 |
| `digits` | scikit-learn's digits, 8x8 | 2 |
| `fashion_mnist` | Fashion-MNIST, 28x28 | 10 |

    recipe = gan_recipes.ring(seed=0)
    gan = recipe.compiled("maximum_likelihood")
    gan.fit(recipe.x, batch_size=recipe.batch_size, epochs=recipe.epochs)
"""

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np

import tfgen

__all__ = [
    "RECIPES",
    "Recipe",
    "digits",
    "fashion_mnist",
    "modes_and_quality",
    "ring",
    "two_gaussians",
]

layers = keras.layers


@dataclasses.dataclass
class Recipe:
    """Everything that has to be chosen to train a GAN, except the objective.

    Attributes:
        x: Data, `[N, ...]`.
        generator: From `latent_dim` numbers to a sample.
        discriminator: From a sample to a logit.
        latent_dim: Size of z.
        batch_size: Rows of x per step.
        epochs: Passes over x.
        generator_rate: Adam's learning rate; a cosine schedule lowers it to a hundredth.
        discriminator_rate: The same for the discriminator.
        settings: Further arguments of `GAN.compile`.
    """

    x: np.ndarray
    generator: keras.Model
    discriminator: keras.Model
    latent_dim: int
    batch_size: int
    epochs: int
    generator_rate: float
    discriminator_rate: float
    settings: dict

    def compiled(self, loss: str | tfgen.losses.GANLoss, **settings) -> tfgen.models.GAN:
        """The GAN, compiled; `settings` replace those of the recipe."""
        settings = {**self.settings, **settings}
        updates = self.epochs * math.ceil(len(self.x) / self.batch_size)
        seen = updates * settings.get("discriminator_steps", 1)
        gan = tfgen.models.GAN(self.generator, self.discriminator, self.latent_dim)
        gan.compile(
            _adam(self.generator_rate, updates),
            _adam(self.discriminator_rate, seen),
            loss=loss,
            **settings,
        )
        return gan


def two_gaussians(seed: int = 0) -> Recipe:
    """One Gaussian, N(0.5, 1) at the start, fitted to 1/2 N(-2, 1/4) + 1/2 N(2, 1/4).

    The discriminator sees x and x^2 beside its hidden units, so that it can be near its
    optimum in the tails too, where a reverse Kullback-Leibler divergence looks.
    """
    keras.utils.set_random_seed(seed)
    start = keras.initializers.Constant(0.5)
    generator = keras.Sequential(
        [
            keras.Input([1]),
            layers.Dense(1, kernel_initializer="ones", bias_initializer=start),
        ]
    )
    x = keras.Input([1])
    powers = layers.Concatenate()([x, layers.Multiply()([x, x])])
    hidden = layers.Dense(32, "tanh")(layers.Dense(32, "tanh")(powers))
    logit = layers.Dense(1)(layers.Concatenate()([powers, hidden]))
    return Recipe(
        x=tfgen.datasets.two_gaussians(128_000, seed=seed),
        generator=generator,
        discriminator=keras.Model(x, logit),
        latent_dim=1,
        batch_size=512,
        epochs=8,
        generator_rate=1e-2,
        discriminator_rate=3e-3,
        settings={
            "discriminator_steps": 5,
            "generator_ema": 0.99,
        },
    )


def ring(seed: int = 0) -> Recipe:
    """Eight modes, to see which objectives keep them all."""
    keras.utils.set_random_seed(seed)
    return Recipe(
        x=tfgen.datasets.ring_of_gaussians(102_400, seed=seed),
        generator=_dense(2, 2),
        discriminator=_dense(2, 1),
        latent_dim=2,
        batch_size=256,
        epochs=10,
        generator_rate=1e-3,
        discriminator_rate=1e-3,
        settings={"generator_ema": 0.995},
    )


def digits(seed: int = 0) -> Recipe:
    """Handwritten digits of 8x8 pixels, intensities in [0, 1]."""
    keras.utils.set_random_seed(seed)
    x, _ = tfgen.datasets.load_digits("unit")
    return Recipe(
        x=x,
        generator=_image_generator(side=8, latent_dim=32, width=64),
        discriminator=_image_discriminator(side=8, width=64),
        latent_dim=32,
        batch_size=64,
        epochs=150,
        generator_rate=5e-4,
        discriminator_rate=5e-4,
        settings={
            "gradient_penalty": "r1",
            "gradient_penalty_weight": 0.1,
            "generator_ema": 0.995,
        },
    )


def fashion_mnist(seed: int = 0) -> Recipe:
    """Fashion-MNIST, 60,000 pictures of 28x28 pixels, intensities in [0, 1]."""
    keras.utils.set_random_seed(seed)
    x, _ = tfgen.datasets.load_fashion_mnist("unit")
    return Recipe(
        x=x,
        generator=_image_generator(side=28, latent_dim=64, width=32),
        discriminator=_image_discriminator(side=28, width=32),
        latent_dim=64,
        batch_size=64,
        epochs=8,
        generator_rate=5e-4,
        discriminator_rate=5e-4,
        settings={
            "gradient_penalty": "r1",
            "gradient_penalty_weight": 0.1,
            "generator_ema": 0.998,
        },
    )


RECIPES: dict[str, Callable[[int], Recipe]] = {
    "two_gaussians": two_gaussians,
    "ring": ring,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
}


def modes_and_quality(samples: np.ndarray) -> tuple[int, float]:
    """How well samples of the ring cover it, and how many lie on it.

    Args:
        samples: `[N, 2]`.

    Returns:
        The number of modes that have at least 1 % of the samples within 3 standard
        deviations, and the share of the samples within 3 of any mode. For data of the
        ring itself they are 8 and 1 - exp(-9/2) = 0.989.
    """
    modes = tfgen.datasets.ring_distribution().components_distribution.loc.numpy()
    distances = np.linalg.norm(samples[:, np.newaxis] - modes, axis=-1)
    is_near = distances < 0.3
    return int(np.sum(is_near.mean(axis=0) >= 0.01)), float(is_near.any(axis=1).mean())


def _adam(rate: float, updates: int) -> keras.optimizers.Adam:
    schedule = keras.optimizers.schedules.CosineDecay(rate, updates, alpha=0.01)
    return keras.optimizers.Adam(schedule, beta_1=0.5)


def _dense(inputs: int, outputs: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input([inputs]),
            layers.Dense(128, "relu"),
            layers.Dense(128, "relu"),
            layers.Dense(outputs),
        ]
    )


def _image_generator(side: int, latent_dim: int, width: int) -> keras.Model:
    """Starts at a quarter of the side, which two transposed convolutions double."""
    small = side // 4
    return keras.Sequential(
        [
            keras.Input([latent_dim]),
            layers.Dense(small * small * 2 * width),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Reshape([small, small, 2 * width]),
            layers.Conv2DTranspose(width, 4, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="sigmoid"),
        ]
    )


def _image_discriminator(side: int, width: int) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input([side, side, 1]),
            layers.Conv2D(width, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Conv2D(2 * width, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Flatten(),
            layers.Dense(128),
            layers.LeakyReLU(),
            layers.Dense(1),
        ]
    )
