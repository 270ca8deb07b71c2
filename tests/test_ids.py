"""Every behaviour B01-B64 and pitfall P01-P62 has a test that carries its id, and `-m` finds it."""

from __future__ import annotations

import ast
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


@pytest.mark.parametrize(("id", "others"), [("B33", ["B"]), ("P59", ["P"])])
def test_selection_by_marker_takes_the_tests_of_one_id(
    request: pytest.FixtureRequest, id: str, others: list[str]
) -> None:
    """Among what this run collected: exactly the items whose function carries the id."""
    items = request.session.items
    chosen = [item for item in items if item.get_closest_marker(id)]
    assert all(f"_{id}_" in f"{item.name}_" for item in chosen)
    assert all(item.get_closest_marker(other) for item in chosen for other in others)
