"""Differentiable augmentation of images, for the discriminator of a GAN."""

from typing import Any

import keras
import tensorflow as tf

from tfgen import random
from tfgen.layers.arguments import number_between
from tfgen.layers.base import register
from tfgen.layers.noise_scope import row_noise

__all__ = ["DifferentiableAugmentation"]


@register
class DifferentiableAugmentation(keras.layers.Layer):
    """Changes images at random while training, by operations that have gradients [1].

    As the first layer of a discriminator it shows data and samples through the same
    random changes, T(x) and T(G(z)), so that a discriminator can't learn few data by
    heart, and the generator learns through T what is not T's own. With u uniform in
    (-1, 1), drawn anew for each image,

        colour:       x + u brightness; distance from the mean of the channels times
                      1 + u saturation; from the image's mean times 1 + u contrast
        translation:  by whole pixels, up to that share of height and width; 0 outside
        cutout:       a square of that share of height and width set to 0

    Only where `training` is true; else it returns its input. In a `tfgen.models.GAN` noise
    is keyed by row and step; elsewhere it comes of the layer's own seed.

    Args:
        brightness: at least 0. The defaults are those of [1], for pixels in [-1, 1]:
            halve this for pixels in [0, 1]. 0 turns a change off.
        saturation: in [0, 1]; nothing where there is one channel.
        contrast: in [0, 1].
        translation: in [0, 1).
        cutout: in [0, 1).
        seed: of the layer's own noise, an integer, or `None`.
        **kwargs: `keras.layers.Layer`'s.

    Call arguments:
        inputs: images `[batch, height, width, channels]`.
        training: whether to change them.

    Returns:
        Images of the same shape.

    Raises:
        TypeError: if an argument is no number.
        ValueError: if one is out of its range, or the images are not of that shape.

    >>> layer = DifferentiableAugmentation(brightness=0.25)
    >>> layer(tf.zeros([2, 8, 8, 1]), training=True).shape.as_list()
    [2, 8, 8, 1]

    [1] Zhao et al. Differentiable augmentation for data-efficient GAN training.
        arXiv 2006.10738.
    """

    def __init__(
        self,
        brightness: float = 0.5,
        saturation: float = 1.0,
        contrast: float = 0.5,
        translation: float = 0.125,
        cutout: float = 0.5,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.brightness = number_between(brightness, 0.0, float("inf"), "brightness")
        self.saturation = number_between(saturation, 0.0, 1.0, "saturation")
        self.contrast = number_between(contrast, 0.0, 1.0, "contrast")
        self.translation = number_between(translation, 0.0, 0.999, "translation")
        self.cutout = number_between(cutout, 0.0, 0.999, "cutout")
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        """Checks that the input are images of a fixed size."""
        if len(input_shape) != 4 or None in tuple(input_shape)[1:]:
            raise ValueError(
                "`inputs` must be images of a fixed size, [batch, height, width, "
                f"channels]; received shape {tuple(input_shape)}."
            )
        self.built = True

    def call(self, inputs: tf.Tensor, training: bool | None = False) -> tf.Tensor:
        """The images, changed where `training`."""
        if not training:
            return inputs
        keys = row_noise(self.seed_generator, tf.shape(inputs)[0])
        u = random.uniform(keys, [7])
        x = self._recoloured(inputs, tf.cast(2.0 * u[:, :3] - 1.0, inputs.dtype))
        return self._cut(self._moved(x, u[:, 3:5]), u[:, 5:])

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "brightness": self.brightness,
            "saturation": self.saturation,
            "contrast": self.contrast,
            "translation": self.translation,
            "cutout": self.cutout,
            "seed": self.seed,
        }

    def _recoloured(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        bright, saturated, contrasted = tf.unstack(u[:, :, None, None, None], axis=1)
        x = x + self.brightness * bright
        if x.shape[-1] > 1:
            grey = tf.reduce_mean(x, axis=-1, keepdims=True)
            x = grey + (1.0 + self.saturation * saturated) * (x - grey)
        mean = tf.reduce_mean(x, axis=[1, 2, 3], keepdims=True)
        return mean + (1.0 + self.contrast * contrasted) * (x - mean)

    def _moved(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        """By products with shifted unit matrices, whose rows are 0 outside the image."""
        if not self.translation:
            return x
        for axis, equation in ((1, "bij,bjwc->biwc"), (2, "bij,bhjc->bhic")):
            side = x.shape[axis]
            most = int(side * self.translation + 0.5)
            shift = _whole(u[:, axis - 1], -most, most)
            source = tf.range(side) - shift[:, tf.newaxis]
            x = tf.einsum(equation, tf.one_hot(source, side, dtype=x.dtype), x)
        return x

    def _cut(self, x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
        if not self.cutout:
            return x
        inside = []
        for axis in (1, 2):
            side = x.shape[axis]
            size = int(side * self.cutout + 0.5)
            centre = _whole(u[:, axis - 1], 0, side - size % 2)
            offset = tf.range(side) - centre[:, tf.newaxis] + size // 2
            inside.append((offset >= 0) & (offset < size))
        hole = inside[0][:, :, tf.newaxis] & inside[1][:, tf.newaxis, :]
        return tf.where(hole[..., tf.newaxis], tf.zeros([], x.dtype), x)


def _whole(u: tf.Tensor, low: int, high: int) -> tf.Tensor:
    """Uniform on low, ..., high."""
    return low + tf.cast(tf.floor(u * float(high - low + 1)), tf.int32)
