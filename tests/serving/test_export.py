"""Versions are whole or not there, and hold the weights once."""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import tempfile

import numpy as np
import pytest
import tensorflow as tf

from tfgen import serving

X = {"x": tf.TensorSpec([None, 256], tf.float32)}


def scaled(value):
    """A model whose 256 kB of weights say which version it is."""
    weights = tf.Variable(tf.fill([256, 256], float(value)))
    return {"f": serving.Signature(lambda x: {"y": x @ weights}, X)}


def served_value(base, version):
    model = tf.saved_model.load(os.path.join(base, str(version)))
    return float(model.signatures["f"](x=tf.eye(1, 256))["y"][0, 0])


def left_in(base):
    return sorted(os.listdir(base))


@pytest.fixture
def base(tmp_path):
    """A base directory with version 1, which gives 1."""
    serving.export(tmp_path / "model", scaled(1))
    return tmp_path / "model"


def test_versions_count_up_from_the_largest(base):
    (base / "batching_params.pbtxt").touch()
    (base / "notes7").mkdir()
    assert serving.export(base, scaled(2), version=41) == str(base / "41")
    assert serving.export(base, scaled(3)) == str(base / "42")
    assert serving.export(str(base), scaled(4), version=np.int64(7)) == str(base / "7")
    assert [served_value(base, v) for v in (1, 41, 42, 7)] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["1", "001"])
def test_an_existing_version_is_refused(base, name):
    """A server reads 001 as 1, too."""
    (base / "1").rename(base / name)
    with pytest.raises(FileExistsError, match="`version` must be new; received 1"):
        serving.export(base, scaled(2), version=1)
    assert left_in(base) == [name]
    assert served_value(base, name) == 1


@pytest.mark.parametrize("version", [2, None])
def test_a_version_that_another_process_takes_meanwhile_is_not_replaced(
    base, version, monkeypatch
):
    rename = os.rename

    def rename_too_late(source, target):
        if not (base / "2").exists():
            shutil.copytree(base / "1", base / "2")
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_too_late)
    if version is None:
        assert serving.export(base, scaled(3)) == str(base / "3")
        assert served_value(base, 3) == 3
    else:
        with pytest.raises(FileExistsError, match="`version` must be new; received 2"):
            serving.export(base, scaled(3), version=version)
        assert left_in(base) == ["1", "2"]
    assert served_value(base, 2) == 1


@pytest.mark.parametrize(
    ("version", "error", "message"),
    [
        (-1, ValueError, "between 0 and 2\\*\\*63 - 1.*received -1"),
        (2**63, ValueError, "received 9223372036854775808"),
        ("2", TypeError, "must be an integer, or None.*received '2'"),
        (True, TypeError, "received True"),
        (2.0, TypeError, "received 2.0"),
    ],
)
def test_a_version_no_server_could_read_is_refused(base, version, error, message):
    with pytest.raises(error, match=f"`version` .*{message}"):
        serving.export(base, scaled(2), version=version)


@pytest.mark.parametrize(
    ("filepath", "error"),
    [("gs://bucket/model", ValueError), (__file__, NotADirectoryError)],
)
def test_a_place_that_is_no_local_directory_is_refused(filepath, error):
    with pytest.raises(error, match=r"`filepath` must be a .*directory"):
        serving.export(filepath, scaled(1))


@pytest.mark.parametrize("name", ["serving_default", "f_xla", "an f", ""])
def test_a_reserved_signature_name_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"`signatures`.*received '{name}'"):
        serving.export(tmp_path / "model", {name: scaled(1)["f"]})


def test_no_signatures_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`signatures` must hold at least one"):
        serving.export(tmp_path / "model", {})


def test_a_failing_function_leaves_nothing(tmp_path):
    def fails(x):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        serving.export(tmp_path / "model", {"f": serving.Signature(fails, X)})
    assert left_in(tmp_path) == []


def test_weights_are_stored_once_and_only_those_in_use(tmp_path):
    used, unused = (tf.Variable(tf.random.normal([300, 256])) for _ in range(2))
    signature = {
        name: serving.Signature(lambda x: {"y": x @ tf.transpose(used)}, X)
        for name in ("f", "g", "sample")
    }
    path = serving.export(tmp_path / "model", signature, xla=True)
    files = (file for file in pathlib.Path(path).rglob("*") if file.is_file())
    total = sum(file.stat().st_size for file in files)
    nbytes = used.numpy().nbytes
    assert nbytes < total < 1.5 * nbytes
    assert unused.shape == used.shape
    assert not (pathlib.Path(path) / "keras_metadata.pb").exists()


@contextlib.contextmanager
def full_disk(base):
    """Files may not grow beyond 100 kB: the kernel refuses the write."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@contextlib.contextmanager
def read_only(base):
    """No permission to write; root has it always, so root becomes nobody."""
    os.chmod(base, 0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        os.chmod(base, 0o755)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        (full_disk, "No version could be written to .*large"),
        (read_only, "No version could be written to .*denied"),
    ],
)
def test_a_failed_write_leaves_what_was_there(trouble, message):
    # Not tmp_path, into which nobody may not look.
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)
        base = os.path.join(parent, "model")
        serving.export(base, scaled(1))
        with trouble(base), pytest.raises(OSError, match=message):
            serving.export(base, scaled(2))
        assert left_in(base) == ["1"]
        assert served_value(base, 1) == 1
        assert serving.export(base, scaled(2)) == os.path.join(base, "2")


KILLED = """
import glob, os, signal, sys, time
import tensorflow as tf
from tfgen import serving

base = sys.argv[1]
module = sys.modules["tfgen.serving.export"]

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def export():
    weights = tf.Variable(tf.zeros([256, 2**16]))  # 64 MB
    x = {"x": tf.TensorSpec([None, 256], tf.float32)}
    serving.export(base, {"f": serving.Signature(lambda x: {"y": x @ weights}, x)})

for owner, name in (
    (None, None),
    (tf.saved_model, "save"),
    (module, "write_batching"),
    (module, "write_warmup"),
    (os, "rename"),
):
    child = os.fork()
    if not child:
        if owner is not None:
            setattr(owner, name, die)
        export()
        os._exit(0)
    if owner is None:  # killed from outside, while the weights are being written
        while not glob.glob(base + "/.writing-*/variables/*"):
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
    print(name, os.waitpid(child, 0)[1])
"""


@pytest.mark.slow
def test_an_export_killed_half_way_leaves_no_version(base, run_python):
    printed = run_python(KILLED, base)
    moments = ["None", "save", "write_batching", "write_warmup", "rename"]
    assert printed.split() == " 9 ".join([*moments, ""]).split()
    killed = [name for name in left_in(base) if name != "1"]
    assert len(killed) == len(moments)
    assert all(name.startswith(".writing-") for name in killed)
    assert served_value(base, 1) == 1
    assert serving.export(base, scaled(2)) == str(base / "2")
    assert served_value(base, 2) == 2
