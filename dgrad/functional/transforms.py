"""Functions of functions: vjp, jvp, jacobian, hessian, hvp, vhp, with torch's shapes.

`f` takes the Tensors of `inputs` and returns a Tensor or a tuple of them; where a single Tensor is
given or returned, so is the result's part for it, else a tuple. Inputs that f does not use have
gradients of zeros, or are an error with `strict=True`. `create_graph=True` links the results to
`inputs`, so that they can be differentiated further; without it they have no graph. Everything is
built from vjp rules, so every op has it: one walk for a vjp, two for a jvp or an hvp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np

from dgrad import ops
from dgrad.core.backward import grad
from dgrad.core.modes import enable_grad
from dgrad.core.tensor import Tensor, as_tensor, from_parts
from dgrad.errors import DtypeError, GraphError, ShapeError

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

GOLDEN = (5**0.5 - 1) / 2  # its multiples never repeat modulo 1


def vjp(
    f: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    *,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(inputs), v^T J): the gradient of the outputs, weighted by v, for every input.

    v: one per output, of its shape; 1 when left out, which needs a single element.
    Raises ShapeError for a v that does not fit, DtypeError for inputs without gradients,
    GraphError when f returns no Tensor, or with `strict` for what does not depend on an input.
    """
    call = _Call("vjp", f, inputs, create_graph)
    seeds = _vectors("vjp", v, call.outputs, "output")
    found = _pulled(call.outputs, call.inputs, seeds, create_graph)
    _require("vjp", found, strict)
    return call.result(), call.like_inputs(_filled(found, call.inputs))


def jvp(
    f: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    *,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(inputs), J v): the derivative of every output in direction v.

    v: one per input, of its shape; 1 when left out, which needs a single element. v^T J is linear
    in v, so its own vjp is J v ("double vjp"). Raises as `vjp` does.
    """
    call = _Call("jvp", f, inputs, create_graph)
    directions = _vectors("jvp", v, call.inputs, "input")
    moving = [out for out in call.outputs if out.requires_grad]
    dummies = [_generic(out, i) for i, out in enumerate(moving)]
    pulled = _pulled(moving, call.inputs, dummies, True)
    _require("jvp", pulled, strict)
    found = iter(_pulled_again(pulled, dummies, directions, create_graph))
    every = [next(found) if out.requires_grad else None for out in call.outputs]
    return call.result(), call.like_outputs(_filled(every, call.outputs))


def jacobian(
    f: Callable[..., Any], inputs: Any, *, create_graph: bool = False, strict: bool = False
) -> Any:
    """d(output)/d(input), of shape (*output shape, *input shape): [output][input] where several.

    One walk per element of the outputs. A complex output of a real input has a complex Jacobian,
    by two walks; for a complex input, the rows are gradients as `grad` has them: the conjugate of
    the derivative, where the output is complex and has one. Raises as `vjp` does.
    """
    return _jacobian(_Call("jacobian", f, inputs, create_graph), strict)


def hessian(
    f: Callable[..., Any], inputs: Any, *, create_graph: bool = False, strict: bool = False
) -> Any:
    """Second derivatives of an f of a single element, (*shape i, *shape j): [i][j] where several.

    Raises as `vjp` does, and ShapeError when f returns more than one element.
    """

    def gradient(*tensors: Tensor) -> Any:
        call = _Call("hessian", f, tensors, True)
        found = _pulled(_scalar("hessian", call), call.inputs, None, True)
        _require("hessian", found, strict)
        gradients = _filled(found, call.inputs)
        return gradients if isinstance(inputs, tuple | list) else gradients[0]

    return _jacobian(_Call("hessian", gradient, inputs, create_graph), strict)


def vhp(
    f: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    *,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(inputs), v^T H) of an f of a single element, without the Hessian H itself.

    v: one per input, of its shape. Raises as `hessian` does.
    """
    call = _Call("vhp", f, inputs, create_graph)
    seeds = _vectors("vhp", v, call.inputs, "input")
    gradients = _pulled(_scalar("vhp", call), call.inputs, None, True)
    _require("vhp", gradients, strict)
    found = _pulled_again(gradients, call.inputs, seeds, create_graph)
    _require("vhp", found, strict)
    return call.result(), call.like_inputs(_filled(found, call.inputs))


