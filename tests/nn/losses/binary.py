"""Cases of dgrad/nn/binary_loss.py."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from tests.nn.losses.case import Case, normal, rng

__all__ = ["CASES"]


def joined(each: Any, reduction: str) -> Any:
    return {"mean": each.mean, "sum": each.sum, "none": lambda: each}[reduction]()


def hinge(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """PyTorch has it for distances only: where t = -1, HingeEmbeddingLoss of t x."""
    return torch.nn.HingeEmbeddingLoss(arguments["margin"], reduction=arguments["reduction"])(
        targets * outputs, -torch.ones_like(targets)
    )


def focal(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """The formula, over PyTorch's cross-entropy."""
    entropy = torch.nn.BCEWithLogitsLoss(reduction="none")(outputs, targets)
    p = torch.sigmoid(outputs)
    each = (p * (1 - targets) + (1 - p) * targets) ** arguments["gamma"] * entropy
    if arguments["alpha"] is not None:
        each = each * (arguments["alpha"] * targets + (1 - arguments["alpha"]) * (1 - targets))
    return joined(each, arguments["reduction"])


def uniform(*shape: int) -> np.ndarray:
    return np.asarray(rng.uniform(0.05, 0.95, size=shape))


def tensors(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """PyTorch's class, which takes weights as tensors only."""
    given = {
        k: torch.tensor(v) if k.endswith("weight") and v is not None else v
        for k, v in arguments.items()
    }
    return getattr(torch.nn, given.pop("class"))(**given)(outputs, targets)


SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])
BITS = (SIGNS + 1) / 2
EDGES = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
EMPTY = np.zeros((0, 3))
TIES = np.ones((2, 3))


def weighted(name: str, outputs: np.ndarray) -> list[Case]:
    return [
        Case(name, outputs, BITS, tensors),
        Case(name, outputs, uniform(2, 3), tensors),
        Case(name, outputs[0, 0], np.array(1.0), tensors),
        Case(name, EMPTY, EMPTY, tensors),
        Case(f"{{{name}: 0.3}}", outputs, BITS, tensors),
        Case(f"{{{name}: [1, 0, 2.5]}}", outputs, uniform(2, 3), tensors),
    ]


CASES: dict[str, list[Case]] = {
    "bce": [*weighted("bce", uniform(2, 3)), Case("bce", EDGES, BITS, tensors, order=0)],
    "bce_with_logits": [
        *weighted("bce_with_logits", normal(2, 3)),
        Case("bce_with_logits", normal(2, 3) * 500, BITS, tensors),
        Case("{bce_with_logits: {pos_weight: 3}}", normal(2, 3), uniform(2, 3), tensors),
        Case(
            "{bce_with_logits: {weight: [1, 2, 3], pos_weight: [0.5, 1, 4]}}",
            normal(2, 3),
            uniform(2, 3),
            tensors,
        ),
    ],
    "hinge": [
        Case("hinge", normal(2, 3), SIGNS, hinge),
        Case("hinge", TIES, SIGNS, hinge, order=0),
        Case("hinge", np.array(0.3), np.array(-1.0), hinge),
        Case("hinge", EMPTY, EMPTY, hinge),
        Case("{hinge: 0.2}", normal(2, 3), SIGNS, hinge),
    ],
    "hinge_embedding": [
        Case("hinge_embedding", normal(2, 3), SIGNS),
        Case("hinge_embedding", np.array(0.3), np.array(-1.0)),
        Case("hinge_embedding", EMPTY, EMPTY),
        Case("{hinge_embedding: 0.2}", normal(2, 3), SIGNS),
    ],
    "sigmoid_focal": [
        Case("sigmoid_focal", normal(2, 3), BITS, focal),
        Case("sigmoid_focal", np.array(0.3), np.array(1.0), focal),
        Case("sigmoid_focal", EMPTY, EMPTY, focal),
        Case("{sigmoid_focal: 0}", normal(2, 3), BITS, focal),
        Case("{sigmoid_focal: {gamma: 1.5, alpha: 0.6}}", normal(2, 3), uniform(2, 3), focal),
        Case("{sigmoid_focal: {alpha: null}}", normal(2, 3), uniform(2, 3), focal),
    ],
    "soft_margin": [
        Case("soft_margin", normal(2, 3), SIGNS),
        Case("soft_margin", normal(2, 3) * 100, SIGNS),
        Case("soft_margin", np.array(0.3), np.array(-1.0)),
        Case("soft_margin", EMPTY, EMPTY),
    ],
}
