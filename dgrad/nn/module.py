"""Module: a layer or model that owns parameters, buffers and other modules."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from dgrad.core.hooks import HookHandle
from dgrad.core.tensor import Tensor, array_of, get_default_dtype
from dgrad.core.versions import mark_written
from dgrad.errors import CheckpointError, DtypeError, UnsupportedError
from dgrad.nn.hooks import ModuleHooks
from dgrad.nn.memory import check_room

__all__ = ["Example", "LoadResult", "Module", "Parameter", "evaluating"]

Example = tuple[tuple[Any, ...], dict[str, Any]]
"""Inputs to try a layer on, and the arguments that are not inferred: see Module.example."""


class Parameter(Tensor):
    """A Tensor that a Module trains: it requires grad unless told otherwise."""

    __slots__ = ()

    def __init__(
        self, data: Any, requires_grad: bool = True, *, dtype: npt.DTypeLike | None = None
    ) -> None:
        super().__init__(data, dtype=dtype, requires_grad=requires_grad)

    @classmethod
    def empty(cls, *shape: int) -> Self:
        """A parameter of the default dtype, to be filled. Raises ResourceError C24 if too large."""
        dtype = np.dtype(get_default_dtype())
        check_room(shape, dtype)
        return cls(np.empty(shape, dtype))

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class LoadResult(NamedTuple):
    """What `load_state_dict(strict=False)` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base of layers and models: assign Parameters and Modules as attributes, define `forward`.

    What is assigned is found by looking at the instance's attributes, in order of assignment, so
    reading `self.weight` costs nothing extra and `super().__init__()` has nothing to prepare.
    A list of modules goes into a Sequential or a ModuleList: a plain list is not searched.

    `inferred` names constructor parameters that `infer` can tell from the inputs' shapes; a config
    leaves them out. `from_data` names those that the data know when a config leaves them out:
    parameter -> its name under `$data`. `arity` is how many inputs `forward` takes, at least and at
    most (None: any number): what a config may list under `from`.
    """

    inferred: ClassVar[tuple[str, ...]] = ()
    from_data: ClassVar[Mapping[str, str]] = {}
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    training: bool = True

    _buffers: Mapping[str, bool] = {}  # name -> whether it belongs to the state
    _hooks: ModuleHooks | None = None

    # -- computing ----------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; every subclass defines it."""
        raise UnsupportedError(f"{type(self).__name__} must define forward(self, ...)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """forward(...) with the module's hooks; an error gets a note that names the layer."""
        try:
            if self._hooks is None:
                return self.forward(*args, **kwargs)
            return self._hooks.run(self, args, kwargs)
        except Exception as error:
            _note_layer(self, error)
            raise

    def extra_repr(self) -> str:
        """What `repr` shows between the parentheses."""
        return ""

    @classmethod
    def infer(cls, *shapes: tuple[int, ...]) -> dict[str, Any]:
        """The `inferred` arguments for inputs of `shapes`, one for each, batch axes left out."""
        return {}

    @classmethod
    def example(cls, rng: np.random.Generator) -> Example:
        """Inputs to try it on, (batch, ...) each, and the arguments that are not inferred."""
        return (rng.normal(size=(3, 4)),), {}

    # -- what it holds ------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules assigned to this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules assigned to this one."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(dotted name, module) of this module ("") and all below it, each once, parents first."""
        return self._named_modules(prefix, set())

    def _named_modules(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child._named_modules(_join(prefix, name), seen)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter); one that is shared comes once, under its first name."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else ((prefix, self),):
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    yield _join(path, name), value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Every parameter once, as an optimizer takes them."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def register_buffer(
        self, name: str, value: np.ndarray | Tensor | None, persistent: bool = True
    ) -> None:
        """Set attribute `name` to an array that is state but not trained; None reserves the name.

        persistent: whether it is part of `state_dict`. Update the array in place, or assign anew.
        """
        if value is not None and not isinstance(value, np.ndarray | Tensor):
            raise DtypeError(f"buffer {name!r} must be an array or None, got {type(value)}")
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, value)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, np.ndarray | Tensor]]:
        """(dotted name, buffer) of the buffers that are not None."""
        for name, value, _ in self._own_buffers(prefix, recurse):
            yield name, value

    def buffers(self, recurse: bool = True) -> Iterator[np.ndarray | Tensor]:
        """The buffers that are not None."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _own_buffers(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, np.ndarray | Tensor, bool]]:
        for path, module in self.named_modules(prefix) if recurse else ((prefix, self),):
            for name, persistent in module._buffers.items():
                value = getattr(module, name)
                if value is not None:
                    yield _join(path, name), value, persistent

    # -- modes and conversions ----------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and below: dropout drops, batch norm measures."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Leave training mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let all parameters require grad, or none of them."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Set every parameter's grad to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call function on all modules below this one, then on this one."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    def astype(self, dtype: npt.DTypeLike) -> Self:
        """Convert floating parameters, their gradients and floating buffers, in this module."""
        if np.dtype(dtype).kind != "f":
            raise DtypeError(f"parameters must be floats, got {np.dtype(dtype)}")
        for parameter in self.parameters():
            _convert(parameter, dtype)
        for module in self.modules():
            for name in module._buffers:
                value = getattr(module, name)
                if isinstance(value, Tensor):
                    _convert(value, dtype)
                elif value is not None and value.dtype.kind == "f":
                    setattr(module, name, value.astype(dtype, copy=False))
        return self

    def float(self) -> Self:
        """astype(float32)."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """astype(float64)."""
        return self.astype(np.float64)

    # -- state --------------------------------------------------------------------------------

    def _state(self) -> dict[str, np.ndarray]:
        """name -> the array itself, of parameters and then of persistent buffers."""
        state = {name: parameter.data for name, parameter in self.named_parameters()}
        for name, value, persistent in self._own_buffers():
            if persistent:
                state[name] = array_of(value)
        return state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of every parameter (a shared one once) and persistent buffer, by dotted name."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Copy values into the parameters and buffers in place, converting float sizes.

        strict: every name must be on both sides. Raises CheckpointError that lists everything that
        does not fit (K15 names, K14 shapes and kinds); nothing has been changed then.
        """
        own = self._state()
        given = {name: array_of(value) for name, value in state_dict.items()}
        missing = [name for name in own if name not in given]
        unexpected = [name for name in given if name not in own]
        differences = [
            f"{name}: the model has {_describe(own[name])}, the state {_describe(array)}"
            for name, array in given.items()
            if name in own and not _fits(array, own[name])
        ]
        names = [f"missing: {name}" for name in missing]
        names += [f"unexpected: {name}" for name in unexpected]
        problems = (names if strict else []) + differences
        if problems:
            raise CheckpointError(
                f"the state does not fit {type(self).__name__}:\n  " + "\n  ".join(problems),
                fault="K15" if names and strict else "K14",
            )
        for name, array in given.items():
            if name in own:
                mark_written(own[name], "load_state_dict")
                own[name][...] = array
        return LoadResult(missing, unexpected)

    # -- hooks --------------------------------------------------------------------------------

    def _hooked(self) -> ModuleHooks:
        if self._hooks is None:
            self._hooks = ModuleHooks()
        return self._hooks

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call hook(module, args) before forward; a result other than None replaces args."""
        return HookHandle(self._hooked().before, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call hook(module, args, output) after forward; a result replaces the output."""
        return HookHandle(self._hooked().after, hook)

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> HookHandle:
        """Call hook(module, grad_input, grad_output) when the input gradients are known.

        grad_output: a tuple, for each output the summed gradient that reached it, None for one
        that does not require grad. grad_input: a tuple, for each positional argument of the call
        its gradient through this module alone, None for one that is no Tensor or does not require
        grad. A Tensor that the walk does not reach has zeros. A result, a tuple like grad_input,
        replaces it. The hook is not called by a walk that enters the module's inside without
        passing its outputs, as a double backward does.
        """
        return HookHandle(self._hooked().backward, hook)

    # -- showing ------------------------------------------------------------------------------

    def __repr__(self) -> str:
        lines = [f"({name}): {child!r}" for name, child in self.named_children()]
        head = f"{type(self).__name__}({self.extra_repr()}"
        if not lines:
            return f"{head})"
        return "\n".join([head, *(textwrap.indent(line, "  ") for line in lines), ")"])


