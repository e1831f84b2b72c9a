"""Images and toy densities to train and test generative models on.

Loaders return `(x_train, x_test)`, float32 images `[N, height, width, 1]` in the
one of three forms that `kind` names:

- `"binary"`: 0 or 1, one where the intensity is at least half of its maximum; for
  a Bernoulli likelihood.
- `"counts"`: the whole numbers of the source, 0..16 or 0..255; for a likelihood on
  counts or discretized intensities.
- `"unit"`: counts divided by their maximum, in [0, 1]; for pictures, features and
  densities.

Log-likelihoods of binary images, of counts and of unit intensities are on different
scales: compare only models that were trained on the same form.
"""

import gzip
import math
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow_probability as tfp
from numpy.typing import NDArray

from tfgen.layers.arguments import canonical_size, number_at_least

tfd = tfp.distributions

__all__ = [
    "load_digits",
    "load_fashion_mnist",
    "load_mnist",
    "load_static_mnist",
    "ring_distribution",
    "ring_of_gaussians",
    "two_gaussians",
    "two_gaussians_distribution",
]

Images = NDArray[np.float32]

DEBIAN_FASHION_MNIST = "/usr/share/datasets/fashion-mnist"


def load_digits(kind: str = "binary", *, labels: bool = False, seed: int = 0) -> Any:
    """Loads scikit-learn's 1,797 handwritten digits, 8x8 pixels.

    Each pixel counts the "on" pixels, 0..16, of a 4x4 block of a scanned digit. The
    counts are far more spread than a binomial given its mean (a block is mostly all
    on or all off), so `"binary"` with a Bernoulli likelihood, which can be any law of
    a binary pixel, is the form to compare models on.

    Args:
        kind: `"binary"`, `"counts"` or `"unit"`.
        labels: Whether to return the digits' classes, 0..9, too.
        seed: Of the split, which holds out a fifth of every class.

    Returns:
        `(x_train, x_test)`, of shapes `[1437, 8, 8, 1]` and `[360, 8, 8, 1]`; or,
        with `labels`, `((x_train, y_train), (x_test, y_test))`.

    Raises:
        ImportError: If scikit-learn is not installed.
        ValueError: If `kind` is unknown.

    Example:
        >>> import tfgen
        >>> x_train, x_test = tfgen.datasets.load_digits()
        >>> x_train.shape, x_test.shape
        ((1437, 8, 8, 1), (360, 8, 8, 1))

    Source: E. Alpaydin, C. Kaynak. Optical Recognition of Handwritten Digits. UCI
    Machine Learning Repository, 1998.
    """
    try:
        from sklearn.datasets import load_digits as load
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ImportError(
            "`load_digits` needs scikit-learn: `pip install tfgen[examples]`."
        ) from error
    _check_kind(kind)
    if not isinstance(seed, int | np.integer):
        raise TypeError(f"`seed` must be an integer; received {seed!r}.")
    counts, classes = load(return_X_y=True)
    train, test = train_test_split(
        np.arange(len(counts)), test_size=0.2, stratify=classes, random_state=seed
    )
    images = _images(counts.reshape(-1, 8, 8), 16, kind)
    if labels:
        return (images[train], classes[train]), (images[test], classes[test])
    return images[train], images[test]


def load_mnist(kind: str = "binary", *, labels: bool = False) -> Any:
    """Loads MNIST through `keras.datasets`: from its cache, else by download.

    Args:
        kind: `"binary"`, `"counts"` or `"unit"`.
        labels: Whether to return the classes, 0..9, too.

    Returns:
        `(x_train, x_test)`, of shapes `[60000, 28, 28, 1]` and `[10000, 28, 28, 1]`;
        or, with `labels`, `((x_train, y_train), (x_test, y_test))`.

    Raises:
        OSError: If MNIST is neither in the cache nor can be downloaded.
        ValueError: If `kind` is unknown.
    """
    _check_kind(kind)
    hint = "Put Keras's `mnist.npz` into `~/.keras/datasets/`."
    return _split(_from_keras(keras.datasets.mnist.load_data, hint), kind, labels)


