"""Changes the code a little, one place at a time, and sees whether a test notices.

    python -m tests.mutants NUMBER [SEED] [PATH ...]

NUMBER mutants are drawn by SEED from the modules under PATH (`tfgen/losses`,
`tfgen/layers`, `tfgen/random.py` and `tfgen/evaluation` unless given). Each is written
into a copy of the project, where the tests of its module run until the first that fails:
the module's doctests, and the files of its folder in `tests/` that name the module or
something of its `__all__`. Prints a line a mutant, and the share that was killed; exits
with 1 below 90 %. A test that kills a mutant must pass where nothing is changed.

mutmut and cosmic-ray were not used: both start a Python for each mutant or fork after
TensorFlow has started its threads. Here TensorFlow is imported once, and every mutant is
a process that is forked from there.
"""

import ast
import collections
import copy
import dataclasses
import os
import pathlib
import random
import re
import resource
import shutil
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PATHS = ("tfgen/losses", "tfgen/layers", "tfgen/random.py", "tfgen/evaluation")
GOAL = 0.9
CPU_SECONDS = 600  # of a mutant's tests; beyond, it is taken to loop, and is stopped

_OPERATORS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_NAMES = {
    "all": "any",
    "any": "all",
    "max": "min",
    "min": "max",
    "reduce_all": "reduce_any",
    "reduce_any": "reduce_all",
    "reduce_max": "reduce_min",
    "reduce_min": "reduce_max",
    "reduce_sum": "reduce_mean",
    "reduce_mean": "reduce_sum",
    "maximum": "minimum",
    "minimum": "maximum",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
    "log1p": "log",
    "expm1": "exp",
    "stop_gradient": "identity",
}
# Arguments whose value is for people, or for the look of a graph.
_UNTESTED_ARGUMENTS = {"name", "stacklevel", "dtype_hint", "category"}


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A module with one place changed."""

    path: pathlib.Path
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.before} -> {self.after}"


def mutants_of(path: pathlib.Path, source: str) -> list[Mutant]:
    """Every mutant of a module."""
    found = []
    for node in _code(ast.parse(source)):
        target = node.test if isinstance(node, ast.If | ast.IfExp) else node
        for changed in _changes(node):
            start, end = _offsets(source, target)
            before, after = source[start:end], ast.unparse(changed)
            if isinstance(target, ast.expr):
                after = f"({after})"
            text = source[:start] + after + source[end:]
            found.append(Mutant(path, node.lineno, _short(before), _short(after), text))
    return found


def _code(node: ast.AST):
    """The nodes that say what is done: no type, no message, no docstring."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            if isinstance(child, ast.keyword) and child.arg in _UNTESTED_ARGUMENTS:
                continue
            if isinstance(child, ast.Assign) and _assigns_all(child):
                continue
            yield from _code(child)


def _assigns_all(node: ast.Assign) -> bool:
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)


