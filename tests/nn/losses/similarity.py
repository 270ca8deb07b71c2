"""Cases of dgrad/nn/similarity_loss.py."""

from __future__ import annotations

from itertools import combinations, product
from types import ModuleType
from typing import Any

import numpy as np

from tests.nn.losses.case import Case, normal

__all__ = ["CASES"]


def cosine(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    ones = torch.ones(outputs.shape[:-1]).reshape(-1)
    rows = [x.reshape(-1, x.shape[-1]) for x in (outputs, targets)]
    out = torch.nn.CosineEmbeddingLoss(reduction=arguments["reduction"])(*rows, ones)
    return out.reshape(outputs.shape[:-1]) if arguments["reduction"] == "none" else out


def pairs(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """PyTorch's loss of all pairs."""
    rows = [i for i, target in enumerate(targets.tolist()) if target != -100]
    found = list(combinations(rows, 2))
    first, second = (outputs[[pair[i] for pair in found]] for i in (0, 1))
    labels = [1.0 if targets[i] == targets[j] else -1.0 for i, j in found]
    given = {k: v for k, v in arguments.items() if k != "class"}
    return torch.nn.CosineEmbeddingLoss(**given)(first, second, torch.tensor(labels))


def triples(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """PyTorch's loss of all triples (a, positive, negative) that there are."""
    t = targets.tolist()
    found = [
        (a, p, n)
        for a, p, n in product(range(len(t)), repeat=3)
        if -100 not in (t[a], t[p], t[n]) and a != p and t[a] == t[p] != t[n]
    ]
    chosen = [outputs[[triple[i] for triple in found]] for i in range(3)]
    given = {k: v for k, v in arguments.items() if k != "class"}
    return torch.nn.TripletMarginLoss(**given)(*chosen)


CLASSES = np.array([0, 1, 0, 2, 1, 0, 1])
SOME = np.array([0, 1, 0, -100, 1, 0, -100])
SAME = np.repeat(normal(1, 4), 7, axis=0)

CASES: dict[str, list[Case]] = {
    "cosine": [
        Case("cosine", normal(5, 3), normal(5, 3), cosine),
        Case("cosine", normal(2, 5, 3), normal(2, 5, 3), cosine),
        Case("cosine", normal(5, 3) * 1e6, normal(5, 3) * 1e2, cosine),
    ],
    "cosine_embedding": [
        Case("cosine_embedding", normal(7, 4), CLASSES, pairs),
        Case("cosine_embedding", normal(7, 4), SOME, pairs),
        Case("{cosine_embedding: 0.3}", normal(7, 4), CLASSES, pairs),
        Case("{cosine_embedding: -0.5}", normal(7, 4), SOME, pairs),
    ],
    "triplet": [
        Case("triplet", normal(7, 4), CLASSES, triples),
        Case("triplet", normal(7, 4), SOME, triples),
        Case("triplet", SAME, CLASSES, triples, order=1),
        Case("{triplet: {swap: true}}", SAME, CLASSES, triples, order=1),
        Case("{triplet: 0.2}", normal(7, 4), CLASSES, triples),
        Case("{triplet: {margin: 3, swap: true}}", normal(7, 4), SOME, triples),
        Case("{triplet: {p: 1, eps: 1e-3}}", normal(7, 4), CLASSES, triples),
        Case("{triplet: {p: 3, swap: true}}", normal(7, 4), CLASSES, triples),
    ],
}
