"""A `.keras` file from a stranger: refused before it allocates or runs anything."""

import json
import os
import zipfile

import keras
import pytest
import tensorflow_probability as tfp

import tfgen

layers = tfgen.layers

# Sizes that are each allowed, and together take 2^54 numbers.
_LARGE = 2**27
_NUMBER = {"tfd": "Normal", "parameters": {"loc": 0.0, "scale": 1.0}}


def _layer(name, **config):
    return {
        "module": "tfgen",
        "class_name": name,
        "config": config,
        "registered_name": f"tfgen>{name}",
    }


def _function(module, name):
    return {
        "module": module,
        "class_name": "function",
        "config": name,
        "registered_name": name,
    }


# The forged prior, and what the error says of it.
FORGED = {
    "a function of another module": (_function("os", "system"), "'system'.*'os'"),
    "a builtin": (_function("builtins", "exec"), "'exec'.*'builtins'"),
    "a function of Keras": (
        _function("keras.utils", "get_file"),
        "'get_file'.*'keras.utils'",
    ),
    "a class of another module": (
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}},
        "'Popen'.*'subprocess'",
    ),
    "a lambda": (
        {"class_name": "__lambda__", "config": {"value": ["4wAA", None, None]}},
        "'__lambda__'",
    ),
    "a lambda in a layer": (
        {
            "module": "keras.layers",
            "class_name": "Lambda",
            "config": {
                "function": {
                    "class_name": "__lambda__",
                    "config": {"code": "4wAA", "defaults": None, "closure": None},
                }
            },
        },
        "lambda",
    ),
    "no class of TFP": ({"tfd": "os.system", "parameters": {}}, "'os.system'"),
    "a module of TFP's": ({"tfd": "__builtins__", "parameters": {}}, "'__builtins__'"),
    "a function of TFP": ({"tfd": "kl_divergence", "parameters": {}}, "'kl_divergence'"),
    "a size": (
        _layer("MixturePrior", event_size=2, num_components=10**11),
        "`num_components` .*100000000000",
    ),
    "sizes": (
        _layer("MixturePrior", event_size=_LARGE, num_components=_LARGE),
        "`event_size` .*134217728",
    ),
    "sizes within a layer": (
        _layer(
            "LearnedPrior",
            layer=_layer("MixtureNormal", num_components=_LARGE, event_shape=[_LARGE]),
        ),
        "`num_components` .*134217728",
    ),
    "a sample's shape": (
        {
            "tfd": "Sample",
            "parameters": {"distribution": _NUMBER, "sample_shape": [_LARGE, _LARGE]},
        },
        "`sample_shape` .*134217728",
    ),
    "an array's shape": (
        {
            "tfd": "Deterministic",
            "parameters": {
                "loc": {"array": [], "dtype": "float32", "shape": [_LARGE, _LARGE]}
            },
        },
        "`shape` .*134217728",
    ),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    encoder = keras.Sequential(
        [keras.Input([4]), keras.layers.Dense(4), layers.MultivariateNormalDiag(2)]
    )
    decoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(4), layers.IndependentBernoulli(4)]
    )
    model = tfgen.models.VAE(encoder, decoder, layers.MixturePrior(2, 3))
    model.build([None, 4])
    path = tmp_path_factory.mktemp("forged") / "model.keras"
    model.save(path)
    return path


def _forge(path, forged, change):
    """Writes `forged`: the file at `path`, whose model's config went through `change`."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config["config"])
                content = json.dumps(config)
            target.writestr(name, content)


@pytest.mark.parametrize("prior", FORGED)
def test_a_forged_prior_is_refused(prior, path, tmp_path, monkeypatch):
    config, message = FORGED[prior]
    _forge(path, tmp_path / "forged.keras", lambda model: model.update(prior=config))
    created, run = [], []
    create = keras.Variable.__init__

    def watched(self, *args, **kwargs):
        create(self, *args, **kwargs)
        created.append(tuple(self.shape))

    monkeypatch.setattr(keras.Variable, "__init__", watched)
    monkeypatch.setattr(os, "system", run.append)
    with pytest.raises(ValueError, match=message):
        keras.saving.load_model(tmp_path / "forged.keras")
    assert created == []
    assert run == []


def test_the_file_itself_loads(path, tmp_path):
    _forge(path, tmp_path / "same.keras", lambda model: None)
    model = keras.saving.load_model(tmp_path / "same.keras")
    assert isinstance(model.prior, tfp.distributions.MixtureSameFamily)


def test_a_size_in_a_part_is_refused(path, tmp_path):
    def change(model):
        model["encoder"]["config"]["layers"][1]["config"]["units"] = 10**12

    _forge(path, tmp_path / "forged.keras", change)
    with pytest.raises(ValueError, match=r"`units` .*2\^28.*received 1000000000000"):
        keras.saving.load_model(tmp_path / "forged.keras")


def test_a_table_larger_than_the_memory_is_refused():
    decoder = keras.Sequential(
        [keras.Input([2]), keras.layers.Dense(4), layers.IndependentBernoulli(4)]
    )
    # 10^11 rows of 4 numbers, two moments of each, and a count.
    with pytest.raises(
        ValueError, match=r"`num_examples` .*received 100000000000, .*5,200 GB"
    ):
        tfgen.models.MeanFieldVAE(10**11, decoder)
