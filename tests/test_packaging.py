"""What a user installs has to work: the wheel, and the source archive."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv

import pytest

import tfgen

ROOT = pathlib.Path(tfgen.__file__).parent.parent

IMPORT_FROM_ELSEWHERE = """
import pathlib, sys
site = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(site))
import tfgen
from importlib import metadata
assert pathlib.Path(tfgen.__file__).parent == site / "tfgen", tfgen.__file__
assert (site / "tfgen" / "py.typed").is_file()
print(metadata.version("tfgen"), tfgen.__version__)
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """The source archive of this tree, and the wheel built from that archive."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "tfgen", source / "tfgen", ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-m", "build", "--no-isolation", f"--outdir={out}"]
    process = subprocess.run(
        [*command, str(source)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return out


@pytest.mark.slow
def test_wheel_works_from_another_directory(distributions, tmp_path, run_python):
    (wheel,) = distributions.glob("*.whl")
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index"]
    subprocess.run([*install, "--quiet", f"--target={site}", str(wheel)], check=True)
    assert run_python(IMPORT_FROM_ELSEWHERE, site).split() == [tfgen.__version__] * 2


def test_wheel_holds_every_module_and_nothing_else(distributions, tmp_path):
    (wheel,) = distributions.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path, "zip")
    names = lambda root: {str(path.relative_to(root)) for path in root.rglob("*.py")}
    assert names(tmp_path / "tfgen") == names(ROOT / "tfgen")
    assert {path.name for path in tmp_path.iterdir()} == {
        "tfgen",
        f"tfgen-{tfgen.__version__}.dist-info",
    }


TRAIN_SAVE_EXPORT = """
import keras
import numpy as np
import tensorflow as tf
import tfgen

keras.utils.set_random_seed(0)
x = np.random.default_rng(0).integers(0, 2, [64, 8, 8, 1]).astype("float32")
encoder = keras.Sequential([
    keras.layers.Input([8, 8, 1]), keras.layers.Flatten(), keras.layers.Dense(4),
    tfgen.layers.MultivariateNormalDiag(2),
])
decoder = keras.Sequential([
    keras.layers.Input([2]), keras.layers.Dense(64),
    tfgen.layers.IndependentBernoulli([8, 8, 1]),
])
vae = tfgen.models.VAE(encoder, decoder)
vae.compile("adam")
history = vae.fit(x, epochs=3, verbose=0).history
assert history["loss"][2] < history["loss"][0], history
samples = vae.sample(seed=[3, 4]).numpy()
vae.save("vae.keras")
loaded = keras.saving.load_model("vae.keras")
np.testing.assert_array_equal(loaded.sample(seed=[3, 4]), samples)
served = tf.saved_model.load(vae.export("exported"))
outputs = served.signatures["serving_default"](seed=tf.constant([3, 4], tf.int64))
np.testing.assert_array_equal(outputs["samples"], samples)
tfgen.plots.save_image_grid("samples.png", samples)
"""

WITHOUT_EXTRAS = """
try:
    tfgen.plots.image_grid(samples)
except ImportError as error:
    assert "tfgen[plots]" in str(error), error
else:
    raise AssertionError("matplotlib can be imported")
try:
    tfgen.datasets.load_digits()
except ImportError as error:
    assert "tfgen[examples]" in str(error), error
else:
    raise AssertionError("scikit-learn can be imported")
"""

WITH_EXTRAS = """
x_train, x_test = tfgen.datasets.load_digits()
tfgen.plots.image_grid(x_test[:4], filepath="digits.png")
tfgen.plots.history(history, filepath="history.png")
from tensorflow_serving.apis import prediction_log_pb2
print("ran")
"""

# As if they were not installed; what they import themselves is not affected.
HIDE_EXTRAS = """
import sys
hidden = dict.fromkeys(["matplotlib", "sklearn", "tensorflow_serving"])
sys.modules.update(hidden)
"""

SHOW_EXTRAS = """
for name in hidden:
    del sys.modules[name]
"""

TYPED = """
import tfgen
from tfgen.evaluation import LogLikelihood