def load_fashion_mnist(
    kind: str = "binary",
    *,
    labels: bool = False,
    directory: str | pathlib.Path = DEBIAN_FASHION_MNIST,
) -> Any:
    """Loads Fashion-MNIST from Debian's package or through `keras.datasets`.

    Args:
        kind: `"binary"`, `"counts"` or `"unit"`.
        labels: Whether to return the classes, 0..9, too.
        directory: Where the four `*-ubyte.gz` files lie; by default where Debian's
            package `dataset-fashion-mnist` puts them. Without this directory, the
            cache of `keras.datasets` and then a download are tried.

    Returns:
        `(x_train, x_test)`, of shapes `[60000, 28, 28, 1]` and `[10000, 28, 28, 1]`;
        or, with `labels`, `((x_train, y_train), (x_test, y_test))`.

    Raises:
        OSError: If the data are in none of these places.
        ValueError: If `kind` is unknown or a file is damaged.

    Source: H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms. 2017. arXiv 1708.07747.
    """
    _check_kind(kind)
    directory = pathlib.Path(directory)
    if directory.is_dir():
        parts = tuple(
            (
                _read_idx(directory / f"{name}-images-idx3-ubyte.gz", rank=3),
                _read_idx(directory / f"{name}-labels-idx1-ubyte.gz", rank=1),
            )
            for name in ("train", "t10k")
        )
    else:
        hint = (
            f"`directory` {str(directory)!r} does not exist either: install Debian's "
            "package (`apt-get install dataset-fashion-mnist`), or put its four "
            "`*-ubyte.gz` files into a directory and pass that as `directory`."
        )
        parts = _from_keras(keras.datasets.fashion_mnist.load_data, hint)
    return _split(parts, kind, labels)


def load_static_mnist(filepath: str | pathlib.Path) -> tuple[Images, Images, Images]:
    """Loads MNIST binarized once, the benchmark of published log-likelihoods.

    Args:
        filepath: Of an `.npz` file with keys `train`, `valid` and `test`, each uint8
            `[N, 98]`: 784 pixels, eight to a byte.

    Returns:
        `(x_train, x_valid, x_test)`, of 50,000, 10,000 and 10,000 images
        `[N, 28, 28, 1]` of zeros and ones. The test images are sorted by digit.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file holds something else.

    Source: H. Larochelle, I. Murray. The Neural Autoregressive Distribution
    Estimator. AISTATS 2011.
    """
    if not pathlib.Path(filepath).is_file():
        raise FileNotFoundError(
            f"`filepath` must name an `.npz` file; received {str(filepath)!r}, which does "
            "not exist."
        )
    with np.load(filepath) as file:
        received = {key: (file[key].dtype.name, file[key].shape[1:]) for key in file}
        expected = dict.fromkeys(("train", "valid", "test"), ("uint8", (98,)))
        if received != expected:
            raise ValueError(
                f"`filepath` must hold {expected} as (dtype, shape of a row); "
                f"{str(filepath)!r} holds {received}."
            )
        train, valid, test = (
            np.unpackbits(file[key], axis=1).reshape(-1, 28, 28, 1).astype("float32")
            for key in expected
        )
    return train, valid, test


def ring_distribution(
    num_modes: int = 8, radius: float = 2.0, stddev: float = 0.1
) -> tfd.Distribution:
    """A mixture of equal Gaussians on a circle: do samples cover every mode?

    p(x) = (1/M) sum_m N(x; radius (cos 2 pi m / M, sin 2 pi m / M), stddev^2 I)

    Args:
        num_modes: M, at least 1.
        radius: Of the circle on which the modes lie.
        stddev: Of each mode, along either axis.

    Returns:
        A distribution of event shape `[2]`; mode m is component m.

    Raises:
        ValueError: If `num_modes` < 1 or `stddev` <= 0.

    Example:
        >>> import tfgen
        >>> ring = tfgen.datasets.ring_distribution(num_modes=4)
        >>> ring.components_distribution.loc.numpy().round(3) + 0.0
        array([[ 2.,  0.],
               [ 0.,  2.],
               [-2.,  0.],
               [ 0., -2.]], dtype=float32)
    """
    canonical_size(num_modes, "num_modes")
    number_at_least(-math.inf, radius, "radius")
    angles = 2 * np.pi * np.arange(num_modes) / num_modes
    modes = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return _equal_mixture(modes, stddev)


def ring_of_gaussians(
    num_samples: int,
    num_modes: int = 8,
    radius: float = 2.0,
    stddev: float = 0.1,
    seed: int = 0,
) -> Images:
    """Samples of `ring_distribution`.

    Args:
        num_samples: How many, N.
        num_modes: As in `ring_distribution`.
        radius: As in `ring_distribution`.
        stddev: As in `ring_distribution`.
        seed: The same seed gives the same samples.

    Returns:
        A float32 array `[N, 2]`.

    Raises:
        ValueError: If `num_modes` < 1 or `stddev` <= 0.

    Example:
        >>> import tfgen
        >>> tfgen.datasets.ring_of_gaussians(1000).shape
        (1000, 2)
    """
    return _draw(ring_distribution(num_modes, radius, stddev), num_samples, seed)


