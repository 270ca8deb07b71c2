"""How a module with hooks is called, and how its backward hooks see the gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dgrad.core.function import Context, Function
from dgrad.core.tensor import Tensor
from dgrad.errors import ShapeError

if TYPE_CHECKING:
    from dgrad.nn.module import Module

__all__ = ["ModuleHooks"]


class ModuleHooks:
    """A module's hooks, each kind in order of registration."""

    __slots__ = ("after", "backward", "before")

    def __init__(self) -> None:
        self.before: dict[int, Callable[..., Any]] = {}
        self.after: dict[int, Callable[..., Any]] = {}
        self.backward: dict[int, Callable[..., Any]] = {}

    def run(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """module.forward(...) between its hooks."""
        for hook in list(self.before.values()):
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        crossing = None
        if self.backward:
            crossing = _Crossing(module, list(self.backward.values()))
            args = crossing.enter(args)
        output = module.forward(*args, **kwargs)
        for hook in list(self.after.values()):
            changed = hook(module, args, output)
            if changed is not None:
                output = changed
        return output if crossing is None else crossing.leave(output)


class _Identity(Function):
    """Its inputs unchanged; on the way back, `seen` gets all the gradients and may replace them."""

    @staticmethod
    def forward(ctx: Any, seen: Callable[..., Any], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.seen = seen
        return tensors

    @staticmethod
    def backward(ctx: Context, *grads: Tensor) -> tuple[Any, ...]:
        return (None, *ctx.seen(grads))


class _Crossing:
    """One call of a module: an identity around its inputs and one around its outputs."""

    def __init__(self, module: Module, hooks: Sequence[Callable[..., Any]]) -> None:
        self.module = module
        self.hooks = hooks
        self.grad_output: tuple[Tensor | None, ...] | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.arguments = len(args)
        self.inputs = _tracked(args)
        return _through(self._at_inputs, args, self.inputs)

    def leave(self, output: Any) -> Any:
        several = isinstance(output, tuple | list)
        outputs = tuple(output) if several else (output,)
        self.results = len(outputs)
        self.outputs = _tracked(outputs)
        outputs = _through(self._at_outputs, outputs, self.outputs)
        return type(output)(outputs) if several else outputs[0]

    def _at_outputs(self, grads: Sequence[Tensor]) -> Sequence[Any]:
        self.grad_output = _spread(grads, self.outputs, self.results)
        if not self.inputs:  # no input wants a gradient: the walk will not come to one
            self._call(_spread((), (), self.arguments))
        return grads

    def _at_inputs(self, grads: Sequence[Tensor]) -> Sequence[Any]:
        if self.grad_output is None:  # a walk that did not pass the outputs
            return grads
        grad_input = self._call(_spread(grads, self.inputs, self.arguments))
        return [grad_input[i] for i in self.inputs]

    def _call(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        grad_output, self.grad_output = self.grad_output, None
        for hook in self.hooks:
            changed = hook(self.module, grad_input, grad_output)
            if changed is None:
                continue
            changed = changed if isinstance(changed, tuple) else (changed,)
            if len(changed) != self.arguments:
                raise ShapeError(
                    f"a backward hook of {type(self.module).__name__} returned {len(changed)} "
                    f"gradients for {self.arguments} arguments"
                )
            grad_input = changed
        return grad_input


def _tracked(values: Sequence[Any]) -> list[int]:
    """Positions of the Tensors that require grad."""
    return [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]


def _through(
    seen: Callable[..., Any], values: tuple[Any, ...], positions: Sequence[int]
) -> tuple[Any, ...]:
    """values, those at `positions` passed through one _Identity."""
    if not positions:
        return values
    passed = list(values)
    made = _Identity.apply(seen, *(values[i] for i in positions))
    for i, tensor in zip(positions, made, strict=True):
        passed[i] = tensor
    return tuple(passed)


def _spread(grads: Sequence[Any], positions: Sequence[int], count: int) -> tuple[Any, ...]:
    """A tuple of `count` entries: grads at their positions, None elsewhere."""
    found = dict(zip(positions, grads, strict=True))
    return tuple(found.get(i) for i in range(count))
