"""Optimizer: parameter groups, state by name, and one update over many small parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from dgrad.core.tensor import Tensor
from dgrad.errors import CheckpointError, ParameterError
from dgrad.optim.block import Block, State, arrange

__all__ = ["Optimizer"]


class Optimizer:
    """Base of optimizers: `update` says how one array moves, this class calls it for all.

    params: Tensors, or groups `{"params": [...], "lr": ..., ...}` whose settings override the
    defaults. Each Tensor comes once; one whose grad is None is skipped by `step`.
    Small parameters of a group are moved into one array at the first step and updated together:
    their `.data` is then a view of it, so hold the Tensor, not its `.data`.

    Raises ParameterError for an empty list, duplicates, what is no leaf Tensor, unknown settings.
    """

    supplied: ClassVar[tuple[str, ...]] = ("params",)
    scratch: ClassVar[int] = 1
    """How many arrays of a parameter's shape `update` may use for intermediate values."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self._blocks: list[Block] = []
        self._check()
        entries = self._listed(params)
        if not entries:
            raise self._error("params", "parameters; this list of them is empty", entries)
        grouped = all(isinstance(entry, dict) for entry in entries)
        for group in entries if grouped else [{"params": entries}]:
            self.add_param_group(group)

    # -- what a subclass says -----------------------------------------------------------------

    def slots(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the arrays that `update` keeps for each parameter of `group`."""
        return ()

    def update(self, p: np.ndarray, g: np.ndarray, state: State, group: Mapping[str, Any]) -> None:
        """Move p, in place, by its gradient g, which is only read. Elementwise: any shape.

        state: the slots as arrays, zeros at first; state.step counts from 1 for this parameter;
        state.scratch holds arrays to compute in. group: the settings, `lr` among them.
        """
        raise NotImplementedError

    # -- groups -------------------------------------------------------------------------------

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Optimize more parameters, with settings of their own or the defaults."""
        settings = {name: value for name, value in group.items() if name != "params"}
        unknown = sorted(set(settings) - set(self.defaults))
        if unknown:
            raise self._error("a group's setting", f"one of {sorted(self.defaults)}", unknown[0])
        tensors = self._listed(group.get("params", ()))
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
        self._rearrange()

    def scale_lr(self, factor: float) -> None:
        """Set every group's lr to its initial lr times factor: what a schedule gives for a step."""
        for group in self.param_groups:
            group["lr"] = float(group["initial_lr"] * factor)

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
            block.advance(self.update)
        return result

    def _arranged(self) -> list[Block]:
        """The blocks, made now if need be: until a step, parameters may change dtype."""
        if not self._blocks:
            self._blocks = arrange(self.param_groups, self.scratch)
        return self._blocks

    def _rearrange(self) -> None:
        """New blocks that include a new group and go on from the state of the old ones."""
        if self._blocks:
            before = {id(p): state for block in self._blocks for p, state in block.states()}
            self._blocks = []
            for block in self._arranged():
                block.take(before)

    # -- state --------------------------------------------------------------------------------

    def _states(self) -> list[tuple[Tensor, State, tuple[str, ...]]]:
        """(parameter, its state, its slots) in the order of the groups."""
        found = {id(p): state for block in self._arranged() for p, state in block.states()}
        return [
            (p, found[id(p)], self.slots(group))
            for group in self.param_groups
            for p in group["params"]
        ]

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: {"step", slot: array}}, "param_groups": [...]}, as PyTorch's.

        Parameters are numbered through all groups; arrays are copies.
        """
        states = {
            i: {"step": state.step, **{slot: state[slot].copy() for slot in slots}}
            for i, (_, state, slots) in enumerate(self._states())
        }
        numbers = iter(range(len(states)))
        groups = [
            {**group, "params": [next(numbers) for _ in group["params"]]}
            for group in self.param_groups
        ]
        return {"state": states, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the result of `state_dict`; raises CheckpointError if it does not fit.

        The groups' settings come first, then the arrays of `state`, which may lack a parameter
        that was never updated.
        """
        groups = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in groups]
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise CheckpointError(
                f"{type(self).__name__}: the state has groups of {sizes} parameters, "
                f"this optimizer of {own}",
                fault="K17",
            )
        numbers = [number for group in groups for number in group["params"]]
        before = [dict(group) for group in self.param_groups]
        for group, given in zip(self.param_groups, groups, strict=True):
            group.update({k: v for k, v in given.items() if k in group and k != "params"})
        arrays: dict[str, Any] = {}
        for i, (number, (_, _, slots)) in enumerate(zip(numbers, self._states(), strict=True)):
            entry = state_dict["state"].get(number, {})
            for slot, value in entry.items():
                if slot == "step" or slot in slots:
                    arrays[f"{slot}.{i}"] = value
            arrays.setdefault(f"step.{i}", int(bool(entry)))  # PyTorch's SGD counts no steps
            if not entry:
                arrays.update({f"{slot}.{i}": None for slot in slots})
        try:
            self._load(arrays, {id(p): str(i) for i, (p, _, _) in enumerate(self._states())})
        except CheckpointError:
            for group, old in zip(self.param_groups, before, strict=True):
                group.update(old)
            raise

    def state_arrays(self, named: Iterable[tuple[str, Tensor]]) -> dict[str, np.ndarray]:
        """{"slot.name": array, "step.name": int64}, copies, for a checkpoint.

        named: `net.named_parameters()`; every parameter of the optimizer must be among them.
        """
        names = self._names(named)
        arrays: dict[str, np.ndarray] = {}
        for p, state, slots in self._states():
            name = names[id(p)]
            arrays[f"step.{name}"] = np.array(state.step, dtype=np.int64)
            for slot in slots:
                arrays[f"{slot}.{name}"] = state[slot].copy()
        return arrays

    def load_state_arrays(
        self, arrays: Mapping[str, np.ndarray], named: Iterable[tuple[str, Tensor]]
    ) -> None:
        """Take over the result of `state_arrays`.

        Raises CheckpointError K17 that lists everything missing, unexpected or of another shape or
        dtype; nothing has been changed then.
        """
        self._load(dict(arrays), self._names(named))

    def _names(self, named: Iterable[tuple[str, Tensor]]) -> dict[int, str]:
        names = {id(p): name for name, p in named}
        for p, _, _ in self._states():
            if id(p) not in names:
                raise self._error("named", "the names of all its parameters", list(names.values()))
        return names

    def _load(self, arrays: dict[str, Any], names: Mapping[int, str]) -> None:
        problems = []
        writes: list[tuple[State, str, Any]] = []
        for p, state, slots in self._states():
            for slot in ("step", *slots):
                key = f"{slot}.{names[id(p)]}"
                if key not in arrays:
                    problems.append(f"missing: {key}")
                    continue
                value = arrays.pop(key)
                value = np.zeros_like(p.data) if value is None else np.asarray(value)
                shape = () if slot == "step" else p.shape
                kind = "iuf" if slot == "step" else p.dtype
                if value.shape != shape or (slot == "step" and value.dtype.kind not in kind) or (
                    slot != "step" and value.dtype != p.dtype
                ):
                    problems.append(f"{key}: {value.dtype}{list(value.shape)} does not fit {p.dtype}{list(shape)}")
                writes.append((state, slot, value))
        problems += [f"unexpected: {key}" for key in arrays]
        if problems:
            raise CheckpointError(
                f"the state does not fit this {type(self).__name__}:\n  " + "\n  ".join(problems),
                fault="K17",
            )
        for state, slot, value in writes:
            if slot == "step":
                state.step = int(value)
            else:
                state[slot][...] = value
