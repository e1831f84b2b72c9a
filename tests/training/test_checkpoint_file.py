"""A checkpoint is read byte for byte as it was written, or refused."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from tfgen.training import checkpoint_file
from tfgen.training.checkpoint_file import Checkpoints, DamagedError, read, write
from tfgen.training.run_state import pack, unpack

ARRAYS = {
    "float32": np.array([[1.5, np.nan], [-0.0, np.inf]], "float32"),
    "bfloat16": tf.constant([1.0, 3.0], tf.bfloat16).numpy(),
    "int64": np.array(-(2**62)),
    "none": np.zeros([0, 3], "uint32"),
    "bool": np.array([True, False]),
}
HEADER = {"epoch": 3, "loss": [0.1, float("nan")], "name": "é"}


def test_what_was_written_is_read_bit_for_bit(tmp_path):
    write(tmp_path / "a.checkpoint", HEADER, ARRAYS)
    header, arrays = read(tmp_path / "a.checkpoint")
    assert json.dumps(header) == json.dumps(HEADER)
    assert list(arrays) == list(ARRAYS)
    for name, value in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (value.dtype, value.shape)
        assert arrays[name].tobytes() == value.tobytes()
    assert os.listdir(tmp_path) == ["a.checkpoint"]


def test_every_flipped_bit_and_every_shorter_file_is_found(tmp_path):
    path = tmp_path / "a.checkpoint"
    write(path, {"epoch": 1}, {"w": np.arange(3.0)})
    content = path.read_bytes()
    for bit in range(8 * len(content)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedError):
            read(path)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DamagedError):
            read(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(DamagedError):
        read(path)


def test_two_files_are_kept_and_a_damaged_one_counts_for_none(tmp_path):
    files = Checkpoints(tmp_path)
    assert files.load() is None
    for epoch in range(3):
        files.save({"epoch": epoch}, {})
    first, second = sorted(tmp_path.iterdir())
    assert read(first)[0] == {"epoch": 1}
    assert read(second)[0] == {"epoch": 2}
    second.write_bytes(b"")
    again = Checkpoints(tmp_path)
    with pytest.warns(RuntimeWarning, match=rf"{second.name} is damaged.*{first.name}"):
        assert again.load() == ({"epoch": 1}, {})
    again.save({"epoch": 7}, {})
    assert [read(path)[0]["epoch"] for path in sorted(tmp_path.iterdir())] == [1, 7]


def test_no_whole_file_is_an_error_that_names_all(tmp_path):
    Checkpoints(tmp_path).save({}, {})
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"")
    with pytest.raises(OSError, match=rf"all checkpoints .* are damaged: .*{path.name}"):
        Checkpoints(tmp_path).load()


def test_a_full_disk_is_named_and_the_file_before_stays(tmp_path, monkeypatch):
    files = Checkpoints(tmp_path)
    files.save({"epoch": 0}, {})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_file.os, "fsync", full)
    with pytest.raises(OSError, match=rf"{tmp_path}.* can't be written: No space left"):
        files.save({"epoch": 1}, {})
    assert [read(path)[0]["epoch"] for path in tmp_path.iterdir()] == [0]


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/backup can't be made: .*another directory"):
        Checkpoints(tmp_path / "file" / "backup").save({}, {})


def test_plain_values_and_arrays_are_packed_and_unpacked():
    value = {
        "loss": [0.1, 2, None, True, "a"],
        "best": np.float32(0.3),
        "weights": [np.arange(3), np.zeros([2, 0])],
        "nested": {"1": {"x": []}},
    }
    arrays = {}
    got = unpack(json.loads(json.dumps(pack(value, arrays))), arrays)
    assert got["loss"] == value["loss"]
    assert (got["best"], got["best"].dtype) == (value["best"], np.float32)
    for a, b in zip(got["weights"], value["weights"], strict=True):
        np.testing.assert_array_equal(a, b)
    assert got["nested"] == value["nested"]
    with pytest.raises(TypeError, match="a set can't be put into a checkpoint"):
        pack({1}, {})
