"""How the package is held together: who imports whom, and what importing it does."""

import ast
import graphlib
import importlib
import inspect
import json
import pathlib
import pkgutil

import pytest

import tfgen

PACKAGE = pathlib.Path(tfgen.__file__).parent

# A package imports packages of lower rank and itself. What stands at the top level and is
# none (datasets, callbacks) may use every package and is used by none.
RANKS = {
    "version": 0,
    "random": 1,
    "layers": 2,
    "losses": 3,
    "training": 4,
    "serving": 4,
    "models": 5,
    "evaluation": 6,
    "plots": 7,
}
TOP = 8

MODULES = ["tfgen"] + [
    module.name for module in pkgutil.walk_packages([str(PACKAGE)], "tfgen.")
]

# Every public name, one a line: what users may have written down.
PUBLIC_NAMES = PACKAGE.parent / "tests" / "public_names.txt"


def read_sources():
    """The source of every module, by its name; a package's is its `__init__`."""
    sources = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        sources[".".join(parts)] = path.read_text(encoding="utf-8")
    return sources


def imports_of(source, modules):
    """The modules that a source imports, anywhere in it, those of tfgen by name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                inside = not name.startswith("tfgen.") or name in modules
                found.add(name if inside else node.module)
    return found


def package_of(module):
    """`layers` of `tfgen.layers.base`; the empty string of `tfgen` itself."""
    return [*module.split("."), ""][1]


def rule_breakers(sources):
    """Every import that the rules forbid, as 'who imports whom'."""
    broken = []
    for module, source in sources.items():
        for imported in sorted(imports_of(source, sources)):
            root = imported.split(".")[0]
            if root == "tfgen":
                home, other = package_of(module), package_of(imported)
                low, high = RANKS.get(other, TOP), RANKS.get(home, TOP)
                # `tfgen` itself imports every package and is imported by none.
                if home and other != home and not (other and low < high):
                    broken.append(f"{module} imports {imported}")
            foreign = {"tf_keras", "examples", "benchmarks", "tests"}
            if root in foreign or imported.startswith(
                (
                    "tensorflow.keras",
                    "tensorflow_probability.layers",
                    "tensorflow_probability.python.layers",
                )
            ):
                broken.append(f"{module} imports {imported}")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if text in ("tfp.layers", "tf.keras"):
                    broken.append(f"{module} uses {text}")
    return broken


def test_imports_point_one_way():
    assert rule_breakers(read_sources()) == []


@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("tfgen.random", "from tfgen.layers import base", "tfgen.layers.base"),
        ("tfgen.layers.base", "import tfgen.losses", "tfgen.losses"),
        ("tfgen.layers.base", "from tfgen import losses", "tfgen.losses"),
        ("tfgen.layers.base", "def f():\n    import tfgen.models", "tfgen.models"),
        ("tfgen.serving.writer", "import tfgen.training", "tfgen.training"),
        ("tfgen.serving.writer", "from tfgen import models", "tfgen.models"),
        ("tfgen.models.vae", "from tfgen import evaluation", "tfgen.evaluation"),
        ("tfgen.models.vae", "from tfgen import datasets", "tfgen.datasets"),
        ("tfgen.models.vae", "import tfgen", "tfgen"),
        ("tfgen.models.vae", "import tf_keras", "tf_keras"),
        ("tfgen.models.vae", "from tensorflow import keras", "tensorflow.keras"),
        ("tfgen.plots", "from examples import baselines", "examples.baselines"),
        ("tfgen.layers.base", "x = tfp.layers.Dense", "tfp.layers"),
        ("tfgen.layers.base", "x = tf.keras.layers.Dense", "tf.keras"),
    ],
)
def test_the_rules_find_what_breaks_them(module, source, broken):
    sources = dict.fromkeys(MODULES, "") | {module: source}
    (message,) = rule_breakers(sources)
    assert message.startswith(module)
    assert message.endswith(f" {broken}")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tfgen.losses.bounds", "from tfgen.layers import sample"),
        ("tfgen.evaluation.ais", "from tfgen import losses, models, random"),
        ("tfgen.layers.base", "from tfgen.layers import sampling"),
        ("tfgen.callbacks", "from tfgen import losses"),
        ("tfgen", "from tfgen import layers, models"),
    ],
)
def test_the_rules_let_pass_what_keeps_them(module, source):
    assert rule_breakers(dict.fromkeys(MODULES, "") | {module: source}) == []


def test_no_modules_import_each_other_in_a_circle():
    sources = read_sources()
    graph = {
        module: imports_of(source, sources) & sources.keys() - {module}
        for module, source in sources.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_is_public_and_documents_it(name):
    module = importlib.import_module(name)
    assert module.__doc__, "no docstring"
    if name == "tfgen.version":
        return
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isclass(value):
            assert vars(value)["__doc__"], f"{public} has no docstring of its own"
        elif inspect.isroutine(value):
            assert value.__doc__, f"{public} has no docstring"


def public_names():
    """Every name of the `__all__` of a package, or of a module at the top level."""
    for name in MODULES:
        module = importlib.import_module(name)
        if (hasattr(module, "__path__") or name.count(".") == 1) and hasattr(
            module, "__all__"
        ):
            yield from (f"{name}.{public}" for public in module.__all__)


def test_no_public_name_is_removed_or_added_unseen():
    stored = PUBLIC_NAMES.read_text(encoding="utf-8").split()
    assert stored == sorted(set(stored)), "keep the names sorted, each once"
    found = set(public_names())
    removed, added = set(stored) - found, found - set(stored)
    assert not removed, f"users may use {sorted(removed)}; is the CHANGELOG told?"
    assert not added, f"new public names, write them into {PUBLIC_NAMES}: {sorted(added)}"


# What only the files named `undocumented` may lean on: a new version may change it.
UNDOCUMENTED = (
    ".__mro__[",
    "_allow_non_tensor_positional_args",
    "_convert_input_args",
    "model._initial_epoch",
    "_use_cached_eval_dataset",
    "keras.src",
    "tensorflow.python",
    "tensorflow_probability.python",
)


@pytest.mark.parametrize("name", UNDOCUMENTED)
def test_what_is_not_documented_is_used_in_one_file_a_package(name):
    users = [module for module, source in read_sources().items() if name in source]
    assert [user for user in users if not user.endswith(".undocumented")] == []


def adds_terms(source):
    """Whether a source adds or subtracts terms of the log-weights."""
    terms = {"log_likelihood", "log_posterior", "log_prior"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            names = {
                getattr(part, "attr", getattr(part, "id", ""))
                for part in ast.walk(node)
                if isinstance(part, ast.Attribute | ast.Name)
            }
            if len(terms & names) > 1 or {"prior", "log_prob"} <= names:
                return True
    return False


def test_the_terms_of_the_log_weights_are_added_up_in_one_file():
    users = [module for module, source in read_sources().items() if adds_terms(source)]
    assert users == ["tfgen.losses.weights"]


def test_adding_up_the_terms_elsewhere_is_found():
    assert adds_terms("w = t.log_likelihood + t.log_prior - t.log_posterior")
    assert adds_terms("w = decoder(z).log_prob(x) + prior.log_prob(z)")
    assert not adds_terms("w = terms.log_likelihood")


def test_every_package_is_reachable_from_the_package():
    packages = {name.split(".")[1] for name in MODULES if name != "tfgen"} - {"version"}
    assert packages | {"__version__"} == set(tfgen.__all__)


SIDE_EFFECTS = """
import json, logging, os, random, sys, warnings
import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability

