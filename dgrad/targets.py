"""What a target may be beside a class or a number."""

from __future__ import annotations

__all__ = ["IGNORED"]

IGNORED = -100
"""The class of a target that does not count, neither in the loss nor in a metric (PyTorch's)."""
