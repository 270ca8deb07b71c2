"""The `train` section of a config: how long, in what portions, what is measured, kept, averaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from dgrad.config.marks import quote
from dgrad.config.tree import Entry, Mapping, Scalar
from dgrad.errors import ParameterError
from dgrad.optim.schedules import Length
from dgrad.registry import Count, Positive, Range

__all__ = ["EMA", "SWA", "Checkpointing", "EarlyStop", "Evaluation", "Every", "Train"]

EPOCHS = 10  # where neither epochs nor steps are given
EXCLUSIVE = (("epochs", "steps"), ("ema", "swa"))  # of which a run has one


def later_alone(tree: Mapping, is_later: Callable[[Entry], bool]) -> Mapping:
    """`tree`, its `train` without what another key that was written later replaces.

    is_later: of an entry, as on the command line after a file. `train.steps=9` then takes the
    place of the file's epochs.
    """
    train = tree.entries.get("train")
    if train is None or not isinstance(train.value, Mapping):
        return tree
    entries = dict(train.value.entries)
    for pair in (*EXCLUSIVE, *((b, a) for a, b in EXCLUSIVE)):
        earlier, later = (entries.get(key) for key in pair)
        if earlier and later and is_later(later) and not is_later(earlier) and _is_given(later):
            del entries[pair[0]]
    changed = Entry(train.key_mark, Mapping(entries, train.value.mark))
    return Mapping({**tree.entries, "train": changed}, tree.mark)


def _is_given(entry: Entry) -> bool:
    return not isinstance(entry.value, Scalar) or entry.value.value is not None


class Every(Length):
    """An interval of training: `1 epoch`, `0.5 epochs`, `100 steps` or 100; no percentage."""

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of what `from_config` reads."""
        text = {"type": "string", "pattern": r"^\d+(\.\d+)? ?(epochs?|steps?)$"}
        return {"anyOf": [{"type": "integer", "minimum": 1}, text]}

    @classmethod
    def from_config(cls, value: object) -> Every:
        """The interval that `2 epochs` or 100 names. Raises ValueError."""
        try:
            every = super().from_config(value)
        except ParameterError:
            every = None
        if every is None or every.unit == "%" or every.amount == 0:
            wanted = 'an interval such as "1 epoch" or "100 steps"'
            shown = quote(value) if isinstance(value, str) else f"{value!r:.60}"
            raise ValueError(f"expected {wanted}, got {shown}")
        return every

    def plain(self) -> str:
        """What `from_config` reads as this interval."""
        return self.in_words(self.unit)


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """Stop when `metric` has not improved for `patience` evaluations."""

    patience: Count
    metric: str = "val/loss"


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """Save every so often, keep the newest few, and the best by a metric."""

    every: Every = Every.from_config("1 epoch")  # noqa: RUF009 - it is frozen
    keep: Count = 3
    best: str = "val/loss"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """When the validation rows are measured, and how many of them.

    every: null is after every epoch and before every checkpoint; an interval is then alone, and
    at the end. rows: this many, evenly spaced, instead of all; the end of a run measures all.
    """

    every: Every | None = None
    rows: Count | None = None


@dataclass(frozen=True, kw_only=True)
class EMA:
    """average <- decay average + (1 - decay) weights, after every step.   Polyak & Juditsky 1992.

    The average begins with the weights after the first step.
    """

    decay: Annotated[float, Range(low=0, high=1, low_open=True, high_open=True)] = 0.999


@dataclass(frozen=True, kw_only=True)
class SWA:
    """The mean of the weights at `start` and each `every` from then on.   Izmailov et al. 2018."""

    start: Length = Length.from_config("75%")  # noqa: RUF009 - it is frozen
    every: Every = Every.from_config("1 epoch")  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, kw_only=True)
class Train:
    """How long and in what portions to train.

    epochs or steps: the length, 10 epochs unless given. accumulate: batches whose gradients make
    one step, as if they were one batch; everything else counts steps. clip_norm, then clip_value,
    limit the gradient of a step. ema, swa: averages of the weights, which are then what is
    evaluated and chosen as the best.
    """

    epochs: Count | None = None
    steps: Count | None = None
    batch_size: Count = 32
    accumulate: Count = 1
    eval_batch_size: Count = 512
    clip_norm: Positive | None = None
    clip_value: Positive | None = None
    dtype: Literal["float32", "float64"] = "float32"
    early_stop: EarlyStop | None = None
    checkpoint: Checkpointing = field(default_factory=Checkpointing)
    eval: Evaluation = field(default_factory=Evaluation)
    ema: EMA | None = None
    swa: SWA | None = None

    def __post_init__(self) -> None:
        if self.epochs is None and self.steps is None:
            object.__setattr__(self, "epochs", EPOCHS)  # so that it shows in the resolved config
        for one, other in EXCLUSIVE:
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"train takes {one} or {other}, not both; ~train.{one} removes it")

    def total_steps(self, steps_per_epoch: int) -> int:
        """The steps of the whole run."""
        return self.steps if self.steps is not None else (self.epochs or 0) * steps_per_epoch
