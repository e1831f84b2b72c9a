"""Pictures of a model's samples during the training."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfgen import random
from tfgen.models import GAN, VAE, checks
from tfgen.plots.image_files import write_png
from tfgen.plots.tiles import check_columns, check_range, scale_images, tile

__all__ = ["SampleGrid"]

_NUM_SAMPLES = 64


class SampleGrid(keras.callbacks.Callback):
    """Draws samples of the same seed every few epochs: as PNG files, and for TensorBoard.

    All grids use one seed, so that each place in the grid shows the same z while the model
    changes: the mean of p(x|z) for a `VAE`, G(z) for a `GAN`. The first grid is drawn
    before the first step. The training itself does not change: the grids use their own
    random numbers.

    Args:
        directory: where `epoch_0000.png`, `epoch_0001.png`, ... are written, by the number
            of epochs trained; created if missing. `None` writes no files.
        every: epochs between two grids.
        num_samples: images in a grid, 64 by default; omit it if there is a `condition`,
            each row of which gives an image.
        seed: an integer, the seed of all grids.
        condition: a dict of conditions by name, each `[num_samples, ...]`.
        num_columns: images in a row; by default about as many as there are rows.
        value_range: the values of black and of white, such as (-1, 1); values outside are
            clipped.
        zoom: side length of the square, in pixels, that shows one pixel of an image.
        log_dir: TensorBoard's directory, where the grids are written as the images
            `samples` of the run `samples`, with the epoch as the step. `None` writes none.

    Raises:
        ValueError: if there is neither `directory` nor `log_dir`, or an argument is out of
            range; in `fit`, before the first step, if the samples are not images, or if
            a conditional model's `condition` is missing.
        TypeError: if an argument is of the wrong type; in `fit`, if the model is neither a
            `VAE` nor a `GAN`.

    >>> import keras, tempfile
    >>> import numpy as np
    >>> import tfgen
    >>> encoder = keras.Sequential([
    ...     keras.layers.Input([4, 4]), keras.layers.Flatten(), keras.layers.Dense(4),
    ...     tfgen.layers.MultivariateNormalDiag(2),
    ... ])
    >>> decoder = keras.Sequential([
    ...     keras.layers.Input([2]), keras.layers.Dense(16),
    ...     tfgen.layers.IndependentBernoulli([4, 4]),
    ... ])
    >>> vae = tfgen.models.VAE(encoder, decoder)
    >>> vae.compile("adam", "elbo")
    >>> directory = tempfile.mkdtemp()
    >>> grids = SampleGrid(directory, num_samples=9)
    >>> history = vae.fit(np.zeros([8, 4, 4]), epochs=2, callbacks=[grids], verbose=0)
    >>> sorted(os.listdir(directory))
    ['epoch_0000.png', 'epoch_0001.png', 'epoch_0002.png']
    """

    def __init__(
        self,
        directory: str | os.PathLike | None = None,
        every: int = 1,
        num_samples: int | None = None,
        seed: int = 0,
        condition: Mapping[str, Any] | None = None,
        num_columns: int | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
        zoom: int = 4,
        log_dir: str | os.PathLike | None = None,
    ) -> None:
        super().__init__()
        if directory is None and log_dir is None:
            raise ValueError(
                "`directory` must be given, for files, or `log_dir`, for TensorBoard; "
                "received neither."
            )
        for name, path in (("directory", directory), ("log_dir", log_dir)):
            if path is not None and not isinstance(path, str | os.PathLike):
                raise TypeError(
                    f"`{name}` must be a path; received {path!r}. Pass one such as 'grids'."
                )
        random.key(seed)  # raises where it is no integer
        if num_samples is None and condition is None:
            num_samples = _NUM_SAMPLES
        if num_samples is not None:
            num_samples = checks.positive_integer(num_samples, "num_samples")
        self.directory = None if directory is None else pathlib.Path(directory)
        self.every = checks.positive_integer(every, "every")
        self.num_samples = num_samples
        self.seed = seed
        self.condition = condition
        self.num_columns = num_columns
        self.value_range = check_range(value_range)
        self.zoom = checks.positive_integer(zoom, "zoom")
        self.log_dir = None if log_dir is None else pathlib.Path(log_dir)
        if num_columns is not None:
            checks.positive_integer(num_columns, "num_columns")
        self._writer: Any = None
        self._is_first = True

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the model, and opens TensorBoard's file."""
        if not isinstance(self.model, VAE | GAN):
            raise TypeError(
                "`SampleGrid` draws the samples of a `VAE` or a `GAN`; received a "
                f"{type(self.model).__name__}."
            )
        is_gan = isinstance(self.model, GAN)
        of = self.model if is_gan else self.model.structure
        if of.conditions and self.condition is None:
            raise ValueError(
                "`condition` of `SampleGrid` must be given, since the model has the "
                f"conditions {list(of.conditions)}; received None. Pass a row for each "
                "image, such as `condition={'c': np.arange(10)}`."
            )
        self._is_first = True
        if self.log_dir is not None:
            self._writer = tf.summary.create_file_writer(str(self.log_dir / "samples"))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Draws the model that the training starts with."""
        if self._is_first:
            self._is_first = False
            picture = self._draw()  # an error in it comes before the first step
            if epoch % self.every == 0:
                self._write(picture, epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Draws a grid every `every` epochs."""
        if (epoch + 1) % self.every == 0:
            self._write(self._draw(), epoch + 1)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes TensorBoard's file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _draw(self) -> np.ndarray:
        model = self.model
        draw = model.sample_mean if isinstance(model, VAE) else model.sample
        samples = draw(self.num_samples, seed=self.seed, condition=self.condition)
        images = scale_images(samples, self.value_range, "samples", clip=True)
        return tile(images, check_columns(self.num_columns, len(images)), self.zoom)

    def _write(self, picture: np.ndarray, epochs: int) -> None:
        if self.directory is not None:
            write_png(self.directory / f"epoch_{epochs:04d}.png", picture)
        if self._writer is not None:
            with self._writer.as_default():
                tf.summary.image("samples", picture[None], step=epochs)
            self._writer.flush()
