"""The schedule of a config, with all that it is told about the run."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from dgrad.config.values import Component

__all__ = ["build_schedule"]


def build_schedule(component: Component, **known: Any) -> Any:
    """The schedule; one that names others gets functions that make them.

    known: what a schedule may ask for by its class attribute `supplied`: total_steps,
    steps_per_epoch, lr. Raises ConfigError at the argument that does not fit.
    """
    given = {name: _made(value) for name, value in component.arguments.items()}
    supplied = getattr(component.target, "supplied", ())
    return replace(component, arguments=given).make(**{name: known[name] for name in supplied})


def _made(value: Any) -> Any:
    """`value`, each component in it as a function that builds a schedule."""
    if isinstance(value, Component):
        return functools.partial(build_schedule, value)
    if isinstance(value, list | tuple):
        return type(value)(map(_made, value))
    return value
