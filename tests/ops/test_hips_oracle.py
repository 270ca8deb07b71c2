"""Values, first and second gradients against HIPS autograd in float64, over the same table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import registry
from tests.cases import CASES, Case
from tests.ops.calls import call, is_float, leaves, seed, tensors
from tests.ops.test_ops import over

autograd = pytest.importorskip("autograd", reason="HIPS autograd is the oracle of these tests")
anp = pytest.importorskip("autograd.numpy", reason="HIPS autograd is the oracle of these tests")
vjps = pytest.importorskip("autograd.core", reason="HIPS autograd is needed").primitive_vjps
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
HOMES = (anp, anp.linalg, anp.fft)


def joined(function: Any) -> Callable[..., Any]:
    """A function of a list of arrays, as one of several arrays."""
    return lambda *xs, **params: function(list(xs), **params)


# Functions whose first argument is a sequence, or that NumPy spells otherwise.
SPELLED: dict[str, Callable[..., Any]] = {
    "average": lambda x, weights=None, axis=None: anp.average(x, axis, weights),
    "broadcast_to": lambda x, shape: anp.broadcast_to(x, shape),
    "clip": lambda x, min=None, max=None: anp.clip(x, min, max),
    "concatenate": lambda *xs, axis=0: anp.concatenate(xs, axis),
    "getitem": lambda x, index: x[index],
    "pad": lambda x, pad_width, mode="constant", constant_values=0.0: anp.pad(
        x, pad_width, mode, constant_values=constant_values
    ),
    "stack": lambda *xs, axis=0: anp.stack(xs, axis),
    **{name: joined(getattr(anp, name)) for name in ("column_stack", "dstack", "hstack", "vstack")},
    "einsum": lambda *xs, subscripts: anp.einsum(subscripts, *xs),
}

# Where HIPS autograd raises, at some or all of an op's cases: op -> why.
BROADCASTS = "its rule does not sum over broadcast axes"
CANNOT: dict[str, str] = {
    "astype": "its wrapper takes the dtype by place only, without gradient",
    "average": "it has no rule, or no such parameter",
    "broadcast_to": BROADCASTS,
    "cholesky": "no upper factor",
    "cross": BROADCASTS,
    "diag": "square matrices on the main diagonal only",
    "diagonal": "the main diagonal of the last axes only",
    "diff": "its rule breaks where nothing is left",
    "dstack": "its rule breaks on empty arrays",
    "einsum": "no repeated letters, no `optimize`",
    "getitem": "no index with None after an array",
    "irfft": "even lengths only",
    "mean": "NumPy warns of an empty mean there",
    "nan_to_num": "no replacements",
    "norm": "few orders, and NaN at zeros",
    "outer": "vectors only",
    "pad": "zeros around only",
    "pinv": "no rcond",
    "prod": "it divides by x, which may be 0",
    "repeat": "one count for all only",
    "rfft": "even lengths only",
    "rfft2": "even lengths only",
    "rfftn": "even lengths only",
    "roll": "one axis only",
    "rot90": "no axes",
    "solve": BROADCASTS,
    "sort": "vectors only",
    "svd": "no full matrices",
    "tile": "no single count, no count of 0",
    "trace": "the first two axes only",
    "transpose": "its rule takes negative axes for positive ones",
    "where": BROADCASTS,
}

# Where it gives other numbers: op -> (which cases, why).
DIFFERENT: dict[str, tuple[Callable[[Case], bool], str]] = {
    "cholesky": (lambda case: not is_symmetric(case), "it reads the lower triangle alone"),
    "eigh": (lambda case: case.args[0].shape[-1] > 1, "its gradient is of one triangle alone"),
    "repeat": (lambda case: case.params.get("axis") == -1, "it takes -1 for another axis"),
    "rfft": (
        lambda case: case.params.get("norm") == "forward" or case.params.get("n", 2) % 2 == 1,
        "wrong factors for norm='forward', and for odd lengths it does not notice",
    ),
    "rfft2": (lambda case: case.params.get("norm") == "forward", "wrong factor"),
    "rfftn": (lambda case: case.params.get("norm") == "forward", "wrong factor"),
    "tile": (
        lambda case: isinstance(case.params["reps"], int),
        "a single count is along the last axis, it sums over the first",
    ),
}


def is_symmetric(case: Case) -> bool:
    return bool(np.allclose(case.args[0], np.swapaxes(case.args[0], -1, -2)))


def theirs(name: str) -> Callable[..., Any] | None:
    """HIPS autograd's function of that name, in our signature; None if it has no gradient."""
    if name in SPELLED:
        return SPELLED[name]
    for home in HOMES:
        found = getattr(home, name, None)
        if callable(found) and (found in vjps or not hasattr(found, "fun")):
            return found  # type: ignore[no-any-return]
    return None