def _changes(node: ast.AST):
    """What a node may be changed into; the condition alone, of one that has a condition."""

    def replaced(**fields):
        changed = copy.copy(node)
        for name, value in fields.items():
            setattr(changed, name, value)
        return ast.copy_location(changed, node)

    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _OPERATORS:
            yield replaced(ops=[_OPERATORS[type(operator)]()])
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) | ast.AugAssign(op=operator):
            if type(operator) in _OPERATORS and not _is_union(node):
                yield replaced(op=_OPERATORS[type(operator)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield replaced(value=not value)
        case ast.Constant(value=int(value) | float(value)):
            yield replaced(value=value + 1 if abs(value) < 10 else 2 * value)
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield ast.UnaryOp(ast.Not(), test)
        case ast.Attribute(attr=name) if name in _NAMES:
            yield replaced(attr=_NAMES[name])
        case ast.Name(id=name) if name in _NAMES and isinstance(node.ctx, ast.Load):
            yield replaced(id=_NAMES[name])
        case ast.Raise() | ast.Expr(value=ast.Call()):
            yield ast.Pass()


def _is_union(node: ast.AST) -> bool:
    """Whether it is a union of types, `int | None`."""
    return isinstance(getattr(node, "op", None), ast.BitOr) and any(
        (isinstance(side, ast.Constant) and side.value is None)
        or (isinstance(side, ast.Name) and side.id in ("int", "float", "str", "bool"))
        for side in (getattr(node, "left", None), getattr(node, "right", None))
    )


def _offsets(source: str, node: ast.AST) -> tuple[int, int]:
    lines = source.splitlines(keepends=True)

    def offset(line: int, column: int) -> int:  # columns count bytes
        before = lines[line - 1].encode()[:column].decode()
        return sum(map(len, lines[: line - 1])) + len(before)

    return offset(node.lineno, node.col_offset), offset(
        node.end_lineno, node.end_col_offset
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def tests_of(path: pathlib.Path, source: str) -> list[str]:
    """The test files of a module, the smallest first, behind its own doctests."""
    own = [str(path)] if ">>>" in source else []
    if path.parent == pathlib.Path("tfgen"):
        return [*own, f"tests/test_{path.stem}.py"]
    folder = ROOT / "tests" / path.parts[1]
    names = {path.stem}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and _assigns_all(node):
            names |= {str(value) for value in ast.literal_eval(node.value)}
    word = re.compile(rf"\b({'|'.join(map(re.escape, sorted(names)))})\b")
    files = sorted(folder.glob("test_*.py"), key=lambda file: file.stat().st_size)
    naming = [file for file in files if word.search(file.read_text(encoding="utf-8"))]
    return own + [str(file.relative_to(ROOT)) for file in naming or files]


def fate_of(mutant: Mutant, tests: list[str], project: pathlib.Path) -> tuple[str, str]:
    """Whether a mutant is `killed`, `stopped` as it has no end, or `survived`; by what."""
    target = project / mutant.path
    kept = target.read_text(encoding="utf-8")
    target.write_text(mutant.source, encoding="utf-8")
    try:
        return outcome_of(tests, project)
    finally:
        target.write_text(kept, encoding="utf-8")


def outcome_of(tests: list[str], project: pathlib.Path) -> tuple[str, str]:
    """What tests say of a project as it stands, and the test that failed."""
    output = project / "output.txt"
    process = os.fork()
    if not process:
        os._exit(_run_tests(tests, project, output))
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        return "stopped", ""
    if os.WEXITSTATUS(status) == 0:
        return "survived", ""
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", output.read_text(), re.MULTILINE)
    return "killed", failed[0] if failed else ""


def _run_tests(tests: list[str], project: pathlib.Path, output: pathlib.Path) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    os.chdir(project)
    sys.path.insert(0, str(project))
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist"]
    try:
        return int(pytest.main([*options, *tests]))
    except BaseException:
        return 1


def main(number: int, seed: int, paths: list[str]) -> int:
    sources = {}
    for path in map(pathlib.Path, paths):
        files = [path] if path.suffix else sorted((ROOT / path).rglob("*.py"))
        for file in files:
            file = (ROOT / file).relative_to(ROOT)
            sources[file] = (ROOT / file).read_text(encoding="utf-8")
    mutants = [m for file, source in sources.items() for m in mutants_of(file, source)]
    drawn = random.Random(seed).sample(mutants, min(number, len(mutants)))
    print(f"{len(drawn)} of {len(mutants)} mutants of {len(sources)} modules", flush=True)

    import keras  # noqa: F401 - once for all forks; TensorFlow starts no thread yet
    import tensorflow  # noqa: F401
    import tensorflow_probability  # noqa: F401

    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    fates: collections.Counter[str] = collections.Counter()
    sound: set[str] = set()  # tests that killed a mutant, and pass without it
    with tempfile.TemporaryDirectory() as directory:
        project = pathlib.Path(directory).resolve()
        for name in ("tfgen", "tests", "examples", "benchmarks"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, project / name, ignore=ignored)
        for name in ("pyproject.toml", "setup.py", "README.md"):
            shutil.copy(ROOT / name, project / name)
        os.environ["PYTHONPATH"] = str(project)
        chosen = {m: tests_of(m.path, sources[m.path]) for m in drawn}
        for mutant in drawn:
            begin = time.monotonic()
            fate, test = fate_of(mutant, chosen[mutant], project)
            function = test.split("[")[0]
            if function and function not in sound:
                if outcome_of([function], project)[0] != "survived":
                    print(f"with nothing changed, {function} does not pass either")
                    return 2
                sound.add(function)
            fates[fate] += 1
            seconds = time.monotonic() - begin
            print(f"{fate:9}{seconds:5.0f} s  {mutant}  {test}", flush=True)
    killed = fates.total() - fates["survived"]
    print(
        f"{killed} of {fates.total()} killed, {killed / fates.total():.1%}: {dict(fates)}"
    )
    return 0 if killed >= GOAL * fates.total() else 1


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        main(
            int(arguments[0]),
            int(arguments[1]) if arguments[1:] else 0,
            arguments[2:] or list(PATHS),
        )
    )