@contextmanager
def evaluating(module: Module) -> Iterator[None]:
    """Within: evaluation mode; afterwards every module below is in the mode it was in before."""
    before = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in before:
            each.training = training


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _convert(tensor: Tensor, dtype: npt.DTypeLike) -> None:
    if tensor.data.dtype.kind != "f":
        return
    grad = tensor.grad
    tensor.data = tensor.data.astype(dtype, copy=False)
    if tensor.node is not None:
        tensor.node.dtype = tensor.data.dtype  # gradients are delivered in the node's dtype
    tensor.grad = None if grad is None else Tensor(grad.data.astype(dtype, copy=False))


def _fits(given: np.ndarray, own: np.ndarray) -> bool:
    return given.shape == own.shape and given.dtype.kind == own.dtype.kind


def _describe(array: np.ndarray) -> str:
    return f"{array.dtype}{list(array.shape)}"


def _note_layer(module: Module, error: Exception) -> None:
    """Keep one note on `error` with the path from the outermost module to where it was raised.

    Called by every module that the error passes through, the innermost first.
    """
    inner, path, what, note = getattr(error, "_dgrad_layer", (None, "", "", ""))
    if inner is None:
        what = f"{type(module).__name__}({module.extra_repr()})"
    else:
        names = (name for name, each in module.named_modules() if each is inner and name)
        name = next(names, None)
        path = ".".join(part for part in (name, path) if part)
        error.__notes__.remove(note)
    note = f"in layer {path}: {what}" if path else f"in layer {what}"
    error.add_note(note)
    error._dgrad_layer = (module, path, what, note)  # type: ignore[attr-defined]
