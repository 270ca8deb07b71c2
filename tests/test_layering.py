"""Who may import whom, and what no file may do: read from the source, so nothing needs to run."""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "dgrad"
FILES = sorted(ROOT.rglob("*.py"))

BASE = {"errors", "randomness", "registry", "targets"}
LAYERS: dict[str, set[str]] = {  # part of dgrad -> the other parts it may import
    "errors": set(),
    "registry": {"errors"},
    "randomness": {"errors"},
    "targets": set(),
    "core": BASE,
    "autograd": BASE | {"core"},
    "ops": BASE | {"core"},
    "nn": BASE | {"core", "ops"},
    "functional": BASE | {"core", "ops", "nn"},
    "optim": BASE | {"core"},
    "data": BASE,
    "train": BASE | {"core", "ops", "nn", "functional", "optim", "data"},
    "config": BASE | {"core", "ops", "nn", "functional", "optim", "data", "train"},
}
EVERYTHING = {*LAYERS, "cli"}
ONLY_IN: dict[str, tuple[str, ...]] = {  # third-party or risky module -> places that may import it
    "typer": ("cli/",),
    "rich": ("cli/", "train/callbacks"),
    "importlib": ("__init__.py", "config/plugins.py"),
    "pickle": (),
    "marshal": (),
    "shelve": (),
    "dill": (),
    "cloudpickle": (),
    "torch": (),
}
ALLOWED = {"numpy", "typer", "yaml", "rich", "dgrad"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "yaml.load", "yaml.unsafe_load"}
FORBIDDEN_CALLS |= {"yaml.full_load", "os.system", "os.popen", "breakpoint"}
LIBRARY_CALLS = {"print", "input", "exit", "quit", "sys.exit", "os._exit", "warnings.simplefilter"}
FORBIDDEN_KEYWORDS = {"allow_pickle", "shell"}  # when True


def place(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def part(file: Path) -> str:
    """The part of dgrad that a file belongs to: a package or a module of the root."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


@functools.cache
def nodes(file: Path) -> list[ast.AST]:
    """Every node of a file's syntax tree."""
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports anywhere, dotted, relative ones resolved."""
    package = ["dgrad", *file.relative_to(ROOT).parent.parts]
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            if module == "dgrad":
                names = (alias.name for alias in node.names if alias.name != "__version__")
                yield from (f"dgrad.{name}" for name in names)


def calls(file: Path) -> Iterator[ast.Call]:
    return (node for node in nodes(file) if isinstance(node, ast.Call))


def test_every_part_has_a_layer() -> None:
    assert {part(f) for f in FILES} - {"__init__", "__main__"} <= EVERYTHING


@pytest.mark.parametrize("file", FILES, ids=place)
def test_imports_go_downwards_only(file: Path) -> None:
    own = part(file)
    allowed = LAYERS.get(own, EVERYTHING) | {own}
    for module in imports(file):
        if module.startswith("dgrad."):
            assert module.split(".")[1] in allowed, f"{place(file)} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_third_party_packages_stay_where_they_belong(file: Path) -> None:
    for module in imports(file):
        top = module.split(".")[0]
        where = ONLY_IN.get(top)
        if where is not None:
            assert place(file).startswith(where or ("nowhere",)), f"{place(file)} imports {module}"
        assert top in ALLOWED or top in sys.stdlib_module_names, f"{place(file)} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_C21_no_file_runs_text_or_unpickles(file: Path) -> None:
    for call in calls(file):
        name = ast.unparse(call.func)
        where = f"{place(file)}:{call.lineno}"
        assert name not in FORBIDDEN_CALLS, f"{where} calls {name}"
        for keyword in call.keywords:
            allowed = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            assert keyword.arg not in FORBIDDEN_KEYWORDS or allowed, f"{where}: {keyword.arg}"
        if name in ("subprocess.run", "subprocess.Popen", "subprocess.check_output"):
            assert not isinstance(call.args[0], ast.Constant), f"{where}: a command as one string"


@pytest.mark.parametrize("file", FILES, ids=place)
def test_library_code_never_prints_or_exits(file: Path) -> None:
    if part(file) in ("cli", "__main__"):
        return
    for call in calls(file):
        name = ast.unparse(call.func)
        assert name not in LIBRARY_CALLS, f"{place(file)}:{call.lineno} calls {name}"
    for node in nodes(file):
        if isinstance(node, ast.Raise) and node.exc is not None:
            assert "SystemExit" not in ast.unparse(node.exc), f"{place(file)}:{node.lineno} exits"


@pytest.mark.parametrize("package", ["core", "ops"])
def test_the_table_of_contents_lists_every_file(package: str) -> None:
    folder = ROOT / package
    table = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    listed = [line.split()[0] for line in (table or "").splitlines() if "  " in line]
    files = {f.stem for f in folder.glob("*.py") if not f.stem.startswith("_")}
    assert sorted(listed) == sorted(files)
