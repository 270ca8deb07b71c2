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
    places = [(name, place) for name in FAMILIES for place in candidates(name)[-1:]]
    if kind == "missing broadcast sum":  # only ops that broadcast can miss it
        broad = [name for name in registry.ops if registry.ops[name].op.broadcasts]
        places = [(name, place) for name in broad for place in candidates(name)]
    results = {at: found(*at, kind, seed) for seed, at in enumerate(places)}
    missed = [at for at, result in results.items() if result is False]
    assert not missed
    assert sum(result is True for result in results.values()) >= 30
