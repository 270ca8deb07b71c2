"""Optimizer: parameter groups, state by name, and one update over many small parameters."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import CheckpointError, ParameterError, UnsupportedError
from dgrad.optim.block import Block, Shapes, State, arrange
from dgrad.optim.saved_states import read_states

__all__ = ["Optimizer"]


class Optimizer:
    """Base of optimizers: `update` says how one array moves, this class calls it for all.

    params: Tensors, or groups `{"params": [...], "lr": ..., ...}` whose settings override the
    defaults. Each Tensor comes once; one whose grad is None is skipped by `step`.
    The parameters of a group are moved into common arrays at the first step and updated together:
    their `.data` is then a view of one, so hold the Tensor, not its `.data`.

    Raises ParameterError for an empty list, duplicates, what is no leaf Tensor, unknown settings.
    """

    supplied: ClassVar[tuple[str, ...]] = ("params",)
    takes_groups: ClassVar[bool] = True
    """Whether groups may have settings of their own; else a config may only freeze some."""
    elementwise: bool = True
    """Whether an element moves by its own gradient and state alone, so that parameters can be
    updated as one flat array; else `update` gets one parameter at a time, in its own shape."""
    scratch: int = 1
    """How many arrays of a parameter's shape `update` may use for intermediate values."""
    scalars: Mapping[str, float] = MappingProxyType({})
    """Numbers that are kept for each parameter besides the step, by name: what they start as."""
    needs_closure: ClassVar[bool] = False
    """Whether `step` must be given a closure, whose loss is a function of the parameters alone:
    that of all rows."""
    averages: ClassVar[bool] = False
    """Whether `averaged` gives other weights than those that are trained."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self._blocks: list[Block] = []  # made by the first step
        self._waiting: dict[int, State] = {}  # states by parameter id, for blocks not made yet
        entries = self._listed(params)
        grouped = entries and all(isinstance(entry, dict) for entry in entries)
        for group in entries if grouped else [{"params": entries}]:
            self.add_param_group(group)

    # -- what a subclass says -----------------------------------------------------------------

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the arrays like the parameter that `update` keeps for each one of `group`."""
        return ()

    def slot_shapes(self, group: Mapping[str, Any], shape: tuple[int, ...]) -> Shapes:
        """The arrays kept for a parameter of `shape`, by name: `slots`, unless others are needed.

        Of an elementwise optimizer all have the parameter's shape.
        """
        return dict.fromkeys(self.slots(group), shape)

    def gradient_scale(self, group: Mapping[str, Any]) -> float:
        """The factor by which `update` wants its gradient multiplied: -1 to maximize."""
        return -1.0 if group.get("maximize") else 1.0

    def prepare(self, state: State, group: Mapping[str, Any]) -> None:
        """Bring state.scalars to the step that begins; `update` only reads them."""

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """Move p, in place, by its gradient g, times `gradient_scale`; g may be overwritten.

        state: the slots as arrays, zeros at first; state.step counts from 1 for this parameter;
        state.scratch holds arrays to compute in. group: the settings, `lr` among them.
        """
        raise UnsupportedError(
            f"{type(self).__name__} must define update(self, p, g, state, group)"
        )

    # -- groups -------------------------------------------------------------------------------

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Optimize more parameters, with settings of their own or the defaults."""
        settings = {name: value for name, value in group.items() if name != "params"}
        unknown = sorted(set(settings) - set(self.defaults))
        if unknown:
            raise self._error("a group's setting", f"one of {sorted(self.defaults)}", unknown[0])
        params = group.get("params", ())
        tensors = [params] if isinstance(params, Tensor) else self._listed(params)
        if not tensors:
            raise self._error("params", "parameters; this list of them is empty", tensors)
        known = {id(p) for each in self.param_groups for p in each["params"]}
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                expected = "Tensors (pass net.parameters())"
                raise self._error("params", expected, type(tensor).__name__)
            if not tensor.is_leaf:
                raise self._error("params", "leaf Tensors, not results of operations", tensor)
            if id(tensor) in known:
                expected = "distinct Tensors; one of this shape comes twice"
                raise self._error("params", expected, tensor.shape)
            known.add(id(tensor))
        if settings:  # settings of a group must be ones that the constructor takes
            type(self)(tensors, **settings)
        self.param_groups.append({"params": tensors, **self.defaults, **settings})
        self.param_groups[-1]["initial_lr"] = self.param_groups[-1]["lr"]
        self._restart(self._known())

    def scale_lr(self, factor: float) -> None:
        """Set every group's lr to its initial lr times factor: what a schedule gives for a step."""
        for group in self.param_groups:
            group["lr"] = float(group["initial_lr"] * factor)

    def averaged(self) -> AbstractContextManager[None]:
        """Within: parameters hold the weights to evaluate and to save; afterwards the former bits.

        Most optimizers evaluate the weights that they train.
        """
        return nullcontext()

    # -- stepping -----------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Set every parameter's grad to None."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns closure(), which is called first."""
        result = None if closure is None else closure()
        for block in self._blocks or self._arranged():
            block.advance(self)
        return result

    def _arranged(self) -> list[Block]:
        """Make the blocks: by the first step only, as parameters may change dtype until then."""
        self._blocks = arrange(self.param_groups, self)
        for block in self._blocks:
            block.take(self._waiting)
        self._waiting = {}
        return self._blocks

    def _restart(self, states: dict[int, State]) -> None:
        """The next step makes new blocks, which go on from the states given by parameter id."""
        self._blocks, self._waiting = [], states

    def _known(self) -> dict[int, State]:
        """The states of all parameters that have one, by parameter id."""
        held = {id(p): state for block in self._blocks for p, state in block.states()}
        return {**self._waiting, **held}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy that moves copies of the parameters."""
        made = memo[id(self)] = object.__new__(type(self))
        for name, value in vars(self).items():
            if name not in ("_blocks", "_waiting"):
                setattr(made, name, copy.deepcopy(value, memo))
        known = self._known()
        parameters = [p for group in self.param_groups for p in group["params"] if id(p) in known]
        made._restart({id(memo[id(p)]): known[id(p)].copied() for p in parameters})
        return made

    # -- state --------------------------------------------------------------------------------

    def state_bytes(self) -> int:
        """How much memory the state takes."""
        shapes = (
            (p.dtype.itemsize, shape)
            for group in self.param_groups
            for p in group["params"]
            for shape in self.slot_shapes(group, p.shape).values()
        )
        return sum(size * math.prod(shape) for size, shape in shapes)

    def _states(self, groups: Sequence[Mapping[str, Any]]) -> list[tuple[Tensor, State, Shapes]]:
        """(parameter, its state, its slots' shapes under the settings `groups`), in order."""
        known = self._known()
        return [
            (p, known[id(p)] if id(p) in known else self._fresh(p, shapes), shapes)
            for group, settings in zip(self.param_groups, groups, strict=True)
            for p in group["params"]
            for shapes in [self.slot_shapes(settings, p.shape)]
        ]

    def _fresh(self, p: Tensor, shapes: Shapes) -> State:
        return State(p.shape, p.dtype, shapes, self.scalars)

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: {"step", slot: array}}, "param_groups": [...]}, as PyTorch's.

        Parameters are numbered through all groups; arrays are copies.
        """
        count = sum(len(group["params"]) for group in self.param_groups)
        states: dict[int, dict[str, Any]] = {i: {} for i in range(count)}
        for key, array in self._arrays([str(i) for i in states]).items():
            slot, _, number = key.rpartition(".")
            is_number = slot in ("step", *self.scalars)
            states[int(number)][slot] = array.item() if is_number else array
        numbers = iter(range(len(states)))
        groups = [
            {**group, "params": [next(numbers) for _ in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": states, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over settings and arrays of a `state_dict`, ours or PyTorch's as arrays.

        Raises CheckpointError K17 that lists everything that does not fit; nothing has been
        changed then. A parameter without an entry starts afresh.
        """
        given, state = state_dict["param_groups"], state_dict["state"]
        sizes = [[len(group["params"]) for group in each] for each in (given, self.param_groups)]
        if sizes[0] != sizes[1]:
            raise CheckpointError(
                f"{type(self).__name__}: the state has groups of {sizes[0]} parameters, "
                f"this optimizer of {sizes[1]}",
                fault="K17",
            )
        groups = [
            {name: new.get(name, value) for name, value in own.items() if name != "params"}
            for own, new in zip(self.param_groups, given, strict=True)
        ]
        numbers = [number for group in given for number in group["params"]]
        arrays: dict[str, Any] = {}
        for number, (p, _, slots) in zip(numbers, self._states(groups), strict=True):
            entry = {k: v for k, v in state.get(number, {}).items() if v is not None}
            fresh = {**self.scalars, **{k: np.zeros(shape, p.dtype) for k, shape in slots.items()}}
            # PyTorch has no entry before the first step, and counts no steps in SGD.
            entry = {"step": 1, **entry} if entry else {"step": 0, **fresh}
            arrays.update({f"{slot}.{number}": value for slot, value in entry.items()})
        self._load(arrays, [str(number) for number in numbers], groups)
        for own, new in zip(self.param_groups, groups, strict=True):
            own.update(new)

    def state_arrays(self, named: Iterable[tuple[str, Tensor]]) -> dict[str, np.ndarray]:
        """{"slot.name": array, "step.name": int64}, copies, for a checkpoint.

        named: `net.named_parameters()`; every parameter of the optimizer must be among them.
        """
        return self._arrays(self._names(named))

    def _arrays(self, names: Sequence[str]) -> dict[str, Any]:
        """What is remembered, by "slot.name", "step.name" and "scalar.name"; copies."""
        arrays: dict[str, Any] = {}
        for name, (p, state, slots) in zip(names, self._states(self.param_groups), strict=True):
            arrays[f"step.{name}"] = np.array(state.step, dtype=np.int64)
            arrays.update({f"{k}.{name}": np.array(v) for k, v in state.scalars.items()})
            arrays.update({f"{slot}.{name}": state[slot].astype(p.dtype) for slot in slots})
        return arrays

    def load_state_arrays(
        self, arrays: Mapping[str, np.ndarray], named: Iterable[tuple[str, Tensor]]
    ) -> None:
        """Take over the result of `state_arrays`.

        Raises CheckpointError K17 that lists everything missing, unexpected or of another shape or
        dtype; nothing has been changed then.
        """
        self._load(arrays, self._names(named), self.param_groups)

    def _names(self, named: Iterable[tuple[str, Tensor]]) -> list[str]:
        """The name of every parameter, in order."""
        names = {id(p): name for name, p in named}
        parameters = [p for group in self.param_groups for p in group["params"]]
        if not all(id(p) in names for p in parameters):
            expected = "the names of all parameters that are optimized"
            raise self._error("named", expected, list(names.values()))
        return [names[id(p)] for p in parameters]

    def _load(
        self,
        arrays: Mapping[str, Any],
        names: Sequence[str],
        groups: Sequence[Mapping[str, Any]],
    ) -> None:
        """Go on from arrays by "slot.name"; first see that they all fit."""
        self._restart(self._read(arrays, names, groups))

    def _read(
        self,
        arrays: Mapping[str, Any],
        names: Sequence[str],
        groups: Sequence[Mapping[str, Any]],
    ) -> dict[int, State]:
        """The states by parameter id that arrays by "slot.name" hold, under the settings `groups`.

        Raises CheckpointError K17 that lists everything that does not fit.
        """
        entries = [
            (name, p, slots)
            for name, (p, _, slots) in zip(names, self._states(groups), strict=True)
        ]
        return read_states(type(self).__name__, arrays, entries, self.scalars)

    # -- checking and showing -----------------------------------------------------------------

    def _listed(self, params: Any) -> list[Any]:
        """params as a list, from what has an order of its own."""
        if isinstance(params, Tensor | set | frozenset | dict) or not isinstance(params, Iterable):
            expected = "a list of Tensors or of groups (pass net.parameters())"
            raise self._error("params", expected, type(params).__name__)
        return list(params)

    def _error(self, parameter: str, expected: str, value: object) -> ParameterError:
        return ParameterError(type(self).__name__, parameter, expected, value)

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            shown = {k: v for k, v in group.items() if k not in ("params", "initial_lr")}
            settings = ", ".join(f"{name}={value}" for name, value in shown.items())
            lines.append(f"  group {i}: {len(group['params'])} parameters, {settings}")
        return "\n".join([*lines, ")"])
