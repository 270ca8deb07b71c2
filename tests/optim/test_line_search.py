"""The line search beside PyTorch's, and by the conditions that it is for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from dgrad.optim.line_search import Point, strong_wolfe

# value and derivative along the line, downhill at 0
FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "parabola": (lambda t: (t - 3) ** 2, lambda t: 2 * (t - 3)),
    "steep": (lambda t: (t - 0.01) ** 2 * 1e4, lambda t: 2e4 * (t - 0.01)),
    "quartic": (lambda t: (t - 2) ** 4 - t, lambda t: 4 * (t - 2) ** 3 - 1),
    "waves": (
        lambda t: math.sin(3 * t + 2) + 0.1 * t * t,
        lambda t: 3 * math.cos(3 * t + 2) + t / 5,
    ),
    "flat tail": (lambda t: -math.atan(t), lambda t: -1 / (1 + t * t)),
    "wall": (lambda t: -t + math.exp(5 * (t - 1)), lambda t: -1 + 5 * math.exp(5 * (t - 1))),
}
STARTS = (1e-3, 0.1, 1.0, 2.5, 4.0)


@pytest.mark.parametrize("most", [1, 2, 3, 7, 25])
@pytest.mark.parametrize("t", STARTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_step_and_the_number_of_evaluations_are_pytorchs(
    name: str, t: float, most: int
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    from torch.optim.lbfgs import _strong_wolfe

    value, slope = FUNCTIONS[name]

    def theirs(x: object, t: float, d: object) -> tuple[float, object]:
        t = float(t)
        return value(t), torch.tensor([slope(t)], dtype=torch.float64)

    first = slope(0.0)
    d, g = torch.ones(1, dtype=torch.float64), torch.tensor([first], dtype=torch.float64)
    f, _, expected, count = _strong_wolfe(
        theirs, None, t, d, value(0.0), g, torch.tensor(first, dtype=torch.float64), max_ls=most
    )
    found, evaluations = search(name, t, most)
    assert found.t == pytest.approx(float(expected), rel=1e-9)
    assert (found.loss, evaluations) == (pytest.approx(f, rel=1e-9), count)


def search(name: str, t: float, most: int) -> tuple[Point, int]:
    value, slope = FUNCTIONS[name]

    def evaluate(t: float) -> Point:
        return Point(t, value(t), np.array([slope(t)]), slope(t))

    return strong_wolfe(evaluate, evaluate(0.0), t, longest=1.0, tolerance=1e-9, most=most)


@pytest.mark.parametrize("t", STARTS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_strong_wolfe_conditions_hold(name: str, t: float) -> None:
    value, slope = FUNCTIONS[name]
    point, _ = search(name, t, 25)
    assert point.loss <= value(0.0) + 1e-4 * point.t * slope(0.0)
    assert abs(point.slope) <= 0.9 * abs(slope(0.0))


def test_on_a_straight_line_the_step_grows_and_stays_finite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(FUNCTIONS, "line", (lambda t: -t, lambda t: -1.0))
    point, count = search("line", 1.0, 5)
    assert 1.0 < point.t < math.inf
    assert count == 6
