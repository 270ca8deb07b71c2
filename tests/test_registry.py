"""Registries: names taken once, ranges of numbers of every kind."""

from __future__ import annotations

from fractions import Fraction as Ratio
from typing import Any

import numpy as np
import pytest

from dgrad.errors import DgradError, ParameterError, UnknownNameError
from dgrad.registry import Count, Fraction, Positive, Registry, name_of


@pytest.fixture
def parts() -> Registry[Any]:
    return Registry("optimizer")


def test_a_name_that_is_taken_says_by_what(parts: Registry[Any]) -> None:
    @parts.register("one")
    class One:
        """A component."""

    text = r"^an optimizer called 'one' is registered already \(.*test_registry\..*One\)"
    with pytest.raises(DgradError, match=text):
        parts.register("one")(int)
    layers: Registry[Any] = Registry("layer", checks=False)
    layers.register("one")(int)
    with pytest.raises(DgradError, match=r"^a layer called 'one' .* \(builtins.int\)"):
        layers.register("one")(One)
    assert parts["one"] is One


@pytest.mark.parametrize(
    "p", [1.5, 1, np.float32(3), np.float64(-0.1), np.int64(2), Ratio(3, 2), float("nan"), True]
)
def test_C08_a_number_of_any_type_out_of_its_range_is_refused(parts: Registry[Any], p: Any) -> None:
    @parts.register("drop")
    class Drop:
        def __init__(self, p: Fraction, sizes: list[Count] | None = None) -> None:
            self.p = p

    @parts.register("read")
    def read(p: Fraction) -> Any:
        return p

    for call in (Drop, read):
        with pytest.raises(ParameterError, match=r"p must be >= 0 and < 1, got"):
            call(p)
    with pytest.raises(ParameterError, match="sizes must be >= 1"):
        Drop(0.5, [np.int32(1), np.int32(0)])  # type: ignore[list-item]
    assert Drop(np.float32(0.5)).p == read(0.5)  # type: ignore[arg-type]


def test_messages_call_a_class_by_its_registered_name(parts: Registry[Any]) -> None:
    @parts.register("two")
    @parts.register("one")
    class One:
        """A component."""

    class Other(One):
        """A component of its own."""

    assert (name_of(One), name_of(Other), name_of(parts["two"])) == ("one", "Other", "one")
    parts.register("other")(Other)
    assert name_of(Other) == "other"


def test_a_registry_that_checks_nothing_holds_what_it_was_given() -> None:
    plain: Registry[Any] = Registry("op", checks=False)

    def shrink(x: Any, by: Positive) -> Any:
        return x

    assert plain.register("shrink")(shrink) is shrink
    assert plain["shrink"] is shrink
    assert plain["shrink"](1, by=-1) == 1


def test_a_cell_that_is_run_again_may_define_its_component_again() -> None:
    """Only in __main__, and only the same name of the same place: a module's is a mistake."""
    registry = Registry[Any]("thing", checks=False)

    def made(module: str, name: str = "cell") -> Any:
        def component() -> None: ...

        component.__module__, component.__qualname__ = module, name
        return component

    registry.register("a")(made("__main__"))
    again = registry.register("a")(made("__main__"))
    assert registry["a"] is again
    registry.register("b")(made("library"))
    for name, other in (
        ("a", made("__main__", "other")),
        ("a", made("library")),
        ("b", made("library")),
    ):
        with pytest.raises(DgradError, match="registered already"):
            registry.register(name)(other)


def test_a_long_list_of_names_is_not_part_of_the_error() -> None:
    registry = Registry[Any]("thing", checks=False)
    for number in range(100):
        registry.register(f"name{number}")(lambda: None)
    with pytest.raises(UnknownNameError) as caught:
        registry["nam7"]
    assert "did you mean" in str(caught.value)
    assert "known:" not in str(caught.value)
