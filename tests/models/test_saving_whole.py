"""`save` and `save_weights` replace a file whole, or leave it as it was."""

import errno
import os
import pathlib
import tempfile

import keras
import numpy as np
import pytest

import tfgen
from tests.serving.test_export import read_only
from tests.serving.test_files import full_disk, names


@pytest.fixture(scope="module")
def model():
    layers = tfgen.layers
    encoder = keras.Sequential([keras.Input([2, 2]), keras.layers.Flatten()])
    encoder.add(keras.layers.Dense(4))
    encoder.add(layers.MultivariateNormalDiag(2))
    decoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(4), layers.IndependentBernoulli([2, 2])]
    )
    model = tfgen.models.VAE(encoder, decoder)
    model.compile("sgd", run_eagerly=True)
    model.build([None, 2, 2])
    return model


def test_a_full_disk_leaves_the_model_of_before(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    before = path.read_bytes()
    with full_disk(len(before) // 2):
        with pytest.raises(OSError, match=r"`filepath`.*too large.*model\.keras"):
            model.save(path)
        with pytest.raises(OSError, match=r"`filepath`.*too large.*model\.keras"):
            model.save(tmp_path / "new" / "model.keras")
    assert path.read_bytes() == before
    assert names(tmp_path) == ["model.keras"]


def test_a_directory_that_is_read_only_is_named(model):
    # Not tmp_path, into which nobody may not look.
    with tempfile.TemporaryDirectory() as parent:
        os.chmod(parent, 0o755)
        directory = pathlib.Path(parent, "models")
        directory.mkdir()
        model.save(directory / "a.keras")
        with read_only(directory):
            for name in ("a.keras", "b.keras"):
                with pytest.raises(PermissionError, match=rf"`filepath`.*denied.*{name}"):
                    model.save(directory / name)
        assert names(directory) == ["a.keras"]
        assert keras.saving.load_model(directory / "a.keras").built


@pytest.mark.parametrize("method", ["save", "save_weights"])
def test_a_write_that_fails_half_way_leaves_what_there_was(
    method, model, tmp_path, monkeypatch
):
    path = tmp_path / ("a.keras" if method == "save" else "a.weights.h5")
    getattr(model, method)(path)
    before = path.read_bytes()

    def fail(self, filepath, *args, **kwargs):
        with open(filepath, "wb") as file:
            file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(keras.Model, method, fail)
    with pytest.raises(OSError, match=rf"`filepath`.*No space left.*{path.name}") as raised:
        getattr(model, method)(path)
    assert raised.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert names(tmp_path) == [path.name]


def test_what_was_saved_is_read_back(model, tmp_path):
    x = np.eye(2, dtype="float32")[None]
    path = tmp_path / "new" / "model.keras"
    model.save(path)
    model.save(path)  # overwrites
    again = keras.saving.load_model(path)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    weights = tmp_path / "m.weights.h5"
    model.save_weights(weights)
    for variable in again.trainable_variables:
        variable.assign(variable + 1.0)
    again.load_weights(weights)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert names(tmp_path) == ["m.weights.h5", "new", "new/model.keras"]


def test_a_link_stays_a_link(model, tmp_path):
    (tmp_path / "link.keras").symlink_to(tmp_path / "model.keras")
    model.save(tmp_path / "link.keras")
    assert (tmp_path / "link.keras").is_symlink()
    assert (tmp_path / "model.keras").is_file()


def test_keras_asks_before_it_overwrites_where_it_is_told_to(model, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.write_text("before")
    monkeypatch.setattr("builtins.input", lambda *_: "n")
    model.save(path, overwrite=False)
    assert path.read_text() == "before"
    model.save(tmp_path / "new.keras", overwrite=False)
    assert (tmp_path / "new.keras").is_file()


def test_a_checkpoint_and_a_picture_on_a_full_disk(model, tmp_path):
    x = np.zeros([4, 2, 2], "float32")
    backup = tfgen.callbacks.BackupAndRestore(tmp_path / "backup")
    with full_disk(), pytest.raises(OSError, match=r"backup.* can't be written: .*large"):
        model.fit(x, verbose=0, callbacks=[backup])
    grid = tfgen.callbacks.SampleGrid(tmp_path / "grids", num_samples=4)
    with full_disk(), pytest.raises(OSError, match=r"`filepath`.*too large.*grids"):
        model.fit(x, verbose=0, callbacks=[grid])
    assert not list(tmp_path.rglob("*.png"))
    assert not list(tmp_path.rglob("*.checkpoint"))
