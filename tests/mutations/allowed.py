"""Mutants that survive and may: each changes nothing that anybody could see, for a reason."""

from __future__ import annotations

__all__ = ["ALLOWED"]

# The key of a mutant, as the report prints it -> why no test can notice it.
ALLOWED: dict[str, str] = {}
