"""Results on stdout: every digit, so that two commands can be compared."""

from __future__ import annotations

from collections.abc import Mapping

from dgrad.cli.messages import printable

__all__ = ["print_results"]


def print_results(split: str, results: Mapping[str, float]) -> None:
    """`test/accuracy 0.9814814814814815`, a line each, aligned."""
    width = max(len(name) for name in results) + len(split) + 1
    for name, value in results.items():
        print(printable(f"{f'{split}/{name}':<{width}}  {value!r}"))
