"""Twenty steps from the YAML spelling: PyTorch's, or those of a paper's equations in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dgrad import nn, registry
from dgrad.config import tree
from dgrad.config.document import from_text
from dgrad.config.parameter_groups import build_optimizer
from dgrad.optim import Optimizer
from tests.optim.cases import CASES, OPTIMIZERS, Settings, gradients, run, values

STEPS = 20
SKIP = {(0, 1), (4, 0), (5, 0), (5, 1)}  # steps at which a parameter has no gradient
COMPARED = [
    (name, settings)
    for name, settings in CASES
    if OPTIMIZERS[name].torch and not {*OPTIMIZERS[name].own} & {*settings}
]


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """PyTorch in float64 throughout: the scalars of NAdam, and the products of Muon."""
    module = pytest.importorskip("torch", reason="PyTorch is the oracle")
    monkeypatch.setattr(module.Tensor, "bfloat16", lambda tensor: tensor.clone())
    before = module.get_default_dtype()
    module.set_default_dtype(module.float64)
    yield module
    module.set_default_dtype(before)


class Holder(nn.Module):
    """Parameters p0, p1, ..."""

    def __init__(self, params: list[nn.Parameter]) -> None:
        for i, p in enumerate(params):
            setattr(self, f"p{i}", p)


def built(name: str, settings: Settings, params: list[nn.Parameter]) -> Optimizer:
    """The optimizer that a config's text makes, in two groups where `grouped` makes two."""
    slow = [f"p{i}" for i in range(2, len(params))]
    if has_groups(name, params):
        settings = {**settings, "groups": [{"match": slow, "lr": 0.01}]}
    rest = {"data": {"csv": {"path": "x", "target": "y"}}, "model": {"layers": ["relu"]}}
    text = tree.dump({**rest, "loss": "mse", "optimizer": {name: settings}})
    made: Optimizer = build_optimizer(from_text(text, "run.yaml"), Holder(params))
    return made


def has_groups(name: str, params: list[Any]) -> bool:
    return not OPTIMIZERS[name].needs_closure and len(params) > 2


def grouped(name: str, params: list[Any]) -> Any:
    """Two groups of different rates, where there can be two."""
    if not has_groups(name, params):
        return params
    return [{"params": params[:2]}, {"params": params[2:], "lr": 0.01}]


