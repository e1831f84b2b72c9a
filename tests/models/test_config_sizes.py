"""A `.keras` file that asks for absurd sizes is refused before anything is allocated."""

import json
import zipfile

import keras
import pytest

import tfgen


def _forged(source, target, change):
    """Copies a `.keras` file, its config changed as text."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                text = json.dumps(json.loads(content))
                assert change[0] in text
                content = text.replace(*change).encode()
            new.writestr(name, content)
    return target


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    decoder = keras.Sequential(
        [
            keras.Input([2]),
            keras.layers.Dense(4),
            tfgen.layers.IndependentBernoulli(4),
        ]
    )
    encoder = keras.Sequential(
        [
            keras.Input([4]),
            keras.layers.Dense(4),
            tfgen.layers.MultivariateNormalDiag(2),
        ]
    )
    prior = tfgen.layers.MixturePrior(2, 3)
    directory = tmp_path_factory.mktemp("saved")
    tfgen.models.VAE(encoder, decoder, prior).save(directory / "vae.keras")
    tfgen.models.MeanFieldVAE(8, decoder).save(directory / "mean_field.keras")
    generator = keras.Sequential([keras.Input([3]), keras.layers.Dense(5)])
    discriminator = keras.Sequential([keras.Input([5]), keras.layers.Dense(1)])
    tfgen.models.GAN(generator, discriminator, 3).save(directory / "gan.keras")
    return directory


@pytest.mark.parametrize(
    ("name", "change", "argument"),
    [
        ("vae", ('"units": 4', '"units": 1000000000000'), "units"),
        ("vae", ('"event_size": 2', '"event_size": 1000000000000'), "event_size"),
        ("vae", ('"num_components": 3', '"num_components": 900000000'), "num_components"),
        (
            "vae",
            ('"batch_shape": [null, 4]', '"batch_shape": [null, 1000000000]'),
            "batch_shape",
        ),
        (
            "mean_field",
            ('"num_examples": 8', '"num_examples": 100000000000'),
            "num_examples",
        ),
        ("gan", ('"units": 5', '"units": 1000000000000'), "units"),
        ("gan", ('"latent_dim": 3', '"latent_dim": 1000000000000'), "latent_dim"),
    ],
)
def test_absurd_sizes(saved, tmp_path, name, change, argument):
    path = _forged(saved / f"{name}.keras", tmp_path / "forged.keras", change)
    with pytest.raises(ValueError, match=rf"`{argument}` in .* below 2\^28.*received"):
        keras.models.load_model(path)


def test_the_same_file_without_them(saved, tmp_path):
    path = _forged(saved / "vae.keras", tmp_path / "copy.keras", ('"units"', '"units"'))
    assert keras.models.load_model(path).prior.event_shape == [2]
