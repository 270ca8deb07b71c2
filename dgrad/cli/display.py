"""What a training run shows: a live display on a terminal, else plain lines, or JSON events."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from dgrad.cli.messages import printable
from dgrad.train.run_directory import strict_json
from dgrad.train.trainer import Trainer

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["JsonEvents", "LiveDisplay", "PlainLines", "is_terminal", "value_line"]

HEARTBEAT_SECONDS = 30.0
STOPPING = "finishing this step and saving; Ctrl-C again leaves at once"
FIRST = ("epoch", "train/loss", "val/loss")  # what a narrow terminal shows of a row


def is_terminal(stream: TextIO) -> bool:
    """Whether cursor movements make sense on `stream`."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def value_line(record: Mapping[str, Any]) -> str:
    """`epoch=2 step=40 train/loss=0.3105 ...`."""
    return " ".join(f"{k}={_short(v)}" for k, v in record.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class PlainLines:
    """One line per evaluation on a stream that is no terminal, and one at least every 30 s."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._over = threading.Event()
        self._printed = time.monotonic()
        self._hidden: tuple[str, ...] = ()

    def started(self, trainer: Trainer) -> None:
        """Begin the heartbeat."""
        self._hidden = _not_counted(trainer)
        threading.Thread(target=self._beat, args=(trainer,), daemon=True).start()

    def _beat(self, trainer: Trainer) -> None:
        while not self._over.wait(1.0):
            if time.monotonic() - self._printed >= HEARTBEAT_SECONDS:
                progress = trainer.progress
                epoch = "" if self._hidden else f"epoch={progress.epoch} "
                step = f"step={progress.step}/{trainer.total_steps}"
                self._print(f"{epoch}{step} batch/loss={progress.loss:.4g}")

    def _print(self, line: str) -> None:
        self._printed = time.monotonic()
        print(printable(line), file=self._stream, flush=True)

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        """Print the record."""
        self._print(value_line({k: v for k, v in record.items() if k not in self._hidden}))

    def warned(self, text: str) -> None:
        """Print it."""
        self._print(f"warning: {text}")

    def finished(self, outcome: str) -> None:
        """End the heartbeat; say that training stopped before its end."""
        self._over.set()
        if outcome == "early stop":  # of the rest there is a message of its own
            self._print("stopped=early-stop")

    def stopping(self) -> None:
        """A first signal has come."""
        self._print(STOPPING)


class JsonEvents:
    """One JSON object per event on a stream. about: fields that the start is to hold."""

    def __init__(self, stream: TextIO, **about: str) -> None:
        self._stream = stream
        self._about = about

    def event(self, kind: str, **fields: Any) -> None:
        """Write an event."""
        print(strict_json({"event": kind, **fields}), file=self._stream, flush=True)

    def started(self, trainer: Trainer) -> None:
        """What is about to be trained."""
        self.event(
            "start",
            **self._about,
            parameters=sum(p.size for p in trainer.parameters),
            rows={name: len(rows) for name, rows in trainer.splits.items()},
            epochs=trainer.settings.epochs,  # null where the run counts steps
            steps=trainer.total_steps,
        )

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        """The record, and the seconds so far."""
        self.event("evaluation", **record, seconds=round(seconds, 3))

    def warned(self, text: str) -> None:
        """An event of its own."""
        self.event("warning", message=text)

    def finished(self, outcome: str) -> None:
        """How the loop ended."""
        self.event("trained", outcome=outcome)

    def stopping(self) -> None:
        """A first signal has come."""
        self.event("stopping")


class LiveDisplay:
    """A bar with rate, time left and the live loss on a terminal; a line stays per evaluation.

    Drawn by rich's timer from the trainer's counters: a step costs nothing.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Progress | None = None
        self._columns: list[str] = []
        self._hidden: tuple[str, ...] = ()

    def started(self, trainer: Trainer) -> None:
        """Show the bar."""
        self._hidden = ("lr", *_not_counted(trainer))
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        class Bar(Progress):
            def get_renderables(self) -> Any:
                progress = trainer.progress
                for task in self.tasks:  # one, before every redraw
                    loss = f"{progress.loss:.4f}" if progress.step else "-"
                    task.fields.update(loss=loss, rate=f"{task.speed or 0.0:,.0f}")
                    self.update(
                        task.id,
                        completed=progress.step,
                        description=_epoch(trainer),
                    )
                yield from super().get_renderables()

        console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[rate]} steps/s"),
            TextColumn("loss {task.fields[loss]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            expand=True,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._bar.add_task("epoch 1", total=trainer.total_steps, loss="-", rate="-")
        self._bar.start()

    def evaluated(self, record: Mapping[str, Any], seconds: float) -> None:
        """Leave a line above the bar; the names are shown once, as a heading."""
        if self._bar is None:
            return
        self._bar.refresh()  # else it would be drawn again as it was some time before
        shown = _fitting(
            {k: v for k, v in record.items() if k not in self._hidden},
            self._bar.console.size.width,
        )
        widths = [max(len(name), 8) for name in shown]
        if list(shown) != self._columns:
            self._columns = list(shown)
            self._print("  ".join(f"{n:>{w}}" for n, w in zip(shown, widths, strict=True)))
        cells = (f"{v:.4f}" if isinstance(v, float) else str(v) for v in shown.values())
        self._print("  ".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)))

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(printable(line), soft_wrap=True)

    def warned(self, text: str) -> None:
        """Leave it above the bar."""
        self._print(f"warning: {text}")

    def finished(self, outcome: str) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            if outcome == "early stop":  # of the rest there is a message of its own
                self._print(f"stopped: {outcome}")

    def stopping(self) -> None:
        """A first signal has come."""
        if self._bar is None:  # quiet
            print(STOPPING, file=self._stream, flush=True)
        self._print(STOPPING)


def _epoch(trainer: Trainer) -> str:
    """The epoch at hand, of how many; "steps" where the run counts steps."""
    whole = trainer.settings.epochs
    return "steps" if whole is None else f"epoch {min(trainer.progress.epoch + 1, whole)}/{whole}"


def _not_counted(trainer: Trainer) -> tuple[str, ...]:
    """What rows of a run leave out: epochs, where it counts steps."""
    return ("epoch",) if trainer.settings.epochs is None else ()


def _fitting(record: Mapping[str, Any], width: int) -> dict[str, Any]:
    """The entries of a row that fit a terminal: those of FIRST, then as many others as can be."""
    kept: set[str] = set()
    room = width + 2
    for name in sorted(record, key=lambda name: (name not in FIRST, name != "epoch")):
        room -= max(len(name), 8) + 2
        if room < 0 and kept:
            break
        kept.add(name)
    return {name: value for name, value in record.items() if name in kept}
