"""Cases of dgrad/nn/classification_loss.py."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from tests.nn.losses.case import Case, namesake, normal, rng

__all__ = ["CASES"]


def by_rows(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """PyTorch's loss, whose classes are axis 1, of all rows."""
    classes, lead = outputs.shape[-1], outputs.shape[:-1]
    soft = targets.is_floating_point()
    labels = targets.reshape(-1, classes) if soft else targets.reshape(-1).long()
    out = namesake(torch, arguments, outputs.reshape(-1, classes), labels)
    return out.reshape(lead) if arguments["reduction"] == "none" else out


def focal(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """The formula, in PyTorch; the oracle has no such class."""
    log_p = torch.log_softmax(outputs.reshape(-1, outputs.shape[-1]), -1)
    labels = targets.reshape(-1).long()
    counted = labels != arguments["ignore_index"]
    places = torch.where(counted, labels, 0)
    picked = log_p.gather(-1, places[:, None])[:, 0]
    weight = arguments["weight"] or [1.0] * outputs.shape[-1]
    share = torch.tensor(weight)[places] * counted
    each = -share * (1 - picked.exp()) ** arguments["gamma"] * picked
    if arguments["reduction"] == "none":
        return each.reshape(targets.shape)
    return each.sum() / (share.sum() if arguments["reduction"] == "mean" else 1)


def margin(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """PyTorch's loss of the rows that count."""
    counted = targets != -100
    given = {**arguments, "reduction": "none"}
    each = by_rows(torch, given, outputs, torch.where(counted, targets, 0)) * counted
    if arguments["reduction"] == "none":
        return each
    return each.sum() / (counted.sum() if arguments["reduction"] == "mean" else 1)


def shares(*shape: int) -> np.ndarray:
    return np.asarray(rng.dirichlet(np.ones(shape[-1]), shape[:-1]))


LABELS = np.array([2, 0, 3, 3, 1])
SOME = np.array([2, -100, 3, -100, 1])
NONE = np.full(5, -100)
TIED = np.zeros((5, 4))
TWO = normal(2, 5, 4)
TWICE = np.stack([LABELS, LABELS])
EMPTY = np.zeros(0, np.int64)
WEIGHT = "weight: [0.5, 2, 1, 0.25]"


def ignoring(name: str, theirs: Any) -> list[Case]:
    """Cases of a loss with weight and ignore_index."""
    return [
        Case(name, normal(5, 4), LABELS, theirs),
        Case(name, normal(5, 4) * 300, LABELS, theirs),
        Case(name, normal(2, 5, 4), np.stack([LABELS, SOME]), theirs),
        Case(name, normal(4), np.array(1), theirs),
        Case(name, normal(0, 4), EMPTY, theirs),
        Case(name, np.zeros((5, 4)), SOME, theirs),
        Case(name, normal(5, 4), NONE, theirs),
        Case(f"{{{name}: {{{WEIGHT}}}}}", normal(5, 4), LABELS, theirs),
        Case(f"{{{name}: {{{WEIGHT}}}}}", normal(5, 4), NONE, theirs),
        Case(f"{{{name}: {{{WEIGHT}, ignore_index: 3}}}}", normal(5, 4), LABELS, theirs),
        Case(f"{{{name}: {{ignore_index: 7}}}}", normal(5, 4), np.where(SOME < 0, 7, SOME), theirs),
    ]


CASES: dict[str, list[Case]] = {
    "cross_entropy": [
        *ignoring("cross_entropy", by_rows),
        Case("{cross_entropy: [1, 2, 3, 4]}", normal(5, 4), SOME, by_rows),
        Case("{cross_entropy: {label_smoothing: 0.2}}", normal(5, 4), LABELS, by_rows),
        Case(f"{{cross_entropy: {{label_smoothing: 1, {WEIGHT}}}}}", normal(5, 4), SOME, by_rows),
        Case("cross_entropy", normal(5, 4), shares(5, 4), by_rows),
        Case("cross_entropy", normal(2, 3, 4), shares(2, 3, 4), by_rows),
        Case("{cross_entropy: {label_smoothing: 0.2}}", normal(5, 4), shares(5, 4), by_rows),
        Case(f"{{cross_entropy: {{{WEIGHT}}}}}", normal(5, 4), np.eye(4)[LABELS], by_rows),
    ],
    "focal": [
        *ignoring("focal", focal)[:1],
        *ignoring("focal", focal)[2:],
        Case("{focal: 0}", normal(5, 4), SOME, focal),
        Case(f"{{focal: {{gamma: 1, {WEIGHT}}}}}", normal(5, 4), SOME, focal),
        Case(
            "{focal: {gamma: 0.5, ignore_index: 2}}",
            normal(2, 5, 4),
            TWICE,
            focal,
        ),
    ],
    "multi_margin": [
        Case("multi_margin", normal(5, 4), LABELS, by_rows, order=1),
        Case("multi_margin", normal(2, 5, 4), TWICE, by_rows, order=1),
        Case("multi_margin", normal(4), np.array(1), by_rows, order=1),
        Case("multi_margin", TIED, LABELS, by_rows, order=1),
        Case("multi_margin", normal(5, 4), SOME, margin, order=1),
        Case(
            f"{{multi_margin: {{{WEIGHT}}}}}",
            normal(2, 5, 4),
            np.stack([SOME, NONE]),
            margin,
            order=1,
        ),
        Case("{multi_margin: 2}", normal(5, 4), LABELS, by_rows, order=1),
        Case(
            f"{{multi_margin: {{margin: 0, {WEIGHT}}}}}", np.zeros((5, 4)), LABELS, by_rows, order=1
        ),
        Case(
            f"{{multi_margin: {{p: 2, margin: 3, {WEIGHT}}}}}",
            normal(5, 4),
            LABELS,
            by_rows,
            order=1,
        ),
    ],
    "nll": ignoring("nll", by_rows),
}
