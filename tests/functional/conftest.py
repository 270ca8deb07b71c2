"""Ops and layers that a test registers are taken out of the registries when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dgrad import registry


@pytest.fixture
def scratch() -> Iterator[None]:
    """Whatever the test registers is forgotten."""
    kept = [(r, dict(r._entries)) for r in (registry.ops, registry.layers)]
    yield
    for entries, before in kept:
        entries._entries.clear()
        entries._entries.update(before)
