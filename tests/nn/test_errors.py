"""An error raised within a model names the layer: its path from the model, and what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Tensor, nn
from dgrad.errors import AnomalyError, DgradError, DtypeError, ShapeError


def layer_notes(error: BaseException) -> list[str]:
    return [note for note in getattr(error, "__notes__", []) if note.startswith("in layer")]


def refused(model: nn.Module, x: Any, kind: type[Exception] = ShapeError) -> tuple[str, list[str]]:
    """The message, and the notes on the layer, of the error that model(x) raises."""
    with pytest.raises(kind) as caught:
        model(x)
    return str(caught.value), layer_notes(caught.value)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def test_a_shape_error_names_the_layer_and_all_the_shapes() -> None:
    net = nn.Sequential({"body": nn.Linear(784, 128), "head": nn.Linear(100, 10)})
    message, notes = refused(net, ones(2, 784))
    assert "linear" in message
    assert "(2, 128)" in message
    assert "(10, 100)" in message
    assert notes == ["in layer head: Linear(in_features=100, out_features=10, bias=True)"]


def test_the_path_leads_through_every_module() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Sequential(nn.Tanh(), nn.Linear(3, 3))

        def forward(self, x: Any) -> Any:
            return self.inner(x)

    net = nn.Sequential({"one": nn.Identity(), "two": Block()})
    assert refused(net, ones(1, 4))[1] == [
        "in layer two.inner.1: Linear(in_features=3, out_features=3, bias=True)"
    ]


def test_an_error_in_a_forward_of_ones_own_names_that_module() -> None:
    class Mix(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + Tensor(ones(3))

    message, notes = refused(nn.Sequential(nn.Tanh(), Mix()), Tensor(ones(2, 4)))
    assert message.startswith("add(float32[2, 4], float32[3]): ")
    assert notes == ["in layer 1: Mix()"]


def test_a_layer_alone_is_named_by_what_it_is() -> None:
    assert refused(nn.Linear(3, 2), ones(1, 4))[1] == [
        "in layer Linear(in_features=3, out_features=2, bias=True)"
    ]


def test_a_module_with_hooks_says_the_same() -> None:
    net = nn.Sequential({"head": nn.Linear(3, 2)})
    plain = refused(net, ones(1, 4))
    net.register_forward_hook(lambda module, args, output: None)
    net[0].register_forward_pre_hook(lambda module, args: None)
    assert refused(net, ones(1, 4)) == plain


def test_the_class_of_the_error_stays() -> None:
    class Broken(nn.Module):
        def __init__(self, error: Exception) -> None:
            self.error = error

        def forward(self, x: Any) -> Any:
            raise self.error

    for error in (DtypeError("no"), DgradError("no"), ZeroDivisionError("no")):
        net = nn.Sequential(nn.Sequential(Broken(error)))
        message, notes = refused(net, ones(1), type(error))
        assert (message, notes) == ("no", ["in layer 0.0: Broken()"])


def test_a_shared_layer_has_its_first_name() -> None:
    shared = nn.Linear(3, 3)
    net = nn.Sequential({"a": shared, "b": nn.Linear(3, 4), "c": shared})
    assert refused(net, ones(1, 3))[1] == [
        "in layer a: Linear(in_features=3, out_features=3, bias=True)"
    ]


def test_an_anomaly_in_forward_names_the_layer_too() -> None:
    class Log(nn.Module):
        def forward(self, x: Any) -> Any:
            return np.log(x)

    net = nn.Sequential({"fc": nn.Linear(2, 2), "log": Log()})
    net[0].weight.data[...] = 0.0
    net[0].bias.data[...] = [1.0, 0.0]
    with np.errstate(all="ignore"), dgrad.core.modes.detect_anomaly():
        message, notes = refused(net, ones(1, 2), AnomalyError)
    assert message.startswith("log, called at ")
    assert "is -inf at index (0, 1)" in message
    assert notes == ["in layer log: Log()"]


def test_what_works_has_no_note_and_an_error_caught_within_goes_no_further() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            self.first, self.second = nn.Linear(3, 2), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            try:
                return self.first(x)
            except ShapeError as error:
                self.seen = layer_notes(error)
                return self.second(x)

    net = nn.Sequential(Careful())
    assert net(ones(1, 4)).shape == (1, 2)
    assert net[0].seen == ["in layer Linear(in_features=3, out_features=2, bias=True)"]
