"""A dose of the fuzzer (tests/fuzz), and that it finds what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dgrad import registry
from tests import fuzz
from tests.mutations.rules import unbroken


@pytest.mark.parametrize("seed", range(60))
def test_ways_to_differentiate_a_random_program_agree(seed: int) -> None:
    fuzz.check(fuzz.program_of(seed))


def test_every_smooth_op_agrees_alone() -> None:
    failed = {}
    for name in fuzz.smooth_ops():
        try:
            fuzz.check(fuzz.program_of(1, only=name))
        except AssertionError as error:
            failed[name] = str(error)
    assert not failed


def test_programs_have_views_reuse_and_unused_branches() -> None:
    programs = [fuzz.program_of(seed) for seed in range(30)]
    texts = {step.text.split()[0] for p in programs for step in p.steps}
    assert {"transpose", "reshape", "expand", "broadcast", "+=", "-=", "*=", "/="} <= texts
    assert all(len(p.steps) >= 5 for p in programs)
    assert any(len(p.outputs) > 1 for p in programs)
    uses = [[i for step in p.steps for i in step.inputs] for p in programs]
    assert any(len(u) > len(set(u)) for u in uses)
    assert {p.analytic for p in programs} == {True, False}


def test_a_program_is_a_function_of_its_seed() -> None:
    for seed in (0, 1):
        one, two = (fuzz.program_of(seed) for _ in range(2))
        assert repr(one.steps) == repr(two.steps)
        for x, y in zip(one.run(one.leaves), two.run(two.leaves), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("exp", lambda g, out: g * out * 1.0001),
        ("sin", lambda g, x: g * np.cos(x.data if hasattr(x, "node") else x)),
    ],
    ids=["a factor", "a term lost in the second gradient"],
)
def test_a_wrong_rule_is_found(name: str, rule: Any) -> None:
    def check_all() -> None:
        for seed in range(20):
            fuzz.check(fuzz.program_of(seed))

    with unbroken():
        registry.ops[name].vjp(x=rule)
        with pytest.raises(fuzz.Disagreement):
            check_all()
