"""Which kind of targets a reader is to read: what its `task` leaves open, the loss decides."""

from __future__ import annotations

from dataclasses import replace

from dgrad.config.marks import Problems
from dgrad.config.values import Component

__all__ = ["is_implied", "with_task"]

_TASKS = {"classes": "classes", "numbers": "number"}  # a loss's `targets` -> a reader's `task`


def with_task(reader: Component, loss: Component, problems: Problems) -> Component:
    """The reader with `task` as the loss implies where it is "auto".

    A column of whole numbers may hold classes or numbers, which the data alone cannot tell. A task
    that contradicts the loss is a C22 problem at the loss. Several columns, or numbers asked for,
    are probabilities to a loss over classes that takes them.
    """
    implied = _TASKS.get(getattr(loss.target, "targets", ""))
    task = reader.arguments.get("task")
    several = isinstance(reader.arguments.get("target"), list)
    if getattr(loss.target, "soft_targets", False) and (several or task == "number"):
        implied = "number"
    if implied is None or task not in ("auto", *_TASKS.values()):
        return reader
    if task not in ("auto", implied):
        message = f"needs task: {implied}, but the reader is told task: {task}"
        hint = f"set data.{reader.name}.task to {implied}, or leave it out"
        problems.extend([loss.problem(message, fault="C22", hint=hint)])
    return replace(reader, arguments={**reader.arguments, "task": implied})


def is_implied(reader: Component) -> bool:
    """Whether the loss chose the task, and not the config's text."""
    return "task" in reader.arguments and "task" not in reader.marks
