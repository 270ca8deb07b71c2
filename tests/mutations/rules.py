"""Where the rules of every op stand in the source, and how to put other rules in their place.

The source of a rule is the statement that declares it (`op.vjp(...)`), and the functions of
dgrad/ops that it reaches by name and that are no ops themselves. A mutant is one such statement
or function with a change; it is run in a copy of its module's names, so that forwards which share
a function with a rule stay as they are.
"""

from __future__ import annotations
import __future__

import ast
import copy
import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from dgrad import registry
from tests.mutations.edits import SCALED, scaled

__all__ = ["Rules", "Source", "names_of", "op_names", "unbroken"]

DECLARES = ("vjp", "fast_vjp")
ANNOTATIONS = __future__.annotations.compiler_flag


def op_names() -> list[str]:
    """The differentiable ops that dgrad ships."""
    return sorted(
        name
        for name in registry.ops
        if registry.ops[name].op.differentiable
        and registry.ops[name].op.forward.__module__.startswith("dgrad.ops")
    )


@contextmanager
def unbroken(names: Iterable[str] | None = None) -> Iterator[None]:
    """Put the rules of these ops, or of all, back as they were."""
    records = [registry.ops[name].op for name in (registry.ops if names is None else names)]
    before = [dict(vars(record)) for record in records]
    try:
        yield
    finally:
        for record, state in zip(records, before, strict=True):
            vars(record).update(state)
            record.plans.clear()


class Source:
    """One top-level statement of a module: a function that rules use, or a declaration of rules."""

    def __init__(self, module: ModuleType, place: int, statement: ast.stmt) -> None:
        self.module = module
        self.place = place
        self.statement = statement
        self.ops: set[str] = set()  # those whose rules it declares or is used by
        self.uses: set[Source] = set()

    @property
    def name(self) -> str:
        """The name of the function, or the text that declares a rule up to its first bracket.

        Without the file, so that the allow list outlives a move.
        """
        own = getattr(self.statement, "name", None)
        return str(own or ast.unparse(self.statement).split("(")[0])


def names_of(statement: ast.AST) -> set[str]:
    """Every name that a statement reads."""
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}


def _declares(statement: ast.stmt, declarers: set[str]) -> bool:
    """Whether running a statement gives an op its rules."""
    if isinstance(statement, ast.ClassDef | ast.Import | ast.ImportFrom):
        return False
    if isinstance(statement, ast.FunctionDef):  # @tanh.vjp def rule(g, out)
        return any(_is_vjp(d) for d in statement.decorator_list)
    calls = (n for n in ast.walk(statement) if isinstance(n, ast.Call))
    return any(
        _is_vjp(c.func) or (isinstance(c.func, ast.Name) and c.func.id in declarers) for c in calls
    )


def _is_vjp(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in DECLARES


class Rules:
    """The sources of all rules. `declared[op]`: its declarations, in the order they are run."""

    def __init__(self) -> None:
        modules = {registry.ops[n].op.forward.__module__ for n in registry.ops}
        self.modules = [
            sys.modules[n]
            for n in sorted(sys.modules)
            if n in modules or n.startswith("dgrad.ops.")
        ]
        self.functions: dict[tuple[str, str], Source] = {}
        declarations: list[Source] = []
        for module in self.modules:
            declarations += self._read(module)
        for source in [*self.functions.values(), *declarations]:
            source.uses = {
                found
                for name in names_of(source.statement)
                if (found := self.resolve(source.module, name)) not in (None, source)
            }
        self.declared: dict[str, list[Source]] = {}
        for source in declarations:
            for name in self._affected(source):
                self.declared.setdefault(name, []).append(source)
                for used in closure([source]):
                    used.ops.add(name)
        self.sources = sorted(
            {s for found in self.declared.values() for s in closure(found)},
            key=lambda s: (s.module.__name__, s.place),
        )

    def _read(self, module: ModuleType) -> list[Source]:
        """Notes the functions of a module; returns its declarations."""
        body = ast.parse(inspect.getsource(module)).body
        declarers = {
            s.name
            for s in body
            if isinstance(s, ast.FunctionDef) and any(_is_vjp(n) for n in ast.walk(s))
        }
        declarations = []
        for place, statement in enumerate(body):
            source = Source(module, place, statement)
            if _declares(statement, declarers):
                declarations.append(source)
            for name in _defined(statement):
                value = vars(module).get(name)
                if callable(value) and not hasattr(value, "op"):
                    self.functions[module.__name__, name] = source
        return declarations

    def resolve(self, module: ModuleType, name: str) -> Source | None:
        """The function of dgrad/ops that a name means there, also when it is imported."""
        found = self.functions.get((module.__name__, name))
        if found is None:
            value = vars(module).get(name)
            home = getattr(value, "__module__", None), getattr(value, "__name__", name)
            found = None if hasattr(value, "op") else self.functions.get(home)  # type: ignore[arg-type]
        return found

    def _affected(self, source: Source) -> set[str]:
        """The ops whose rules a declaration gives: those it changes when it is run again."""
        values = (vars(source.module).get(name) for name in names_of(source.statement))
        named = {value.op.name for value in values if hasattr(value, "op")}
        with unbroken(named):
            before = {name: dict(vars(registry.ops[name].op)) for name in named}
            self._run({source}, {})
            return {
                name
                for name, state in before.items()
                if any(
                    vars(registry.ops[name].op)[key] is not state[key]
                    for key in ("joint", "rules", "fast_joint", "raw_rules", "asked", "fast_asked")
                )
            }

    def apply(self, source: Source, changed: ast.stmt) -> None:
        """Give all ops that use `source` the rules that follow from its changed statement."""
        declarations = {d for name in source.ops for d in self.declared[name]}
        self._run(declarations, {source: changed})

    def _run(self, declarations: Iterable[Source], changes: dict[Source, ast.stmt]) -> None:
        needed = sorted(closure(declarations), key=lambda s: (s.module.__name__, s.place))
        spaces: dict[ModuleType, dict[str, Any]] = {}
        for source in needed:
            spaces.setdefault(source.module, {**vars(source.module), SCALED: scaled})
        later = set(declarations)
        for source in needed:
            if source not in later:
                _execute(changes.get(source, source.statement), spaces[source.module])
        for module, space in spaces.items():  # names imported from another module of ops
            for name in [n for n in space if callable(space[n])]:
                found = self.resolve(module, name)
                if found in needed and found.module is not module and found not in later:
                    space[name] = spaces[found.module][
                        getattr(vars(module)[name], "__name__", name)
                    ]
        for source in needed:
            if source in later:
                _execute(changes.get(source, source.statement), spaces[source.module])


def closure(sources: Iterable[Source]) -> set[Source]:
    """The sources and all they use."""
    seen: set[Source] = set()
    stack = list(sources)
    while stack:
        source = stack.pop()
        if source not in seen:
            seen.add(source)
            stack.extend(source.uses)
    return seen


def _defined(statement: ast.stmt) -> list[str]:
    """Names of functions that a top-level statement makes."""
    if isinstance(statement, ast.FunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda | ast.Call):
        return [t.id for t in statement.targets if isinstance(t, ast.Name)]
    return []


def _execute(statement: ast.stmt, space: dict[str, Any]) -> None:
    tree = ast.Module([copy.deepcopy(statement)], [])
    code = compile(ast.fix_missing_locations(tree), "<mutant>", "exec", ANNOTATIONS, True)
    exec(code, space)  # our own source, changed in one place
