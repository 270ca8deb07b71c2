"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dgrad import ops, registry
from dgrad.core.protocols import NUMPY_OPS

assert ops.__all__  # registers every op before the first snapshot


@pytest.fixture
def scratch_ops() -> Iterator[None]:
    """Ops that a test defines leave no trace in the registry."""
    before, numpy_before = dict(registry.ops._entries), dict(NUMPY_OPS)
    yield
    for table, kept in ((registry.ops._entries, before), (NUMPY_OPS, numpy_before)):
        table.clear()
        table.update(kept)
