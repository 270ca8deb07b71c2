"""The loss table: ways to write every registered loss in a config, and what it must equal.

One file a family, as in dgrad/nn. Each has CASES, loss -> list[Case]: a case is built from its
YAML, and tests/nn/test_losses.py compares it with PyTorch.
"""

from __future__ import annotations

from tests.nn.losses import binary, classification, ctc, regression, similarity
from tests.nn.losses.case import Case

__all__ = ["CASES", "Case"]

CASES: dict[str, list[Case]] = {}
for family in (binary, classification, ctc, regression, similarity):
    assert CASES.keys().isdisjoint(family.CASES)
    CASES |= family.CASES
