"""Every writer on a full disk, or where a file stands in the way of a directory.

A limit on the size of files stands for a full disk: it works for root and in a container.
"""

import contextlib
import resource
import signal

import numpy as np
import pytest

import tfgen
from tfgen.serving.files import written_whole


@contextlib.contextmanager
def full_disk(num_bytes=64):
    """No file may grow beyond `num_bytes`: a write raises an OSError."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def names(directory):
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*"))


def image_grid(filepath):
    images = np.random.default_rng(0).random([4, 8, 8])
    tfgen.plots.save_image_grid(filepath, images, zoom=2)


def curves(filepath):
    tfgen.plots.save_curves(filepath, {"a": ([1, 2], [3, 4])}, "x", "y")


def text(filepath):
    with written_whole(filepath) as partial:
        partial.write_text("a" * 1000)


WRITERS = [image_grid, curves, text]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_what_there_was(write, tmp_path):
    filepath = tmp_path / "a.png"
    filepath.write_text("before")
    with full_disk(), pytest.raises(OSError, match=r"`filepath`.*too large.*a\.png"):
        write(filepath)
    assert filepath.read_text() == "before"
    assert names(tmp_path) == ["a.png"]
    write(filepath)
    assert filepath.stat().st_size > 64


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_leaves_no_new_directory(write, tmp_path):
    with full_disk(), pytest.raises(OSError, match="`filepath`"):
        write(tmp_path / "b" / "c" / "a.png")
    assert names(tmp_path) == []


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_in_the_way_of_a_directory(write, tmp_path):
    (tmp_path / "file").write_text("before")
    with pytest.raises(OSError, match=r"`filepath`.*file/a\.png") as raised:
        write(tmp_path / "file" / "a.png")
    assert isinstance(raised.value, FileExistsError | NotADirectoryError)
    assert (tmp_path / "file").read_text() == "before"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("write", WRITERS)
def test_a_directory_in_the_way_of_a_file(write, tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(IsADirectoryError, match=r"`filepath`.*a\.png"):
        write(tmp_path / "a.png")
    assert names(tmp_path) == ["a.png"]


def _model(directory):
    version = directory / "gan" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"")


def test_the_configuration_of_a_server_on_a_full_disk(tmp_path):
    _model(tmp_path)
    tfgen.serving.write_config(tmp_path)
    before = (tmp_path / "models.config").read_text()
    with full_disk(), pytest.raises(OSError, match=r"too large.*models\.config"):
        tfgen.serving.write_config(tmp_path, "/elsewhere")
    assert (tmp_path / "models.config").read_text() == before
    files = ["gan", "gan/1", "gan/1/saved_model.pb", "models.config", "monitoring.config"]
    assert names(tmp_path) == files


@pytest.mark.parametrize("filepath", ["", 3])
def test_a_path_that_is_none(filepath):
    with pytest.raises((TypeError, ValueError), match=r"`filepath` must .*; received"):
        image_grid(filepath)
