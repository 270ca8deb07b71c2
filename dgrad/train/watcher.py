"""What is told about a run: the interface of displays and logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dgrad.train.trainer import Trainer

__all__ = ["Watcher"]


class Watcher(Protocol):
    """What is told about a run: displays and logs. All methods run between steps."""

    def started(self, trainer: Trainer) -> None:
        """Training is about to begin."""

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        """An evaluation: epoch, step, train/loss, val/loss, ...; seconds of training so far."""

    def warned(self, text: str) -> None:
        """What the user should know, found before the first step or after it."""

    def finished(self, outcome: str) -> None:
        """The loop is over: "done", "early stop", "interrupted", or "failed" by an exception."""
