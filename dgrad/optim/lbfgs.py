"""L-BFGS: a quasi-Newton method with a short memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from dgrad.core.versions import mark_written
from dgrad.optim.block import WRITER, Shapes
from dgrad.optim.line_search import Point, strong_wolfe
from dgrad.optim.optimizer import Optimizer
from dgrad.registry import Count, NonNegative, optimizers

__all__ = ["LBFGS"]

VECTORS = ("direction", "gradient")  # of the last iteration
HISTORY = ("old_dirs", "old_stps")  # differences of gradients, and of parameters


@dataclass
class _Memory:
    """What is known of the function. pairs: (y, s), oldest first; t: the last step's length."""

    step: int = 0
    t: float = 0.0
    direction: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gradient: np.ndarray = field(default_factory=lambda: np.zeros(0))
    pairs: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)


@optimizers.register("lbfgs")
class LBFGS(Optimizer):
    """p <- p + t d;  d = -H g, H from the last history_size changes of p and g.   PyTorch's form.

    A step makes up to max_iter iterations and max_eval evaluations (1.25 max_iter where None), and
    ends early where no element of the gradient exceeds tolerance_grad, or p or the loss change by
    less than tolerance_change. t = lr, or found by line_search_fn. For full batches, as it takes
    the loss for a function of the parameters alone; all parameters are one group.
    Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4 and 7.5.
    """

    takes_groups = False
    elementwise = False
    needs_closure = True
    scalars = MappingProxyType({"t": 0.0})

    def __init__(
        self,
        params: Iterable[Any],
        lr: NonNegative = 1.0,
        max_iter: Count = 20,
        max_eval: Count | None = None,
        tolerance_grad: NonNegative = 1e-7,
        tolerance_change: NonNegative = 1e-9,
        history_size: Count = 100,
        line_search_fn: Literal["strong_wolfe"] | None = None,
    ) -> None:
        settings = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        self._memory = _Memory()
        super().__init__(params, settings)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """The only group: the changes of all parameters are looked at as one vector."""
        if self.param_groups:
            raise self._error("params", "one group; L-BFGS has no others", 2)
        super().add_param_group(group)

    def slot_shapes(self, group: Mapping[str, Any], shape: tuple[int, ...]) -> Shapes:
        """The last iteration, and the history at its longest."""
        history = dict.fromkeys(HISTORY, (group["history_size"], *shape))
        return {**dict.fromkeys(VECTORS, shape), **history}

    # -- stepping -----------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Iterate; closure() sets the gradients and returns the loss, the first is returned."""
        if closure is None:
            raise self._error("closure", "a function that returns the loss after backward()", None)
        group, memory = self.param_groups[0], self._memory
        first = closure()
        here = Point(0.0, float(first), self._gathered(), 0.0)
        if self._is_flat(here.gradient):
            return first
        evaluations = 1
        for i in range(group["max_iter"]):
            self._choose_direction(here.gradient)
            slope = float(here.gradient @ memory.direction)
            here = here._replace(t=0.0, slope=slope)
            if slope > -group["tolerance_change"]:
                break
            is_last = i + 1 == group["max_iter"]
            there, count = self._move(closure, here, group["max_eval"] - evaluations, is_last)
            evaluations += count
            if is_last or evaluations >= group["max_eval"] or self._is_flat(there.gradient):
                break
            change = abs(memory.t) * float(np.abs(memory.direction).max())
            tolerance = group["tolerance_change"]
            if change <= tolerance or abs(there.loss - here.loss) < tolerance:
                break
            here = there
        return first

    def _choose_direction(self, g: np.ndarray) -> None:
        """d = -H g by the two loops of algorithm 7.4; t, the first length to try."""
        memory, group = self._memory, self.param_groups[0]
        memory.t, t = group["lr"], memory.t
        memory.step += 1
        if memory.step == 1:
            memory.direction = -g
            memory.t = min(1.0, 1.0 / float(np.abs(g).sum())) * group["lr"]
        else:
            y, s = g - memory.gradient, memory.direction * t
            if y @ s > 1e-10:  # else H would not be positive
                memory.pairs = [*memory.pairs, (y, s)][-group["history_size"] :]
            memory.direction = self._product(-g)
        memory.gradient = g.copy()

    def _product(self, q: np.ndarray) -> np.ndarray:
        """H q."""
        pairs = self._memory.pairs
        weights = []
        for y, s in reversed(pairs):
            weights.append(float(s @ q) / float(y @ s))
            q -= weights[-1] * y
        if pairs:
            y, s = pairs[-1]
            q *= float(y @ s) / float(y @ y)
        for (y, s), weight in zip(pairs, reversed(weights), strict=True):
            q += (weight - float(y @ q) / float(y @ s)) * s
        return q

    def _move(
        self, closure: Callable[[], Any], here: Point, most: int, is_last: bool
    ) -> tuple[Point, int]:
        """Go along d; the point reached and the number of evaluations."""
        memory, group = self._memory, self.param_groups[0]
        d, origin = memory.direction, [p.data.copy() for p in group["params"]]

        def evaluate(t: float) -> Point:
            self._place(origin, t)
            loss = float(closure())
            g = self._gathered()
            return Point(t, loss, g, float(g @ d))

        if group["line_search_fn"] is None:
            if not is_last:
                return evaluate(memory.t), 1
            self._place(origin, memory.t)
            return here, 0
        longest, tolerance = float(np.abs(d).max()), group["tolerance_change"]
        there, count = strong_wolfe(
            evaluate, here, memory.t, longest=longest, tolerance=tolerance, most=most
        )
        memory.t = there.t
        self._place(origin, there.t)
        return there, count

    def _place(self, origin: Sequence[np.ndarray], t: float) -> None:
        """p <- origin + t d."""
        parts = self._parts(self._memory.direction)
        for p, x, d in zip(self.param_groups[0]["params"], origin, parts, strict=True):
            mark_written(p.data, WRITER)
            np.add(x, t * d, out=p.data)

    def _gathered(self) -> np.ndarray:
        """All gradients as one vector, zeros where there is none."""
        params = self.param_groups[0]["params"]
        return np.concatenate(
            [np.zeros_like(p.data) if p.grad is None else p.grad.data for p in params], axis=None
        )

    def _parts(self, vector: np.ndarray) -> list[np.ndarray]:
        """A vector's part for each parameter, in its shape."""
        params = self.param_groups[0]["params"]
        ends = np.cumsum([p.size for p in params])[:-1]
        parts = np.split(vector, ends)
        return [part.reshape(p.shape) for part, p in zip(parts, params, strict=True)]

    def _is_flat(self, g: np.ndarray) -> bool:
        """Whether no element of the gradient exceeds the tolerance."""
        return bool(np.abs(g).max(initial=0) <= self.param_groups[0]["tolerance_grad"])

    # -- state --------------------------------------------------------------------------------

    def _arrays(self, names: Sequence[str]) -> dict[str, Any]:
        """By "what.parameter": step, t, the last direction and gradient, the history so far."""
        memory, arrays = self._memory, dict[str, Any]()
        vectors = dict(zip(VECTORS, (memory.direction, memory.gradient), strict=True))
        parts = {k: self._parts(v) for k, v in vectors.items() if memory.step}
        pairs = [[self._parts(v) for v in pair] for pair in memory.pairs]
        for i, (name, p) in enumerate(zip(names, self.param_groups[0]["params"], strict=True)):
            arrays[f"step.{name}"] = np.array(memory.step, dtype=np.int64)
            arrays[f"t.{name}"] = np.array(memory.t)
            for key in VECTORS:
                part = parts[key][i].copy() if parts else np.zeros_like(p.data)
                arrays[f"{key}.{name}"] = part
            for j, key in enumerate(HISTORY):
                kept = np.zeros((len(pairs), *p.shape), p.dtype)
                for k, pair in enumerate(pairs):
                    kept[k] = pair[j][i]
                arrays[f"{key}.{name}"] = kept
        return arrays

    def _load(
        self,
        arrays: Mapping[str, Any],
        names: Sequence[str],
        groups: Sequence[Mapping[str, Any]],
    ) -> None:
        """Go on from arrays by "what.parameter", whose history may be of any length."""
        lengths = {np.shape(arrays.get(f"{HISTORY[0]}.{name}", 0))[:1] for name in names}
        length = max(lengths, default=())
        states = self._read(arrays, names, [{**groups[0], "history_size": sum(length)}])
        parts = list(states.values())

        def whole(name: str) -> np.ndarray:
            rows = [part[name].reshape(sum(length), math.prod(part.shape)) for part in parts]
            return np.concatenate(rows, axis=-1)

        vectors = [np.concatenate([part[k] for part in parts], axis=None) for k in VECTORS]
        pairs = list(zip(*(whole(name) for name in HISTORY), strict=True))
        self._memory = _Memory(parts[0].step, parts[0].scalars["t"], vectors[0], vectors[1], pairs)
