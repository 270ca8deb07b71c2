"""Every behaviour B01-B64 and pitfall P01-P62 has a test that carries its id, and `-m` finds it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ID, pytest_collection_modifyitems

COUNTS = {"B": 64, "P": 62}
IDS = {f"{kind}{number:02}" for kind, count in COUNTS.items() for number in range(1, count + 1)}


def names() -> Iterator[str]:
    """Names of all test functions, those in classes too."""
    for path in Path(__file__).parent.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name


def test_every_id_is_carried_by_a_test() -> None:
    carried = {kind + number for name in names() for kind, number in ID.findall(f"{name}_")}
    assert sorted(IDS - carried) == []
    assert sorted(carried - IDS) == []  # a slip of the pen


def test_every_id_is_a_registered_marker(request: pytest.FixtureRequest) -> None:
    registered = {line.partition(":")[0] for line in request.config.getini("markers")}
    assert {*IDS, *COUNTS} <= registered


class Item:
    """As much of a collected test as the hook looks at."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.markers: list[str] = []

    def add_marker(self, name: str) -> None:
        self.markers.append(name)


@pytest.mark.parametrize(
    ("name", "markers"),
    [
        ("test_B55_through_a_view", ["B", "B55"]),
        ("test_P11_P12_nothing_is_shared[x]", ["P", "P11", "P", "P12"]),
        ("test_B30_P40_no_cycle", ["B", "B30", "P", "P40"]),
        ("test_reading_B64[_B01_]", ["B", "B64"]),
        ("test_B6_or_BP07_or_P620_are_none", []),
    ],
)
def test_ids_in_a_name_become_its_markers(name: str, markers: list[str]) -> None:
    item: Any = Item(name)
    pytest_collection_modifyitems([item])
    assert item.markers == markers


def test_selection_by_marker_finds_the_tests_of_an_id() -> None:
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    files = ["tests/core/test_behaviours.py", "tests/core/test_versions.py"]
    done = subprocess.run(
        [*command, "-m", "B30 or P43", *files], cwd=root, capture_output=True, text=True, check=True
    )
    found = [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert [re.findall(r"_([BP]\d\d)(?=_)", name) for name in found] == [
        ["B30"],
        ["P40", "B30"],
        ["P43"],
    ]
