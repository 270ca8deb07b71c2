"""What the user should know of a run that is about to begin, or has made its first step."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from dgrad.nn.module import Module
from dgrad.train.settings import Settings

__all__ = ["rows_left_out", "unreached_parameters"]


def rows_left_out(settings: Settings, rows: int) -> Iterator[str]:
    """That evaluations measure some of the `rows` of the validation split."""
    some = settings.eval_rows
    if some is not None and some < rows:
        yield (
            f"val/ is measured on {some:,} of the {rows:,} validation rows, evenly spaced "
            f"(train.eval.rows); the end of the run and dgrad eval measure all"
        )


def unreached_parameters(model: Module, known: Collection[str], step: int) -> Iterator[str]:
    """That parameters that are trained got no gradient in the step just made, but for the known."""
    named = model.named_parameters()
    without = [name for name, p in named if p.requires_grad and p.grad is None]
    new = [name for name in without if name not in known]
    if new:
        yield (
            f"step {step} gave no gradient to {', '.join(new)}: the loss does not depend on them; "
            f"dgrad.explain_grad tells why"
        )