def two_gaussians_distribution(loc: float = 2.0, stddev: float = 0.5) -> tfd.Distribution:
    """Two equal Gaussians on a line: does one Gaussian cover both, or pick one?

    p(x) = 1/2 N(x; -loc, stddev^2) + 1/2 N(x; loc, stddev^2)

    Its mean is 0, its variance loc^2 + stddev^2.

    Args:
        loc: Of the right-hand mode.
        stddev: Of each mode.

    Returns:
        A distribution of event shape `[1]`.

    Raises:
        ValueError: If `stddev` <= 0.

    Example:
        >>> import tfgen
        >>> mixture = tfgen.datasets.two_gaussians_distribution()
        >>> float(mixture.variance()[0])
        4.25
    """
    number_at_least(-math.inf, loc, "loc")
    return _equal_mixture(np.array([[-loc], [loc]]), stddev)


def two_gaussians(
    num_samples: int, loc: float = 2.0, stddev: float = 0.5, seed: int = 0
) -> Images:
    """Samples of `two_gaussians_distribution`.

    Args:
        num_samples: How many, N.
        loc: As in `two_gaussians_distribution`.
        stddev: As in `two_gaussians_distribution`.
        seed: The same seed gives the same samples.

    Returns:
        A float32 array `[N, 1]`.

    Raises:
        ValueError: If `stddev` <= 0.

    Example:
        >>> import tfgen
        >>> tfgen.datasets.two_gaussians(1000).shape
        (1000, 1)
    """
    return _draw(two_gaussians_distribution(loc, stddev), num_samples, seed)


def _images(counts: NDArray[Any], maximum: int, kind: str) -> Images:
    """Turns whole numbers `[N, H, W]` into images `[N, H, W, 1]` of one kind."""
    images = counts[..., None].astype(np.float32)
    if kind == "counts":
        return images
    if kind == "unit":
        return (images / maximum).astype(np.float32)
    return (images >= maximum / 2).astype(np.float32)


def _check_kind(kind: Any) -> None:
    if kind not in ("binary", "counts", "unit"):
        raise ValueError(f"`kind` must be 'binary', 'counts' or 'unit'; received {kind!r}.")


def _split(parts: Any, kind: str, labels: bool) -> Any:
    """Turns ((x, y), (x, y)) of 8-bit images into what the loaders return."""
    (x_train, y_train), (x_test, y_test) = parts
    x_train, x_test = _images(x_train, 255, kind), _images(x_test, 255, kind)
    if labels:
        return (x_train, y_train.astype("int64")), (x_test, y_test.astype("int64"))
    return x_train, x_test


def _from_keras(load_data: Callable[[], Any], hint: str) -> Any:
    """Loads from the cache of `keras.datasets` or, failing that, downloads."""
    try:
        return load_data()
    except Exception as error:  # Keras raises a bare Exception when it can't download
        raise OSError(f"`keras.datasets` could not load it: {error}. {hint}") from error


def _read_idx(filepath: pathlib.Path, rank: int) -> NDArray[np.uint8]:
    """Reads a gzipped IDX file of bytes: magic, sizes as big-endian int32, data."""
    with gzip.open(filepath) as file:
        content = file.read()
    header = np.frombuffer(content[: 4 * (1 + rank)], dtype=">i4")
    data = np.frombuffer(content[4 * (1 + rank) :], dtype=np.uint8)
    shape = tuple(int(size) for size in header[1:])
    magic = 0x0800 + rank  # 0x08: unsigned bytes
    if header.size != 1 + rank or header[0] != magic or data.size != np.prod(shape):
        raise ValueError(
            f"{str(filepath)!r} must be an IDX file of bytes of rank {rank}; its "
            f"header is {header.tolist()}, followed by {data.size} bytes. Install it "
            "again."
        )
    return data.reshape(shape)


def _equal_mixture(modes: NDArray[Any], stddev: float) -> tfd.Distribution:
    """Equal isotropic Gaussians at `modes`, `[M, D]`."""
    if not stddev > 0:
        raise ValueError(f"`stddev` must be positive; received {stddev}.")
    return tfd.MixtureSameFamily(
        tfd.Categorical(logits=np.zeros(len(modes), "float32")),
        tfd.MultivariateNormalDiag(
            loc=modes.astype("float32"),
            scale_diag=np.full(modes.shape, stddev, "float32"),
        ),
    )


def _draw(distribution: tfd.Distribution, num_samples: int, seed: int) -> Images:
    """The same samples for the same seed, as TFP guarantees for two integers."""
    canonical_size(num_samples, "num_samples")
    if not isinstance(seed, int | np.integer):
        raise TypeError(f"`seed` must be an integer; received {seed!r}.")
    return distribution.sample(num_samples, seed=(0, seed)).numpy()
