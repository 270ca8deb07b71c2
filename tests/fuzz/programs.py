"""Random programs: steps that run alike on Tensors and on arrays, made from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dgrad import Tensor, registry
from tests.fuzz.participants import SIZE, real_outputs, smooth_ops, wanted

__all__ = ["Program", "Step", "program_of"]

LARGE = 3.0  # what grows beyond this is sent through a sine
ELEMENTWISE = ("sin", "cos", "tanh", "exp", "square", "negative")
Values = list[Any]


class Step:
    """One step: what it does, with which values, and how many it adds (0 when it writes)."""

    def __init__(self, text: str, call: Callable[..., Any], *inputs: int) -> None:
        self.text = text
        self.call = call
        self.inputs = inputs

    def run(self, values: Values) -> list[Any]:
        """The new values; the first input itself when the step writes into it."""
        out = self.call(*(values[i] for i in self.inputs))
        outs = list(out) if isinstance(out, tuple) else [out]
        return [y if isinstance(y, Tensor) else np.asarray(y) for y in outs]

    def __repr__(self) -> str:
        return f"{self.text} of {self.inputs}"


class Program:
    """Leaves, steps, and which values are the outputs."""

    def __init__(self, leaves: list[np.ndarray]) -> None:
        self.leaves = leaves
        self.steps: list[Step] = []
        self.outputs: list[int] = []
        self.analytic = True

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """The outputs, for Tensors or arrays as leaves."""
        values = list(leaves)
        for step in self.steps:
            values += step.run(values)
        return [values[i] for i in self.outputs]


class _Maker:
    """Builds a program step by step, running it on arrays meanwhile, so that values stay sane."""

    def __init__(self, seed: int, in_place: bool, only: str | None) -> None:
        self.rng = np.random.default_rng(seed)
        shapes = [(3, 4), (4,), (2, 3), (), (5,), (3, 1)]
        count = int(self.rng.integers(1, 4))
        chosen = [shapes[i] for i in self.rng.integers(len(shapes), size=count)]
        self.program = Program([np.asarray(self.rng.normal(size=s)) for s in chosen])
        self.values: Values = [leaf.copy() for leaf in self.program.leaves]
        self.sane = list(range(count))  # the values that further steps may use
        self.in_place = in_place
        table = smooth_ops()
        analytic = only is None and seed % 2 == 0
        self.names = [n for n in table if (table[n].analytic or not analytic) and only in (None, n)]

    def add(self, step: Step) -> list[int]:
        """Append a step; the places of its results, of which large ones are replaced by sines."""
        start = len(self.values)
        self.program.steps.append(step)
        self.values += step.run(self.values)
        places = range(start, len(self.values))
        kept = []
        for i in places:
            value = self.values[i]
            assert np.isfinite(value).all(), step
            if value.size and np.abs(value).max() > LARGE:
                kept += self.add(Step("sin", np.sin, i))
            else:
                kept.append(i)
                self.sane.append(i)
        return kept

    def pick(self) -> int:
        """A value; the newest ones most often, so that programs are deep."""
        n = len(self.sane)
        if self.rng.random() < 0.6:
            return self.sane[n - 1 - int(self.rng.integers(min(n, 6)))]
        return self.sane[int(self.rng.integers(n))]

    def fitted(self, i: int, shape: tuple[int, ...]) -> int:
        """Value i brought to a shape: repeated or cut short, so that elements have many uses."""
        size, have = math.prod(shape), self.values[i].size
        if self.values[i].shape == shape:
            return i
        index = np.arange(size) % max(have, 1)

        def fit(x: Any) -> Any:
            flat = registry.ops["reshape"](x, shape=(-1,))
            return registry.ops["reshape"](registry.ops["getitem"](flat, index=index), shape=shape)

        return self.add(Step(f"fit to {shape}", fit, i))[0]

    def some(self) -> int:
        """A value that is not empty."""
        while True:
            i = self.pick()
            if self.values[i].size:
                return i

    def op(self) -> None:
        """An op of the registry, its inputs somewhere near its example."""
        name = self.names[int(self.rng.integers(len(self.names)))]
        function = registry.ops[name]
        args, params = function.op.example(self.rng)
        role = smooth_ops()[name]
        places = wanted(function.op, args)
        inputs = [self.fitted(self.some(), args[k].shape) for k in places]

        def near(*given: Any) -> Any:
            full = list(args)
            for k, x in zip(places, given, strict=True):
                full[k] = args[k] + np.sin(x) * role.noise
            out = function(*full, **params)
            return out if role.analytic else real_outputs(out)

        self.program.analytic &= role.analytic
        self.add(Step(name, near, *inputs))

    def elementwise(self) -> None:
        """One or two values of whatever shape, broadcasting when they can."""
        name = ELEMENTWISE[int(self.rng.integers(len(ELEMENTWISE)))]
        i, j = self.some(), self.some()
        if self.rng.random() < 0.4:
            self.add(Step(name, registry.ops[name], i))
            return
        a, b = self.values[i].shape, self.values[j].shape
        try:
            fits = math.prod(np.broadcast_shapes(a, b)) <= SIZE
        except ValueError:
            fits = False
        j = j if fits else self.fitted(j, a)
        name = ("add", "subtract", "multiply", "quotient")[int(self.rng.integers(4))]
        call = (lambda x, y: x / (np.square(y) + 1.5)) if name == "quotient" else registry.ops[name]
        self.add(Step(name, call, i, j))

    def view(self, i: int | None = None) -> int:
        """A rearrangement of a value, sharing its memory where NumPy can."""
        i = self.some() if i is None else i
        shape, rng = self.values[i].shape, self.rng
        kind = int(rng.integers(6))
        ops = registry.ops
        if kind == 0 and shape:
            order = tuple(int(k) for k in rng.permutation(len(shape)))
            step = Step(f"transpose {order}", lambda x: ops["transpose"](x, axes=order), i)
        elif kind == 1 and shape:
            index = tuple(_part(rng, n) for n in shape[: int(rng.integers(1, len(shape) + 1))])
            step = Step(f"[{index}]", lambda x: x[index], i)
        elif kind == 2 and len(shape) < 4:
            axis = int(rng.integers(len(shape) + 1))
            step = Step(f"expand {axis}", lambda x: ops["expand_dims"](x, axis=axis), i)
        elif kind == 3 and math.prod(shape) * 2 <= SIZE:
            wide = (2, *shape)
            step = Step(f"broadcast to {wide}", lambda x: ops["broadcast_to"](x, shape=wide), i)
        elif kind == 4 and shape:
            step = Step("backwards", lambda x: x[::-1], i)
        else:
            new = _factors(rng, math.prod(shape))
            step = Step(f"reshape {new}", lambda x: ops["reshape"](x, shape=new), i)
        self.program.steps.append(step)
        self.values += step.run(self.values)
        self.sane.append(len(self.values) - 1)
        return self.sane[-1]

    def writes(self) -> None:
        """A copy of a value, views of it, and writes through them, with reads in between."""
        source = self.some()
        family = self.add(Step("copy", lambda x: x * 1.0, source))
        for _ in range(int(self.rng.integers(3))):
            view = self.view(family[int(self.rng.integers(len(family)))])
            if np.shares_memory(self.values[view], self.values[family[0]]):
                family.append(view)
        for _ in range(int(self.rng.integers(1, 4))):
            able = [i for i in family if _writable(self.values[i])]
            if not able:
                return
            target = able[int(self.rng.integers(len(able)))]
            outside = [i for i in self.sane if i < family[0] and self.values[i].size]
            other = outside[int(self.rng.integers(len(outside)))]
            self._write(target, self.fitted_for(other, self.values[target].shape))
            if self.rng.random() < 0.5:  # add keeps nothing, so that later writes stay legal
                self.add(Step("read", lambda x: x + 0.5, target))

    def fitted_for(self, i: int, shape: tuple[int, ...]) -> int:
        """Value i brought to a shape that broadcasts to `shape`."""
        return self.fitted(i, shape[1:] if shape and self.rng.random() < 0.4 else shape)

    def _write(self, target: int, other: int) -> None:
        kind = int(self.rng.integers(5))
        bounded = np.sin
        if kind == 4:
            shape = self.values[target].shape
            index = tuple(_part(self.rng, n) for n in shape)
            part = self.values[target][index].shape
            other = self.fitted(other, part)

            def write(x: Any, y: Any) -> Any:
                x[index] = bounded(y)
                return ()

            self.program.steps.append(Step(f"[{index}] =", write, target, other))
        else:
            self.program.steps.append(
                Step(("+=", "-=", "*=", "/=")[kind], WRITES[kind], target, other)
            )
        self.program.steps[-1].run(self.values)


def _add(x: Any, y: Any) -> Any:
    x += np.sin(y)
    return ()


def _subtract(x: Any, y: Any) -> Any:
    x -= np.sin(y)
    return ()


def _multiply(x: Any, y: Any) -> Any:
    x *= np.sin(y)
    return ()


def _divide(x: Any, y: Any) -> Any:
    x /= np.sin(y) * 0.3 + 1.5
    return ()


WRITES = (_add, _subtract, _multiply, _divide)


def _writable(x: np.ndarray) -> bool:
    """Whether x has memory of its own for each element, and is no single number."""
    overlap = any(s == 0 and n > 1 for s, n in zip(x.strides, x.shape, strict=True))
    return bool(x.ndim and x.size and x.flags.writeable and not overlap)


def _part(rng: np.random.Generator, n: int) -> slice:
    """A slice that is not empty unless the axis is; sometimes backwards or with steps."""
    if rng.random() < 0.3:
        return slice(None, None, -1 if rng.random() < 0.5 else 2)
    start = int(rng.integers(max(n, 1)))
    return slice(start, int(rng.integers(start + 1, n + 2)))


def _factors(rng: np.random.Generator, size: int) -> tuple[int, ...]:
    """A shape of that many elements."""
    divisors = [d for d in range(1, size + 1) if size % d == 0] or [0]
    first = divisors[int(rng.integers(len(divisors)))]
    return (first, size // first) if first else (0,)


def program_of(seed: int, *, in_place: bool = True, only: str | None = None) -> Program:
    """The program of a seed. Even seeds keep to analytic ops; `only`: one op and nothing else."""
    maker = _Maker(seed, in_place, only)
    if only is not None:
        maker.op()
        maker.program.outputs = [len(maker.values) - 1]
        return maker.program
    goal = int(maker.rng.integers(5, 61))
    while len(maker.program.steps) < goal:
        draw = maker.rng.random()
        if draw < 0.45:
            maker.op()
        elif draw < 0.7:
            maker.elementwise()
        elif draw < 0.85 or not in_place:
            maker.view()
        else:
            maker.writes()
    first = len(maker.program.leaves)
    filled = [i for i in maker.sane if i >= first and maker.values[i].size]
    others = maker.rng.choice(filled, size=min(2, len(filled)), replace=False)
    maker.program.outputs = sorted({filled[-1], *(int(i) for i in others)})
    return maker.program
