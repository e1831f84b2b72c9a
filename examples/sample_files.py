"""Writes samples to a PNG or an NPZ file, and shows progress."""

import os
import sys
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image

__all__ = ["progress", "write"]


def progress(batches: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the batches; on a terminal, shows a bar and the time left on stderr."""
    if not sys.stderr.isatty():
        yield from batches
        return
    start, done, total = time.monotonic(), 0, sum(map(len, batches))
    for batch in batches:
        yield batch
        done += len(batch)
        bar = ("=" * (30 * done // total)).ljust(30, ".")
        left = (time.monotonic() - start) * (total - done) / done
        print(f"\r[{bar}] {done}/{total}, {left:.0f} s left ", end="", file=sys.stderr)
    print(file=sys.stderr)


def write(path: str, arrays: dict[str, np.ndarray], show: str = "samples") -> None:
    """Writes what a `sample` signature returned; the extension of `path` says how.

    Args:
        path: `….npz` holds all arrays; `….png` shows one of them as a grid of images.
        arrays: name -> `[n, ...]`.
        show: the name of the array for the PNG, whose rows must be images: `[n, H, W]`,
            `[n, H, W, 1 or 3]`, or `[n, H*H]`.

    Raises:
        ValueError: an unknown extension or name, or rows that are no images.
    """
    directory = os.path.dirname(path)
    if directory:
        os.makedirs(directory, exist_ok=True)
    extension = os.path.splitext(path)[1]
    if extension == ".npz":
        np.savez_compressed(path, **arrays)
    elif extension == ".png":
        if show not in arrays:
            raise ValueError(f"`show` must be one of {sorted(arrays)}; received {show!r}.")
        Image.fromarray(_grid(_images(arrays[show]))).save(path)
    else:
        raise ValueError(f"`path` must end in .png or .npz; received {path!r}.")


def _images(rows: np.ndarray) -> np.ndarray:
    """`[n, H, W, 1 or 3]`, as bytes: black is the least value or 0, white the most."""
    side = round(rows[0].size ** 0.5)
    if rows.ndim == 2 and side * side == rows.shape[1]:
        rows = rows.reshape(-1, side, side)
    if rows.ndim == 3:
        rows = rows[..., np.newaxis]
    if rows.ndim != 4 or rows.shape[3] not in (1, 3):
        raise ValueError(
            f"Rows of shape {rows.shape[1:]} are no images; write an .npz instead."
        )
    low, high = min(0.0, rows.min()), max(1.0, rows.max())
    return np.round(255 * (rows - low) / (high - low)).astype(np.uint8)


def _grid(images: np.ndarray, scale: int = 4, gap: int = 1) -> np.ndarray:
    """The images, row by row in a grid as square as it can be, each pixel enlarged."""
    count, height, width, channels = images.shape
    columns = int(np.ceil(count**0.5))
    lines = int(np.ceil(count / columns))
    grid = np.full(
        [lines * (height + gap) + gap, columns * (width + gap) + gap, channels],
        128,
        np.uint8,
    )
    for i, image in enumerate(images):
        line, column = divmod(i, columns)
        top, left = gap + line * (height + gap), gap + column * (width + gap)
        grid[top : top + height, left : left + width] = image
    grid = grid.repeat(scale, axis=0).repeat(scale, axis=1)
    return grid if channels == 3 else grid[..., 0]
