"""What every test may ask for."""

import os
import pathlib
from collections.abc import Callable

import pytest

from tests.new_process import Processes
from tests.usage import Usage

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROCESSES = Processes()
QUICK_XLA = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def _is_quick(config: pytest.Config) -> bool:
    return config.option.markexpr == "not slow"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Usage(PROCESSES))
    if _is_quick(config):
        os.environ.setdefault("XLA_FLAGS", QUICK_XLA)


@pytest.fixture(scope="session", autouse=True)
def _quick_compiling(pytestconfig: pytest.Config) -> None:
    """Among the quick tests, programs are compiled quickly and not to run quickly.

    They compute the same. The slow tests, and whatever runs in a process of its own, have
    TensorFlow's own settings, but for `XLA_FLAGS`.
    """
    if _is_quick(pytestconfig):
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same seed, whatever ran before it."""
    import keras  # here, so that the process that leads xdist's workers needs no Keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def processes() -> Processes:
    """Runs code in a new process and returns how it ended; see `Processes.run`."""
    return PROCESSES


@pytest.fixture
def run_python(tmp_path: pathlib.Path, processes: Processes) -> Callable[..., str]:
    """Runs code in a new process, in an empty directory, and returns what it printed.

    `run_python(code, *args)` finds `args` in `sys.argv[1:]`; the test fails with the
    process's errors where it exits otherwise than by 0.
    """

    def run(code: str, *args: object, timeout: float = 300) -> str:
        outcome = processes.run(code, *args, directory=tmp_path, timeout=timeout)
        if outcome.returncode != 0:
            pytest.fail(f"exit code {outcome.returncode}:\n{outcome.stderr}")
        return outcome.stdout

    return run


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of benchmark data beside the checkout, which is no part of it."""
    for parent in ROOT.parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared" / "data"
    pytest.skip(f"no folder shared/data beside {ROOT}: it holds static_mnist.npz")