loss = tfgen.losses.IWLB(num_samples=5)


def evaluate(model: tfgen.models.VAE) -> LogLikelihood:
    tfgen.plots.save_image_grid("samples.png", [[[0.0]]], zoom=4)
    return tfgen.evaluation.log_likelihood(model, [[0.0]], num_samples=100)
"""

MISTYPED = """
import tfgen

tfgen.losses.IWLB(num_samples="5")
tfgen.plots.save_image_grid("samples.png", [[[0.0]]], zoom="4")
tfgen.models.VAEE
"""


def run(*command: object, cwd: pathlib.Path | None = None) -> str:
    """Runs a command that does not see this checkout; fails with what it printed."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    process = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        pytest.fail(f"{command[:4]}: {process.stdout}\n{process.stderr}")
    return process.stdout


def make_environment(root: pathlib.Path) -> pathlib.Path:
    """The Python of a new environment, which holds nothing but pip."""
    venv.create(root, with_pip=True)
    return root / "bin" / "python"


def install(python: pathlib.Path, *requirement: object) -> None:
    """Installs a requirement, from PyPI unless it is a file."""
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run(python, *pip, *requirement)


@pytest.mark.slow
def test_installed_wheel_trains_saves_exports_and_shows_its_types(distributions, tmp_path):
    (wheel,) = distributions.glob("*.whl")
    python = make_environment(tmp_path / "environment")
    install(python, "--no-deps", "--no-index", wheel)
    # The packages that this process uses. Their own `.pth` files are not read, so an
    # editable tfgen among them is not found.
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    others = "\n".join({sysconfig.get_path(key) for key in ("purelib", "platlib")})
    pathlib.Path(own.strip(), "others.pth").write_text(others)
    code = HIDE_EXTRAS + TRAIN_SAVE_EXPORT + WITHOUT_EXTRAS + SHOW_EXTRAS + WITH_EXTRAS
    where = "\nprint(tfgen.__file__)"
    printed = run(python, "-c", code + where, cwd=tmp_path).split()
    assert printed[-2:] == ["ran", str(pathlib.Path(own.strip(), "tfgen/__init__.py"))]
    assert (tmp_path / "digits.png").is_file()
    check_types(python, tmp_path)


@pytest.mark.slow
@pytest.mark.long  # downloads TensorFlow and all else that tfgen needs: 2 GB on disk
def test_wheel_and_source_archive_work_in_a_clean_environment(distributions, tmp_path):
    (wheel,) = distributions.glob("*.whl")
    (archive,) = distributions.glob("*.tar.gz")
    python = make_environment(tmp_path / "environment")
    install(python, wheel)
    run(python, "-c", TRAIN_SAVE_EXPORT + WITHOUT_EXTRAS, cwd=tmp_path)
    check_types(python, tmp_path)
    install(python, "--no-deps", "--force-reinstall", archive)
    install(python, f"{archive}[examples,serving]")
    second = tmp_path / "second"
    second.mkdir()
    code = TRAIN_SAVE_EXPORT + WITH_EXTRAS
    assert run(python, "-c", code, cwd=second).endswith("ran\n")
    assert (second / "digits.png").is_file()
    run(python, "-m", "pip", "check")


def check_types(python: pathlib.Path, directory: pathlib.Path) -> None:
    """mypy on a user's file sees the package's types: it reports what is wrong, only."""
    found = {}
    for name, code in {"typed": TYPED, "mistyped": MISTYPED}.items():
        (directory / f"{name}.py").write_text(code)
        command = [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            f"--python-executable={python}",
        ]
        command += ["--cache-dir=mypy_cache", f"{name}.py"]
        process = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False
        )
        found[name] = process.stdout
    assert found["typed"].startswith("Success: no issues found"), found["typed"]
    assert found["mistyped"].count("[arg-type]") == 2, found["mistyped"]
    assert found["mistyped"].count("[attr-defined]") == 1, found["mistyped"]
    assert "Found 3 errors" in found["mistyped"], found["mistyped"]
