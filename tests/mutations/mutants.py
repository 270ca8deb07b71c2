"""Mutants of all kinds under one interface, and whether the table notices them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dgrad import registry
from tests.mutations.checks import Checker
from tests.mutations.edits import Edit, Inapplicable, edits, effects
from tests.mutations.rules import Rules, Source, op_names, unbroken
from tests.mutations.wraps import WRAPS, places, wrap

__all__ = ["Mutant", "Table", "mutants"]

LIMIT = 20.0  # seconds after which a mutant that does not come back counts as noticed


class Mutant:
    """One mistake in the rules. ops: those it touches; key: what the allow list calls it."""

    def __init__(
        self, kind: str, key: str, where: str, ops: set[str], apply: Callable[[list[bool]], None]
    ) -> None:
        self.kind = kind
        self.key = key
        self.where = where
        self.ops = sorted(ops)
        self.apply = apply

    @contextmanager
    def in_place(self) -> Iterator[list[bool]]:
        """The rules with the mistake; yields a list that is empty while it has not mattered."""
        with unbroken():
            applied: list[bool] = []
            self.apply(applied)
            yield applied


def mutants(rules: Rules, only: set[str] | None = None) -> list[Mutant]:
    """Every mutant of the rules, or of those that the ops `only` use."""
    found = []
    for source in rules.sources:
        ops = source.ops if only is None else source.ops & only
        if ops:
            found += [_edited(rules, source, edit, ops) for edit in edits(source.statement)]
    for name in op_names() if only is None else sorted(only):
        op = registry.ops[name].op
        for place in places(op):
            found += [_wrapped(name, place, mistake, where) for mistake, where in WRAPS]
    return found


def _edited(rules: Rules, source: Source, edit: Edit, ops: set[str]) -> Mutant:
    def apply(applied: list[bool]) -> None:
        rules.apply(source, edit.statement)
        applied.append(True)

    file = source.module.__name__.replace(".", "/") + ".py"
    key = f"{source.name}: {edit.before}  ->  {edit.after}"
    return Mutant(edit.kind, key, f"{file}:{edit.line}", ops, apply)


def _wrapped(name: str, place: int, mistake: str, where: str) -> Mutant:
    op = registry.ops[name].op

    def apply(applied: list[bool]) -> None:
        wrap(op, place, mistake, where, applied)

    key = f"{name}: gradient of {op.inputs[place]} {mistake}, {where} rules"
    return Mutant("result " + mistake, key, op.forward.__module__, {name}, apply)


class TooLong(Exception):
    """A mutant ran into an endless loop."""


def _stop(signum: int, frame: Any) -> None:
    raise TooLong


@contextmanager
def limited() -> Iterator[None]:
    """Raise TooLong in what takes longer than LIMIT; where the system has no such alarm, wait."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Table:
    """The checks of the ops' table, made when first needed."""

    def __init__(self) -> None:
        self._checkers: dict[str, Checker | None] = {}
        self.broken: dict[str, str] = {}  # ops that fail without any mutant

    def checker(self, name: str) -> Checker | None:
        """The checks of one op; None, with the reason in `broken`, when it fails as it is."""
        if name not in self._checkers:
            try:
                self._checkers[name] = Checker(name)
            except Exception as error:
                self._checkers[name] = None
                self.broken[name] = f"{type(error).__name__}: {str(error)[:200]}"
        return self._checkers[name]

    def notices(self, mutant: Mutant) -> str:
        """ "wrong" or "error": how the table's cases notice; "" if not; "void": not a mutant."""
        checkers = [c for name in mutant.ops if (c := self.checker(name)) is not None]
        if not checkers:
            return "void"
        effects.clear()
        try:
            with mutant.in_place() as applied, limited():
                for checker in checkers:
                    checker.check()
        except Inapplicable:
            return "void"
        except AssertionError:
            return "wrong"
        except Exception:
            return "error"
        return "" if applied and (any(effects) or not effects) else "void"
