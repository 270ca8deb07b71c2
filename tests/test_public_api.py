"""The public names: pinned, sorted, documented, found lazily, and cheap to import."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import dgrad
from dgrad import ops, registry

NAMES = [
    "Function",
    "Tensor",
    "__version__",
    "as_tensor",
    "autograd",
    "checkpoint",
    "data",
    "detect_anomaly",
    "enable_grad",
    "errors",
    "explain_grad",
    "from_numpy",
    "functional",
    "get_default_dtype",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "hessian",
    "hvp",
    "inference_mode",
    "is_grad_enabled",
    "is_recomputing",
    "jacobian",
    "jvp",
    "manual_seed",
    "nn",
    "no_grad",
    "op",
    "ops",
    "optim",
    "profile",
    "record_layers",
    "register_multi_grad_hook",
    "registry",
    "saved_tensors_hooks",
    "set_default_dtype",
    "set_grad_enabled",
    "tensor",
    "vhp",
    "vjp",
]


COMPOSED = [  # of ops, not ops themselves: they return tuples
    "array_split",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_arrays",
    "chunk",
    "dsplit",
    "hsplit",
    "meshgrid",
    "split",
    "unbind",
    "vsplit",
]


def modules() -> list[str]:
    """Every module of dgrad but the entry point that runs when it is imported."""
    found = pkgutil.walk_packages(dgrad.__path__, "dgrad.")
    return ["dgrad", *(m.name for m in found if not m.name.endswith("__main__"))]


def public(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", ()))


def test_the_names_of_dgrad_are_pinned() -> None:
    assert sorted(dgrad.__all__) == NAMES
    assert dgrad.__all__[0] == "__version__"
    assert dgrad.__all__[1:] == sorted(dgrad.__all__[1:])


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_dgrad_resolves(name: str) -> None:
    value = getattr(dgrad, name)
    assert getattr(dgrad, name) is value


def test_every_op_is_public_under_its_name() -> None:
    public_ops = [name for name in ops.__all__ if hasattr(getattr(ops, name), "op")]
    assert sorted(ops.__all__) == ops.__all__
    assert sorted({*ops.__all__} - {*public_ops}) == COMPOSED
    own = {name for name in registry.ops if registry.ops[name].__module__.startswith("dgrad.")}
    assert {getattr(ops, name).op.name for name in public_ops} == own
    for name in ops.__all__:
        assert getattr(dgrad, name) is getattr(ops, name), f"dgrad.{name} hides ops.{name}"


def test_dir_lists_names_and_ops_and_other_names_are_refused() -> None:
    assert {*NAMES, *ops.__all__} <= set(dir(dgrad))
    for name in ("no_such_name", "_private", "tahn"):
        with pytest.raises(AttributeError, match=name):
            getattr(dgrad, name)
    assert not hasattr(dgrad, "__wrapped__")


@pytest.mark.parametrize("name", modules())
def test_public_names_exist_and_are_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert inspect.getdoc(module), f"{name} has no docstring"
    names = public(module)
    assert len(set(names)) == len(names)
    for public_name in names:
        value = getattr(module, public_name)
        if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
            text = inspect.getdoc(value) if not inspect.isclass(value) else value.__doc__
            assert text, f"{name}.{public_name} has no docstring"
            if inspect.isclass(value) and value.__module__ == name:
                _check_methods(value)


def _check_methods(cls: type) -> None:
    """Public methods and properties that a class defines itself say what they do."""
    for name, value in vars(cls).items():
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(cls, name)), f"{cls.__qualname__}.{name}: no docstring"


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_dgrad_alone_is_cheap() -> None:
    heavy = ("numpy", "typer", "rich", "yaml", "importlib.metadata")
    code = f"import sys, dgrad; dgrad.__version__; print([m for m in {heavy} if m in sys.modules])"
    assert run(code).strip() == "[]"


def test_operators_work_whatever_is_imported_first() -> None:
    for first in ("from dgrad import Tensor", "from dgrad import Function, Tensor"):
        assert run(f"{first}\nprint((Tensor([1., 2.]) * 2).tolist())").strip() == "[2.0, 4.0]"


def test_the_type_checkers_imports_match_the_lazy_names() -> None:
    tree = ast.parse(inspect.getsource(dgrad))
    seen = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dgrad")
        for alias in node.names
    }
    assert seen - {"*"} == {*NAMES} - {"__version__"}