def state():
    return {
        "environment": dict(os.environ),
        "floatx": keras.config.floatx(),
        "data format": keras.config.image_data_format(),
        "policy": keras.config.dtype_policy().name,
        "jit": tf.config.optimizer.get_jit(),
        "rewrites": tf.config.optimizer.get_experimental_options(),
        "placement": tf.config.get_soft_device_placement(),
        "eager": tf.config.functions_run_eagerly(),
        "warnings": len(warnings.filters),
        "handlers": len(logging.getLogger().handlers),
        "numpy": str(np.geterr()) + str(np.get_printoptions()),
        "path": sys.path,
        "files": os.listdir(),
    }

keras.utils.set_random_seed(7)
before = state()
if "import" in sys.argv:
    import tfgen
changed = [name for name, value in state().items() if value != before[name]]
# TensorFlow refuses this once anything has run on a device.
tf.config.threading.set_intra_op_parallelism_threads(1)
draws = [random.random(), np.random.rand(), float(tf.random.uniform([])),
         float(keras.random.uniform([]))]
print(json.dumps({"changed": changed, "draws": draws}))
"""


def test_importing_changes_no_setting_writes_no_file_and_draws_no_number(run_python):
    result = json.loads(run_python(SIDE_EFFECTS, "import"))
    assert result["changed"] == []
    assert result["draws"] == json.loads(run_python(SIDE_EFFECTS))["draws"]