def hvp(
    f: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    *,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """(f(inputs), H v) of an f of a single element: `vhp`, as H is symmetric.

    v: one per input, of its shape. Raises as `hessian` does.
    """
    return vhp(f, inputs, v, create_graph=create_graph, strict=strict)


class _Call:
    """One run of f on fresh Tensors of `inputs`, recorded whatever the caller's mode."""

    def __init__(self, name: str, f: Callable[..., Any], inputs: Any, linked: bool) -> None:
        self.name, self.linked = name, linked
        self.several_in = isinstance(inputs, tuple | list)
        given = tuple(inputs) if self.several_in else (inputs,)
        if not given:
            raise GraphError(f"{name}: inputs is empty; give a Tensor or a tuple of them")
        with enable_grad():
            self.inputs = tuple(_fresh(name, i, x, linked) for i, x in enumerate(given))
            outputs = f(*self.inputs)
        self.several_out = isinstance(outputs, tuple | list)
        self.outputs = tuple(outputs) if self.several_out else (outputs,)
        for out in self.outputs:
            if not isinstance(out, Tensor):
                raise GraphError(
                    f"{name}: f must return a Tensor or a tuple of them, got "
                    f"{type(out).__name__}; compute with ops, not on .data"
                )

    def result(self) -> Any:
        """What f returned, without its graph unless that is asked for."""
        if self.linked:
            return self.like_outputs(self.outputs)
        return self.like_outputs([out.detach() for out in self.outputs])

    def like_inputs(self, values: Sequence[Any]) -> Any:
        """One value per input: a tuple if `inputs` were several."""
        return tuple(values) if self.several_in else values[0]

    def like_outputs(self, values: Sequence[Any]) -> Any:
        """One value per output: a tuple if f returned several."""
        return tuple(values) if self.several_out else values[0]


def _fresh(name: str, i: int, value: Any, linked: bool) -> Tensor:
    """A Tensor that shares memory with an input: of its graph if `linked`, else a leaf."""
    x = as_tensor(value)
    if x.dtype.kind not in "fc":
        raise DtypeError(f"{name}: only floats have gradients; inputs[{i}] is {x.dtype}")
    if linked and x.requires_grad:
        return cast(Tensor, ops.reshape(x, x.shape))
    return from_parts(x.data, None).requires_grad_()


def _vectors(name: str, v: Any, matching: Sequence[Tensor], what: str) -> tuple[Tensor, ...]:
    """v as one Tensor per `matching` one, checked against its shape, in its dtype."""
    if v is None:
        if len(matching) > 1 or matching[0].size != 1:
            shapes = ", ".join(str(t.shape) for t in matching)
            raise ShapeError(f"{name}: v can be left out for a single element only, not {shapes}")
        return (from_parts(np.ones_like(matching[0].data), None),)
    given = tuple(v) if isinstance(v, tuple | list) else (v,)
    if len(given) != len(matching):
        raise ShapeError(f"{name}: {len(given)} vectors in v, but {len(matching)} {what}s")
    vectors = []
    for i, (each, t) in enumerate(zip(given, matching, strict=True)):
        vector = as_tensor(each)
        if vector.shape != t.shape:
            which = f"{what} {i}" if len(matching) > 1 else what
            raise ShapeError(f"{name}: v has shape {vector.shape}, its {which} {t.shape}")
        vectors.append(vector if vector.dtype == t.dtype else vector.astype(t.dtype))
    return tuple(vectors)


def _pulled(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    seeds: Sequence[Tensor] | None,
    create_graph: bool,
    retain_graph: bool | None = None,
) -> Sequence[Tensor | None]:
    """The gradients of the inputs; None where no output depends on one."""
    chosen = [i for i, out in enumerate(outputs) if out.requires_grad]
    if not chosen:
        return [None] * len(inputs)
    return grad(
        [outputs[i] for i in chosen],
        inputs,
        None if seeds is None else [seeds[i] for i in chosen],
        create_graph=create_graph,
        retain_graph=retain_graph,
        allow_unused=True,
    )


def _pulled_again(
    gradients: Sequence[Tensor | None],
    inputs: Sequence[Tensor],
    seeds: Sequence[Tensor],
    create_graph: bool,
) -> Sequence[Tensor | None]:
    """`_pulled` for outputs of which some may be missing."""
    there = [(g, seed) for g, seed in zip(gradients, seeds, strict=True) if g is not None]
    return _pulled([g for g, _ in there], inputs, [seed for _, seed in there], create_graph)


def _filled(found: Sequence[Tensor | None], like: Sequence[Tensor]) -> list[Tensor]:
    """Zeros of the shape and dtype of `like` where there is no gradient."""
    return [
        from_parts(np.zeros(t.shape, t.dtype), None) if g is None else g
        for g, t in zip(found, like, strict=True)
    ]


def _require(name: str, found: Sequence[Tensor | None], strict: bool) -> None:
    for i, g in enumerate(found):
        if strict and g is None:
            raise GraphError(
                f"{name}: the result does not depend on inputs[{i}]; strict=False gives zeros"
            )


def _scalar(name: str, call: _Call) -> Sequence[Tensor]:
    """The only output of f, which has a single element."""
    if len(call.outputs) > 1 or call.outputs[0].size != 1:
        shapes = ", ".join(str(out.shape) for out in call.outputs)
        raise ShapeError(f"{name}: f must return a single element, it returned {shapes}")
    return call.outputs


def _generic(out: Tensor, i: int) -> Tensor:
    """A cotangent for double vjp: its value does not matter, but that no sum of it vanishes does.

    Singular rules answer 0 to a cotangent of exactly 0, whatever it is made of (see ops/).
    """
    steps = np.arange(1, out.size + 1) * GOLDEN + i / 7
    values = 1 + steps % 1
    return from_parts(values.reshape(out.shape).astype(out.dtype), None).requires_grad_()


def _jacobian(call: _Call, strict: bool) -> Any:
    return call.like_outputs([call.like_inputs(_rows(call, out, strict)) for out in call.outputs])


def _rows(call: _Call, out: Tensor, strict: bool) -> list[Tensor]:
    """The Jacobians of one output with respect to every input."""
    turned = out.dtype.kind == "c" and any(x.dtype.kind == "f" for x in call.inputs)
    rows = []
    for unit in _units(out):
        found = _pulled([out], call.inputs, [unit], call.linked, retain_graph=True)
        _require(call.name, found, strict)
        row = _filled(found, call.inputs)
        if turned:
            turn = from_parts(np.asarray(unit.data * 1j), None)
            found = _pulled([out], call.inputs, [turn], call.linked, retain_graph=True)
            row = _complex(row, _filled(found, call.inputs))
        rows.append(row)
    if not rows:
        one = out.dtype.type(1) if turned else 1
        return [from_parts(np.zeros(out.shape + x.shape, x.dtype) * one, None) for x in call.inputs]
    with enable_grad():
        return [
            ops.reshape(ops.stack([row[i] for row in rows]), out.shape + x.shape)
            for i, x in enumerate(call.inputs)
        ]


def _complex(real: Sequence[Tensor], imaginary: Sequence[Tensor]) -> list[Tensor]:
    """Rows of a complex output: for real inputs, the derivatives of its two parts as one number."""
    with enable_grad():
        return [
            a if a.dtype.kind == "c" else a + b * 1j for a, b in zip(real, imaginary, strict=True)
        ]


def _units(out: Tensor) -> Iterator[Tensor]:
    """For every element, a cotangent that is 1 there and 0 elsewhere."""
    for i in range(out.size):
        unit = np.zeros(out.size, out.dtype)
        unit[i] = 1
        yield from_parts(unit.reshape(out.shape), None)
