"""Values, first and second gradients against PyTorch in float64, over the same table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor
from dgrad.ops._index_arrays import may_repeat
from tests.cases import CASES, TORCH, Case, torch_function
from tests.ops.calls import along_directions, call, is_float
from tests.ops.test_ops import over

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of these tests")
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def torch_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.array(value, order="C"))
        return value.requires_grad_(value.is_floating_point() or value.is_complex())
    return value


def usable(name: str, case: Case) -> bool:
    """Whether PyTorch has the call, and means the same by it."""
    axis = case.params.get("axis")
    if isinstance(axis, tuple) and not axis:  # every axis
        return False
    if name in ("std", "var"):  # warns about empty ones
        return case.args[0].size > 0
    if name in ("getitem", "put"):  # no negative steps; an integer does not count as an index array
        index = case.params["index"]
        parts = index if isinstance(index, tuple) else (index,)
        backwards = any(isinstance(i, slice) and (i.step or 1) < 0 for i in parts)
        if backwards or (len(parts) == 3 and isinstance(parts[0], int)):
            return False
        return name == "getitem" or not may_repeat(index)  # its put has no rule for that
    if name == "clip":
        return bool(case.params)
    if name == "where":
        return case.args[0].dtype == bool and len(case.args) == len(arrays(case))
    scalars = len(case.args) - len(arrays(case))
    return not scalars or name in ("linear", "power")


def arrays(case: Case) -> list[np.ndarray]:
    return [a for a in case.args if isinstance(a, np.ndarray)]


def as_reals(result: Any) -> Any:
    """PyTorch's result as ours: of several results, or complex ones, one real vector."""
    if not isinstance(result, tuple) and not result.is_complex():
        return result
    several = list(result) if isinstance(result, tuple) else [result]
    flat = []
    for part in several:
        if part.is_complex():
            flat += [part.real.reshape(-1), part.imag.reshape(-1)]
        elif part.is_floating_point():
            flat.append(part.reshape(-1))
    return torch.cat(flat)


@over(
    {
        name: chosen
        for name in sorted(TORCH)
        if (
            chosen := [
                (i, case)
                for i, case in enumerate(CASES[name])
                if case.order and case.torch and usable(name, case)
            ]
        )
    }
)
def test_values_and_gradients_are_pytorchs(name: str, case: Case) -> None:
    theirs = [torch_value(a) for a in case.args]
    ours = [
        Tensor(a, requires_grad=is_float(a)) if isinstance(a, np.ndarray) else a for a in case.args
    ]
    expected = as_reals(torch_function(name, torch)(*theirs, **case.params))
    out = call(name, *ours, **case.params)
    np.testing.assert_allclose(out.data, expected.detach().numpy(), **CLOSE)

    their_inputs = [t for t in theirs if isinstance(t, torch.Tensor) and t.requires_grad]
    our_inputs = [t for t in ours if isinstance(t, Tensor) and t.requires_grad]
    if not expected.requires_grad:
        assert not out.requires_grad
        return
    seed = np.random.default_rng(3).normal(size=out.shape)
    their_grads = torch.autograd.grad(
        expected, their_inputs, torch.from_numpy(np.asarray(seed)), create_graph=True
    )
    our_grads = dgrad.grad(out, our_inputs, seed, create_graph=True)
    for x, y in zip(our_grads, their_grads, strict=True):
        np.testing.assert_allclose(x.data, y.detach().resolve_conj().numpy(), **CLOSE)

    their_total = along_directions(their_grads, their_grads)
    if not their_total.requires_grad:
        return
    our_total = along_directions(our_grads, our_grads)
    their_second = torch.autograd.grad(their_total, their_inputs, allow_unused=True)
    if not our_total.requires_grad:
        assert all(g is None or not g.any() for g in their_second)
        return
    our_second = dgrad.grad(our_total, our_inputs, allow_unused=True)
    for x, y in zip(our_second, their_second, strict=True):
        got = 0.0 if x is None else x.data
        want = np.zeros_like(got) if y is None else y.resolve_conj().numpy()
        np.testing.assert_allclose(got, want, **CLOSE)


@pytest.mark.parametrize("ties", [[1.0, 3.0, 3.0], [3.0, 3.0, 3.0]])
def test_ties_share_as_in_pytorch(ties: list[float]) -> None:
    x, y = Tensor(np.array(ties), requires_grad=True), torch_value(np.array(ties))
    (g,) = dgrad.grad(x.max(), x)
    (expected,) = torch.autograd.grad(y.amax(0), y)
    np.testing.assert_allclose(g.data, expected.numpy())