@pytest.fixture(params=["together", "apart", "in slices"])
def joined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All parameters in one block, each in its own, or each cut into slices."""
    size = {"together": 2**19, "apart": 1, "in slices": 5}[request.param]
    monkeypatch.setattr("dgrad.optim.block.BLOCK", size)


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize(("name", "settings"), COMPARED)
def test_trajectory_is_pytorchs(name: str, settings: Settings, torch: Any) -> None:
    case = OPTIMIZERS[name]
    settings = {"lr": 0.05, **settings}
    start = values(shapes=case.compared)
    ours = [nn.Parameter(v) for v in start]
    optimizer = built(name, settings, ours)
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in start]
    make = getattr(torch.optim, case.torch or "")
    oracle = make(grouped(name, theirs), **settings)
    for step in range(STEPS):
        run(optimizer, ours, [step], SKIP)
        at = 0 if case.needs_closure else step
        given = [torch.tensor(g) for g in gradients(at, shapes=case.compared)]

        def closure(step: int = step, given: Any = given) -> Any:
            with torch.no_grad():
                pairs = list(zip(theirs, given, strict=True))
                loss = sum(torch.logaddexp(q - g, g - q).sum() for q, g in pairs)
                for i, (q, g) in enumerate(zip(theirs, given, strict=True)):
                    q.grad = None if (step, i) in SKIP else torch.tanh(q - g)
            return loss

        for i, (q, g) in enumerate(zip(theirs, given, strict=True)):
            q.grad = None if (step, i) in SKIP else g
        oracle.step(closure if case.needs_closure else None)
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [name for name, case in OPTIMIZERS.items() if case.torch])
def test_defaults_are_pytorchs(name: str, torch: Any) -> None:
    case = OPTIMIZERS[name]
    cls = getattr(torch.optim, case.torch or "")
    theirs = cls([torch.nn.Parameter(torch.ones(1, 1))]).defaults
    ours = registry.optimizers[name]([nn.Parameter([[1.0]])]).defaults
    assert {k: v for k, v in ours.items() if k not in case.own} == {
        key: theirs[key] for key in ours if key not in case.own
    }


EXCHANGED = {"sgd": {"momentum": 0.9}, "adam": {"amsgrad": True}, "rmsprop": {"centered": True}}


@pytest.mark.parametrize("name", [n for n, c in OPTIMIZERS.items() if c.torch and n != "lbfgs"])
def test_state_dict_exchanges_with_pytorch(name: str, torch: Any) -> None:
    shapes = OPTIMIZERS[name].compared
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values(shapes=shapes)]
    make = getattr(torch.optim, OPTIMIZERS[name].torch or "")
    oracle = make(theirs, lr=0.05, **EXCHANGED.get(name, {}))
    for step in range(10):
        if step == 5:
            ours = [nn.Parameter(q.detach().numpy().copy()) for q in theirs]
            optimizer = registry.optimizers[name](ours)
            state = oracle.state_dict()
            optimizer.load_state_dict(state)
            assert optimizer.param_groups[0]["lr"] == 0.05
            own = optimizer.state_dict()
            assert own["param_groups"][0]["params"] == state["param_groups"][0]["params"]
            assert set(state["state"][0]) <= set(own["state"][0])
        for q, g in zip(theirs, gradients(step, shapes=shapes), strict=True):
            q.grad = torch.tensor(g)
        oracle.step()
    run(optimizer, ours, range(5, 10))
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9)


# ------------------------------------------------------------------ what PyTorch does not have


def lion(p: np.ndarray, grads: list[np.ndarray], lr: float, *, betas: Any, decay: float) -> Any:
    """Chen et al. 2023, algorithm 2."""
    m = np.zeros_like(p)
    for g in grads:
        update = np.sign(betas[0] * m + (1 - betas[0]) * g)
        m = betas[1] * m + (1 - betas[1]) * g
        p = p - lr * (update + decay * p)
    return p


def lamb(
    p: np.ndarray, grads: list[np.ndarray], lr: float, *, betas: Any, decay: float, eps: float
) -> Any:
    """You et al. 2020, algorithm 2, phi the identity."""
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(grads, 1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g**2
        m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
        r = m_hat / (np.sqrt(v_hat) + eps)
        step = r + decay * p
        lengths = np.linalg.norm(p.ravel()), np.linalg.norm(step.ravel())
        ratio = lengths[0] / lengths[1] if min(lengths) > 0 else 1.0
        p = p - lr * ratio * step
    return p


def schedule_free(
    p: np.ndarray,
    grads: list[np.ndarray],
    lr: float,
    *,
    betas: Any,
    decay: float,
    eps: float,
    warmup: int,
) -> Any:
    """Defazio et al. 2024, algorithm 1; the gradients do not depend on y, so x and z are enough."""
    z, x, v, total = p, p, np.zeros_like(p), 0.0
    for t, g in enumerate(grads, 1):
        y = (1 - betas[0]) * z + betas[0] * x
        v = betas[1] * v + (1 - betas[1]) * g**2
        rate = lr * math.sqrt(1 - betas[1] ** t) * (min(1, t / warmup) if warmup else 1)
        z = z - rate * g / (np.sqrt(v) + eps) - rate * decay * y
        total += rate**2
        x = (1 - rate**2 / total) * x + rate**2 / total * z
    return x


REFERENCES = {"lion": lion, "lamb": lamb, "adamw_schedule_free": schedule_free}
RENAMED = {"weight_decay": "decay", "warmup_steps": "warmup"}


def test_every_optimizer_has_an_oracle() -> None:
    assert sorted(REFERENCES) == sorted(k for k, case in OPTIMIZERS.items() if not case.torch)


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize(
    ("name", "settings"), [(n, s) for n, s in CASES if not OPTIMIZERS[n].torch]
)
def test_trajectory_is_that_of_the_paper(name: str, settings: Settings) -> None:
    params = [nn.Parameter(v) for v in values()]
    optimizer = built(name, {"lr": 0.05, **settings}, params)
    options = {RENAMED.get(k, k): v for k, v in optimizer.defaults.items()}
    sign = -1 if options.pop("maximize") else 1
    del options["lr"]
    run(optimizer, params, range(STEPS), SKIP)
    with optimizer.averaged():
        for i, (p, start) in enumerate(zip(params, values(), strict=True)):
            grads = [sign * gradients(t)[i] for t in range(STEPS) if (t, i) not in SKIP]
            expected = REFERENCES[name](start, grads, 0.05 if i < 2 else 0.01, **options)
            np.testing.assert_allclose(p.data, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.usefixtures("joined")
@pytest.mark.parametrize("use_adamw", [False, True])
def test_muon_moves_what_is_not_a_matrix_and_what_is_told_to_by_adamw(
    use_adamw: bool, torch: Any
) -> None:
    """Beside both of PyTorch's optimizers, each with the parameters that are its own."""
    settings, betas, eps = {"lr": 0.05, "weight_decay": 0.3}, [0.8, 0.95], 1e-3
    own = {"adamw_betas": betas, "adamw_eps": eps, "use_adamw": use_adamw}
    ours = [nn.Parameter(v) for v in values()]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values()]
    parts: dict[bool, list[Any]] = {True: [], False: []}
    for i, q in enumerate(theirs):
        is_matrix = q.ndim == 2 and q.numel() > 0 and not use_adamw
        parts[is_matrix].append({"params": [q], "lr": 0.05 if i < 2 else 0.01})
    oracles = [torch.optim.AdamW(parts[False], **settings, betas=betas, eps=eps)]
    oracles += [torch.optim.Muon(parts[True], **settings)] if parts[True] else []
    assert all(parts.values()) != use_adamw
    optimizer = built("muon", {**settings, **own}, ours)
    for step in range(STEPS):
        run(optimizer, ours, [step], SKIP)
        for i, (q, g) in enumerate(zip(theirs, gradients(step), strict=True)):
            q.grad = None if (step, i) in SKIP else torch.tensor(g)
        for oracle in oracles:
            oracle.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-9, atol=1e-11)
