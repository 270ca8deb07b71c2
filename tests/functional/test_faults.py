"""Faults seeded into shipped ops of every family are found; see faults.py for the long run."""

from __future__ import annotations

import pytest

from dgrad import registry
from tests.functional.faults import FAULTS, candidates, families, found

FAMILIES = families(1)


def test_ops_of_every_family_are_tried():
    files = {registry.ops[name].op.forward.__module__ for name in FAMILIES}
    assert len(FAMILIES) >= 30
    assert len(files) >= 10


@pytest.mark.parametrize("kind", FAULTS)
def test_G01_every_seeded_fault_is_found(kind):
    results = {}
    for number, name in enumerate(FAMILIES):
        for place in candidates(name)[-1:]:
            results[name] = found(name, place, kind, seed=number)
    missed = [name for name, result in results.items() if result is False]
    assert not missed
    least = 3 if "broadcast" in kind else 30  # only ops that broadcast can miss such a sum
    assert sum(result is True for result in results.values()) >= least
