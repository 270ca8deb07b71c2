"""One row of the loss table: a loss as a config writes it, what it compares, PyTorch's loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from dgrad import registry
from dgrad.config import schema, yaml
from dgrad.config.marks import Problems
from dgrad.config.values import Component

__all__ = ["Case", "component", "normal", "rng"]

rng = np.random.default_rng(4)


def normal(*shape: int) -> np.ndarray:
    return np.asarray(rng.normal(size=shape))


Theirs = Callable[[ModuleType, dict[str, Any], Any, Any], Any]


def namesake(torch: ModuleType, arguments: dict[str, Any], outputs: Any, targets: Any) -> Any:
    """torch.nn's class that `arguments` names as "class", given the rest by the same names."""
    given = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in arguments.items()}
    return getattr(torch.nn, given.pop("class"))(**given)(outputs, targets)


@dataclass(frozen=True)
class Case:
    """A loss, from its YAML, that PyTorch's must agree with under every reduction.

    theirs: (torch, arguments, outputs, targets) -> their loss; by default its class has the same
    name and takes the arguments by the same names. order: to which PyTorch has derivatives.
    """

    text: str
    outputs: np.ndarray
    targets: np.ndarray
    theirs: Theirs = namesake
    order: int = 2

    @property
    def arguments(self) -> dict[str, Any]:
        """What the loss's class is called with."""
        return component(self.text).arguments

    def spelled(self, reduction: str) -> str:
        """The YAML with this reduction; "mean" is the default, which is left out."""
        if reduction == "mean":
            return self.text
        written = yaml.plain(yaml.parse(f"x: {self.text}", "run.yaml", None))["x"]
        ((name, given),) = ({written: {}} if isinstance(written, str) else written).items()
        if not isinstance(given, dict):
            given = {next(iter(self.arguments)): given}
        return json.dumps({name: {**given, "reduction": reduction}})  # JSON is YAML

    def loss(self, reduction: str = "mean") -> Any:
        """Our loss, with this reduction."""
        return component(self.spelled(reduction)).make()

    def torch_loss(self, torch: ModuleType, reduction: str, outputs: Any, targets: Any) -> Any:
        """What PyTorch makes of the tensors."""
        name = type(self.loss()).__name__
        given = component(self.spelled(reduction)).arguments
        arguments = {**given, "class": name}
        return self.theirs(torch, arguments, outputs, targets)


def component(text: str) -> Component:
    """What a config's `loss: text` is read as. Raises ConfigError."""
    problems = Problems()
    node = yaml.parse(f"loss: {text}", "run.yaml", None).entries["loss"].value
    found = schema.component(registry.losses, node, problems, "loss")
    problems.raise_if_any()
    assert found is not None
    return found