def is_complex(case: Case) -> bool:
    """Whether an input is complex: for those the convention is another one."""
    return any(np.iscomplexobj(a) for a in case.args)


def compared(name: str, case: Case) -> bool:
    """Whether HIPS autograd is asked about a case."""
    different = name in DIFFERENT and DIFFERENT[name][0](case)
    floats = any(is_float(a) for a in case.args)
    return bool(case.order) and floats and not is_complex(case) and not different


COMPARED = {
    name: chosen
    for name in sorted(CASES)
    if theirs(name) is not None and registry.ops[name].op.differentiable
    if (chosen := [(i, case) for i, case in enumerate(CASES[name]) if compared(name, case)])
}


def by_hips(name: str, case: Case, s: np.ndarray) -> list[list[Any]]:
    """The value, the gradients of <s, value>, and those of the sum of their squares."""
    function: Any = theirs(name)
    plain = function(*case.args, **case.params)
    count = len(plain) if isinstance(plain, tuple) else 0

    def flat(*given: Any) -> Any:
        """Their result as `call` gives ours: several or complex ones as one real vector."""
        result = function(*given, **case.params)
        if not count and not np.iscomplexobj(plain):
            return result
        rows: list[Any] = []
        for part in [result[i] for i in range(count)] if count else [result]:
            both = (anp.real(part), anp.imag(part)) if anp.iscomplexobj(part) else (part,)
            rows += [anp.reshape(p, (-1,)) for p in both]
        return anp.concatenate(rows)

    places = tuple(i for i, a in enumerate(case.args) if is_float(a))
    first = autograd.grad(lambda *given: anp.sum(s * flat(*given)), places)
    results = [[flat(*case.args)], list(first(*case.args))]
    if case.order >= 2:
        total = autograd.grad(lambda *given: sum(anp.sum(g * g) for g in first(*given)), places)
        results.append(list(total(*case.args)))
    return results


@pytest.mark.filterwarnings("ignore:Output seems independent of input")
@over(COMPARED)
def test_values_and_gradients_are_those_of_hips_autograd(name: str, case: Case) -> None:
    inputs = leaves(case.args)
    out = call(name, *inputs, **case.params)
    s = seed(out)
    try:
        value, first, *second = by_hips(name, case, s)
    except Exception:
        if name not in CANNOT:
            raise
        return
    np.testing.assert_allclose(out.data, value[0], **CLOSE)
    grads = dgrad.grad(out, tensors(inputs), s, create_graph=True)
    for x, y in zip(grads, first, strict=True):
        np.testing.assert_allclose(x.data, y, **CLOSE)
    if not second:
        return
    total = sum((g * g).sum() for g in grads)
    found: Any = [None] * len(grads)
    if total.requires_grad:
        found = dgrad.grad(total, tensors(inputs), allow_unused=True)
    for t, x, y in zip(tensors(inputs), found, second[0], strict=True):
        np.testing.assert_allclose(np.zeros(t.shape) if x is None else x.data, y, **CLOSE)


def test_known_differences_name_ops_that_exist() -> None:
    assert CANNOT.keys() | DIFFERENT.keys() | SPELLED.keys() <= CASES.keys()
