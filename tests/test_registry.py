"""Registries: names taken once, ranges of numbers of every kind."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from fractions import Fraction as Ratio
from typing import Annotated, Any, Literal, Optional

import numpy as np
import pytest

from dgrad.config.document import register_shipped
from dgrad.errors import DgradError, ParameterError, UnknownNameError
from dgrad.registry import (
    Count,
    Fraction,
    Positive,
    Registry,
    initialisers,
    layers,
    losses,
    metrics,
    name_of,
    optimizers,
    schedules,
    transforms,
)


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


MODE = Literal["mean", "max"]


@pytest.mark.parametrize(
    ("hint", "good", "bad", "expected"),
    [
        (MODE, ["mean"], ["sum", None, 1, ["mean"], np.ones(2)], "'mean' or 'max'"),
        (Literal[1, 2], [2, np.int64(1)], [3, True, "1"], "1 or 2"),
        (Literal["a"], ["a"], ["b"], "'a'"),
        (MODE | None, ["max", None], ["sum"], "'mean', 'max' or None"),
        (Optional[MODE], [None], ["sum"], "'mean', 'max' or None"),  # noqa: UP045 - a hint too
        (Count | MODE, [3, np.int32(3), "mean"], ["sum", None, [3]], "'mean' or 'max' if text"),
        (Count | tuple[Count, ...] | MODE, [(1, 2), [3]], ["sum", (1, "mean")], "'max' if text"),
        (tuple[MODE, ...], [("mean", "max"), []], [("mean", "sum"), "mean"], "'mean' or 'max'"),
        (Annotated[MODE, "a remark"], ["max"], ["a remark"], "'mean' or 'max'"),
        (str | MODE | Any, ["sum", None], [], ""),
    ],
)
def test_C08_what_is_none_of_the_choices_is_refused(
    parts: Registry[Any], hint: Any, good: list[Any], bad: list[Any], expected: str
) -> None:
    class Pool:
        def __init__(self, mode: Any = "mean") -> None:
            self.mode = mode

    Pool.__init__.__annotations__["mode"] = hint
    parts.register("pool")(Pool)
    for value in good:
        assert Pool(value).mode is value
    for value in bad:
        with pytest.raises(ParameterError, match=rf"^pool: mode must be .*{expected}, got "):
            Pool(value)


def test_C08_a_number_of_a_choice_keeps_its_range(parts: Registry[Any]) -> None:
    @parts.register("pad")
    def pad(width: Count | Literal["same"]) -> Any:
        return width

    with pytest.raises(ParameterError, match="width must be >= 1, got 0"):
        pad(0)


def shipped_choices() -> Iterator[tuple[Registry[Any], str, str, Any]]:
    """(registry, name of a component, parameter, its Literal) of all that dgrad brings."""
    register_shipped()
    for kind in (initialisers, layers, losses, metrics, optimizers, schedules, transforms):
        for name in kind:
            make = kind[name].__init__ if isinstance(kind[name], type) else kind[name]
            for parameter, hint in typing.get_type_hints(make).items():
                if typing.get_origin(hint) is Literal:
                    yield kind, name, parameter, hint


@pytest.mark.parametrize(("kind", "name", "parameter", "hint"), [*shipped_choices()])
def test_C08_every_choice_of_every_component_is_held_to(
    kind: Registry[Any], name: str, parameter: str, hint: Any
) -> None:
    required = inspect.signature(kind[name]).parameters.values()
    given = {p.name: [1, 1] for p in required if p.default is p.empty}
    with pytest.raises(ParameterError) as caught:
        kind[name](**{**given, parameter: "no such choice"})
    assert caught.value.parameter == parameter
    assert all(repr(choice) in str(caught.value) for choice in typing.get_args(hint))


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
