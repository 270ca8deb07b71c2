"""Ids of behaviours (B01-B64) and pitfalls (P01-P62) in test names become markers.

`pytest -m B` runs the behaviours, `-m P` the pitfalls, `-m B55` one of them.
"""

from __future__ import annotations

import re

import pytest

ID = re.compile(r"_([BP])(\d\d)(?=_)")


def pytest_configure(config: pytest.Config) -> None:
    for kind, count, what in (("B", 64, "behaviour"), ("P", 62, "pitfall")):
        config.addinivalue_line("markers", f"{kind}: asserts a {what} of the engine")
        for number in range(1, count + 1):
            config.addinivalue_line("markers", f"{kind}{number:02}: asserts {what} {number}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for kind, number in ID.findall(f"{item.name.split('[')[0]}_"):
            item.add_marker(kind)
            item.add_marker(f"{kind}{number}")
