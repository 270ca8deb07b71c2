"""The written tests of the ops (kinks, where-safety, errors), run on mutants the table misses."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import contextmanager, redirect_stdout
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from dgrad import registry
from tests.mutations.mutants import Mutant, limited
from tests.mutations.rules import unbroken

__all__ = ["Written", "with_written_tests"]

# The tables themselves, oracles that may be absent, and what needs long.
LEFT_OUT = ("test_ops.py", "test_torch_oracle.py", "test_hips_oracle.py", "test_examples.py")


class Written:
    """Written tests, and the ops whose rules each of them runs."""

    def __init__(self, items: list[Any]) -> None:
        self.items: dict[Any, set[str]] = {}
        self.failing: list[str] = []
        for item in items:
            with _watching() as seen:
                passes = _passes(item)
            if not passes:
                self.failing.append(item.nodeid)
            elif seen:
                self.items[item] = set(seen)

    def notice(self, mutant: Mutant) -> bool:
        """Whether a test that runs the rules of the mutant's ops fails under it."""
        touched = set(mutant.ops)
        with mutant.in_place():
            return any(not _passes(item) for item, ops in self.items.items() if ops & touched)


def _passes(item: Any) -> bool:
    with redirect_stdout(io.StringIO()), limited():
        reports = runtestprotocol(item, log=False, nextitem=None)
    return all(report.outcome != "failed" for report in reports)


@contextmanager
def _watching() -> Any:
    """The names of the ops whose rules run meanwhile."""
    seen: set[str] = set()

    def watched(rule: Any, name: str) -> Any:
        def call(*args: Any) -> Any:
            seen.add(name)
            return rule(*args)

        return rule and call

    with unbroken():
        for name in registry.ops:
            op = registry.ops[name].op
            plain = op.rules
            op.joint, op.fast_joint = watched(op.joint, name), watched(op.fast_joint, name)
            op.rules = plain and tuple(watched(r, name) for r in plain)
            raw = op.raw_rules
            op.raw_rules = (
                op.rules if raw is plain else raw and tuple(watched(r, name) for r in raw)
            )
        yield seen


def with_written_tests(paths: Iterable[str], work: Callable[[Written], None]) -> None:
    """Collect the tests in `paths` and hand them to `work`, inside a pytest session."""

    class Plugin:
        @staticmethod
        def pytest_collection_modifyitems(items: list[Any]) -> None:
            items[:] = [i for i in items if i.path.name not in LEFT_OUT]

        @staticmethod
        def pytest_runtestloop(session: Any) -> bool:
            work(Written(session.items))
            return True

    with redirect_stdout(io.StringIO()):
        pytest.main(["-q", "-p", "no:cacheprovider", *paths], plugins=[Plugin()])
