"""Cases of dgrad/nn/ctc_loss.py."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from tests.nn.losses.case import Case, normal

__all__ = ["CASES"]


def ctc(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """PyTorch's loss, which takes time first, log-probabilities and lengths."""
    given = {k: v for k, v in arguments.items() if k != "class"}
    log_p = torch.log_softmax(outputs, -1).transpose(0, 1)
    lengths = (targets != -100).sum(1)
    full = torch.full((len(targets),), outputs.shape[1])
    return torch.nn.CTCLoss(**given)(log_p, targets.clamp(min=0), full, lengths)


TARGETS = np.array([[1, 2, 2], [3, -100, -100], [4, 1, -100]])
LAST = np.where(TARGETS == 4, 0, TARGETS)
TOO_LONG = np.array([[1, 2, 2], [3, -100, -100]])

CASES: dict[str, list[Case]] = {
    "ctc": [
        Case("ctc", normal(3, 6, 5), TARGETS, ctc, order=1),
        Case("ctc", normal(3, 6, 5) * 20, TARGETS, ctc, order=1),
        Case("ctc", normal(1, 3, 5), np.full((1, 1), 2), ctc, order=1),
        Case("{ctc: 4}", normal(3, 6, 5), LAST, ctc, order=1),
        Case("ctc", normal(2, 3, 5), TOO_LONG, ctc, order=0),
        Case("{ctc: {zero_infinity: true}}", normal(2, 3, 5), TOO_LONG, ctc, order=1),
    ],
}
