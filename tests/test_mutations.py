"""A small dose of the mutation check (tests/mutations), and that the check itself can fail."""

from __future__ import annotations

import ast
import random
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, registry
from tests.cases import CASES, Case
from tests.mutations import checks
from tests.mutations.allowed import ALLOWED
from tests.mutations.edits import Inapplicable, edits, scaled
from tests.mutations.mutants import Mutant, Table, mutants
from tests.mutations.rules import Rules, op_names, unbroken

OPS = {
    "concatenate", "exp", "getitem", "linear", "log_softmax", "matmul", "mse_loss", "multiply",
    "scatter_add", "sigmoid", "softmax", "tanh", "transpose",
}  # fmt: skip
DOSE = 200


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules()


def survivors(table: Table, chosen: list[Mutant]) -> tuple[list[str], int]:
    """The mutants the table does not notice, and how many were tried."""
    outcomes = [(m, table.notices(m)) for m in chosen if m.key not in ALLOWED]
    return [m.key for m, outcome in outcomes if not outcome], len(outcomes)


def test_every_op_has_rules_that_can_be_broken(rules: Rules) -> None:
    assert sorted(rules.declared) == op_names()


def test_the_table_notices_a_sample_of_mistakes(rules: Rules) -> None:
    chosen = mutants(rules, OPS)
    chosen = random.Random(4).sample(chosen, min(DOSE, len(chosen)))
    table = Table()
    missed, tried = survivors(table, chosen)
    assert not table.broken
    assert tried > DOSE / 2
    assert len(missed) < 0.02 * tried, "\n".join(missed)


def test_a_weak_table_lets_mistakes_pass(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CASES, "tanh", [Case(np.ones(3), order=0)])
    missed, tried = survivors(Table(), mutants(rules, {"tanh"}))
    assert len(missed) > tried / 2


def test_a_rule_that_is_wrong_unbroken_is_reported(rules: Rules) -> None:
    tanh = registry.ops["tanh"]
    table = Table()
    with unbroken():
        tanh.vjp(x=lambda g, out: g * out)
        assert table.checker("tanh") is None
    assert list(table.broken) == ["tanh"]


def test_rules_are_as_they_were_afterwards(rules: Rules) -> None:
    def gradient() -> Any:
        x = Tensor(np.arange(3.0), requires_grad=True)
        return dgrad.grad(x.tanh().sum(), x)[0].data

    before = gradient()
    (negated,) = [m for m in mutants(rules, {"tanh"}) if "negated" in m.key]
    with negated.in_place():
        np.testing.assert_array_equal(gradient(), -before)
    np.testing.assert_array_equal(gradient(), before)


def test_edits_are_the_mistakes_that_were_promised() -> None:
    text = "f.vjp(x=lambda g, y: -np.matmul(g, y.T) + np.where(y > 0, 2.0, g), axis=0)"
    found = {(e.kind, e.after) for e in edits(ast.parse(text).body[0])}
    assert {
        ("sign", "np.matmul(g, y.T)"),
        ("dropped term", "-np.matmul(g, y.T)"),
        ("transpose", "y"),
        ("operands", "np.matmul(y.T, g)"),
        ("comparison", "y >= 0"),
        ("constant", "0.0"),
    } <= found


def test_only_floats_are_scaled() -> None:
    np.testing.assert_array_equal(scaled(np.ones(2), 2.0), [2.0, 2.0])
    assert scaled([None, np.ones(1)], 2.0)[0] is None
    for value in (True, 3, "x", (1, 2), np.arange(3), slice(2)):
        with pytest.raises(Inapplicable):
            scaled(value, 2.0)


def test_close_treats_nan_and_inf_as_values() -> None:
    inf, nan = np.inf, np.nan
    assert checks.close([1.0, inf, nan], [1.0, inf, nan], 0.0, 0.0)
    assert not checks.close([1.0, inf], [1.0, -inf], 1.0, 1.0)
    assert not checks.close([nan], [1.0], 1.0, 1.0)
    assert not checks.close([1.0], [[1.0]], 1.0, 1.0)
