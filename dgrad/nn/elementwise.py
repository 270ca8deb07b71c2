"""What activation layers share: each is one op with fixed parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from dgrad.nn.module import Module

__all__ = ["Elementwise"]


class Elementwise(Module):
    """Base of layers that are one op: y = op(x, **parameters).   x: any shape -> same shape."""

    op: ClassVar[Callable[..., Any]]

    def __init__(self, **parameters: Any) -> None:
        super().__init__()
        for name, value in parameters.items():
            setattr(self, name, value)
        self._parameters = parameters

    def forward(self, x: Any) -> Any:
        """x: any shape -> same shape."""
        op, parameters = type(self).op, self._parameters
        return op(x, **parameters) if parameters else op(x)  # an empty ** takes 0.1 us

    def extra_repr(self) -> str:
        """The parameters."""
        return ", ".join(f"{name}={value!r}" for name, value in self._parameters.items())
