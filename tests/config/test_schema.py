"""Conversion by annotations, arguments by signature, components by name, references."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from dgrad import registry
from dgrad.config import schema, yaml
from dgrad.config.marks import Problems, quote, suggest
from dgrad.config.signature import Choice, Example, describe, parameters
from dgrad.config.tree import Mapping, Node
from dgrad.config.values import Component, Reference, to_plain
from dgrad.errors import ConfigError, Problem
from dgrad.registry import Count, Fraction, NonNegative, Positive, Range, layers


def node(text: str, base: Path | None = None) -> Node:
    return yaml.parse(f"x: {text}", "run.yaml", base).entries["x"].value


def convert(text: str, hint: Any) -> Any:
    problems = Problems()
    value = schema.convert(node(text), hint, problems, "here")
    problems.raise_if_any()
    return value


def refused(text: str, hint: Any) -> Problem:
    with pytest.raises(ConfigError) as caught:
        convert(text, hint)
    (only,) = caught.value.problems
    return only


class Share:
    fault = "C22"

    def __init__(self, value: float) -> None:
        self.value = value

    @classmethod
    def from_config(cls, value: object) -> Share:
        if not isinstance(value, str) or not value.endswith("%"):
            raise ValueError(f"expected a share such as 5%, got {value!r}")
        return cls(float(value[:-1]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Share) and other.value == self.value

    def __str__(self) -> str:
        return f"{self.value:g}%"

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Window:
    low: float
    high: float = 1.0
    tags: dict[str, int] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")


Anything = Annotated[float, Range(low=0)]

ACCEPTED = [
    ("3", int, 3), ("0x1F", int, 31), ("3", float, 3.0), ("1e-3", float, 1e-3), ("-0", float, 0.0),
    ("true", bool, True), ("abc", str, "abc"), ("'3'", str, "3"), ("no", str, "no"),
    ("1", Literal[1, "a"], 1), ("a", Literal[1, "a"], "a"), ("null", type(None), None),
    ("[1, 2]", list[int], [1, 2]), ("[1, 2]", tuple[int, ...], (1, 2)), ("[]", list[int], []),
    ("[1, b]", tuple[int, str], (1, "b")), ("[1, [a]]", list, [1, ["a"]]), ("[a]", tuple, ("a",)),
    ("{a: 1}", dict[str, float], {"a": 1.0}), ("{a: [1]}", dict, {"a": [1]}),
    ("null", int | None, None), ("3", int | None, 3), ("3", Positive | None, 3.0),
    ("3", float | int, 3), ("3.0", int | float, 3.0), ("true", int | bool, True),
    ("[1, 2]", int | tuple[int, int], (1, 2)), ("5", int | tuple[int, int], 5),
    ("1", Count, 1), ("0", Fraction, 0.0), (".inf", Anything, math.inf),
    ("[.5]", list[Fraction], [0.5]), ("[1, 2]", Annotated[list[float], Range(low=1)], [1.0, 2.0]),
    ("{a: 1}", Any, {"a": 1}),
    ("5%", Share, Share(5)), ("{low: 0}", Window, Window(0.0)), ("5%", Share | None, Share(5)),
    ("{low: 0, tags: {a: 1}}", Window | None, Window(0.0, tags={"a": 1})),
]  # fmt: skip


@pytest.mark.parametrize(("text", "hint", "expected"), ACCEPTED)
def test_accepted_values(text: str, hint: Any, expected: object) -> None:
    found = convert(text, hint)
    assert found == expected
    assert type(found) is type(expected)


REFUSED = [
    # id, text, hint, words of the message, words of the hint
    ("C03", "abc", int, 'expected a whole number, got "abc"', ""),
    ("C03", "'1e-3'", float, 'expected a number, got "1e-3"', "remove the quotes"),
    ("C03", "1e-3x", Positive, 'expected a number > 0, got "1e-3x"', ""),
    ("C03", "null", int, "expected a whole number, got null", ""),
    ("C03", "", float, "expected a number, got nothing", ""),
    ("C03", "[1]", int, "expected a whole number, got a list", ""),
    ("C03", "{a: 1}", str, "expected text, got a mapping", ""),
    ("C03", "5", str, "expected text, got 5", 'put it in quotes: "5"'),
    ("C03", "true", str, "expected text, got true", "quotes"),
    ("C03", "1", list[int], "expected a list (each item a whole number), got 1", ""),
    ("C03", "{a: 1}", list[int], "got a mapping", ""),
    ("C03", "[1]", dict[str, int], "expected a mapping, got a list", ""),
    ("C03", "[1]", tuple[int, int], "expected a list of 2, got 1", ""),
    ("C03", "3", Path, "expected a path, got 3", ""),
    ("C03", "3", Window, "expected a mapping, got 3", "it takes: low, high, tags"),
    ("C03", "null", Window, "expected a mapping, got null", ""),
    ("C03", "{high: 2}", Window, '"low" is missing', "low: a number"),
    ("C03", "abc", int | bool, 'expected a whole number or true or false, got "abc"', ""),
    ("C03", "3", object.__class__, "a config cannot set this", "leave it out"),
    ("C05", "no", bool, 'expected true or false, got "no"', "write false"),
    ("C05", "TRUE", bool, 'got "TRUE"', "write true"),
    ("C05", "maybe", bool, 'got "maybe"', ""),
    ("C06", "010", int, 'expected a whole number, got "010"', "write 10"),
    ("C06", "1_000", int, 'got "1_000"', "write 1000"),
    ("C06", "1:30", float, 'got "1:30"', ""),
    ("C06", "2024-01-01", int, 'got "2024-01-01"', ""),
    ("C03", "0x", int, 'got "0x"', ""),
    ("C07", ".nan", float, "expected a finite number, got .nan", ""),
    ("C07", ".inf", float, "expected a finite number, got .inf", ""),
    ("C07", "-.inf", float | None, "got -.inf", ""),
    ("C07", "1.0e+400", Positive, "expected a finite number > 0, got 1.0e+400", "too large"),
    ("C07", ".nan", Anything, "got .nan", ""),
    ("C08", "-1", Positive, "expected a number > 0, got -1", ""),
    ("C08", "0", Positive | None, "expected a number > 0, got 0", ""),
    ("C08", "0", Count, "expected a whole number >= 1, got 0", ""),
    ("C08", "1", Fraction, "expected a number >= 0 and < 1, got 1", ""),
    ("C08", "[1, -2]", list[NonNegative], "here[1]: expected a number >= 0, got -2", ""),
    ("C08", "[1, 0]", Annotated[list[float], Range(low=1)], "here[1]: expected a number >= 1", ""),
    ("C08", "flaot32", Literal["float32", "float64"], "one of float32, float64", '"float32"?'),
    ("C08", "'1'", Literal[1], "expected 1", ""),
    ("C09", "true", int, "expected a whole number, got true", ""),
    ("C09", "true", float, "expected a number, got true", ""),
    ("C09", "32.5", int, "expected a whole number, got 32.5", ""),
    ("C09", "1e3", Count, "expected a whole number >= 1, got 1e3", "write 1000"),
    ("C09", "1", bool, "expected true or false, got 1", ""),
    ("C09", ".inf", int, "got .inf", ""),
    ("C20", '"a\\0b"', Path, "expected a path", ""),
    ("C22", "{low: 3}", Window, "low 3 is above high 1", ""),
    ("C22", "5", Share, "expected a share such as 5%, got 5", ""),
    ("C01", "{lwo: 1, low: 0}", Window, 'unknown key "lwo" in here', 'did you mean "low"?'),
    ("C02", "{zzz: 1, low: 0}", Window, 'unknown key "zzz" in here', "here takes: low, high, tags"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "text", "hint", "message", "help_"),
    REFUSED,
    ids=[f"{row[0]}-{row[1]}-{i}" for i, row in enumerate(REFUSED)],
)
def test_C03_C05_C06_C07_C08_C09_refused_values(
    fault: str, text: str, hint: Any, message: str, help_: str
) -> None:
    found = refused(text, hint)
    assert found.fault == fault
    assert message in found.message
    assert "here" in found.message
    assert help_ in found.hint
    assert found.line == 1


def test_every_item_of_a_list_and_mapping_is_reported() -> None:
    problems = Problems()
    schema.convert(node("{a: [1, x, 2.5], b: [y]}"), dict[str, list[int]], problems, "m")
    assert [(p.column, p.message.split(":")[0]) for p in problems.sorted()] == [
        (12, "m.a[1]"),
        (15, "m.a[2]"),
        (25, "m.b[0]"),
    ]


def test_C20_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    problems = Problems()
    found = schema.convert(node("../data/x.csv", tmp_path / "configs"), Path, problems, "")
    assert found == tmp_path.resolve() / "data/x.csv"
    assert schema.convert(node("/a/x.csv", tmp_path), Path, problems, "") == Path("/a/x.csv")
    assert not len(problems)


def test_C08_bounds_of_every_range() -> None:
    for hint, inside, outside in [
        (Count, ["1", "2"], ["0", "-1"]),
        (Positive, ["5e-324", "1e308"], ["0", "-5e-324"]),
        (NonNegative, ["0", "0.0"], ["-5e-324"]),
        (Fraction, ["0", "0.9999999999999999"], ["1", "1.0000001", "-1e-9"]),
    ]:
        for text in inside:
            convert(text, hint)
        for text in outside:
            assert refused(text, hint).fault == "C08"


# --------------------------------------------------------------------- arguments and components


def bind(target: Any, text: str, supplied: tuple[str, ...] = ()) -> dict[str, Any]:
    problems = Problems()
    found = schema.bind(target, node(text), problems, "opt.sgd", supplied=supplied)
    problems.raise_if_any()
    return found


def sgd(
    params: object, lr: Positive, momentum: Fraction = 0, *, nesterov: bool = False
) -> None: ...


SGD = {"lr": 0.1, "momentum": 0.0, "nesterov": False}


@pytest.mark.parametrize("text", ["0.1", "{lr: 0.1}", "{nesterov: false, lr: 0.1}"])
def test_defaults_are_filled_in_signature_order(text: str) -> None:
    found = bind(sgd, text, ("params",))
    assert list(found.items()) == list(SGD.items())
    assert type(found["momentum"]) is float


def test_nothing_binds_to_all_defaults() -> None:
    def relu(slope: float = 0.0, mode: str | None = None) -> None: ...

    assert schema.bind(relu, None, Problems(), "relu") == {"slope": 0.0, "mode": None}
    assert bind(relu, "null") == {"slope": 0.0, "mode": None}
    missing = Problems()
    schema.bind(sgd, None, missing, "sgd", supplied=("params",))
    assert [p.message for p in missing.sorted()] == ['sgd: "lr" is missing']


@pytest.mark.parametrize(
    ("text", "fault", "message", "hint"),
    [
        ("{lr: 1, momentun: 0.9}", "C01", 'unknown key "momentun" in opt.sgd',
         'did you mean "momentum"?   sgd takes: lr, momentum, nesterov'),
        ("{lr: 1, betas: [1]}", "C02", 'unknown key "betas" in opt.sgd',
         "sgd takes: lr, momentum, nesterov"),
        ("{lr: 1, params: 3}", "C02", '"params" in opt.sgd is filled in by dgrad', "leave it out"),
        ("{momentum: 0.9}", "C03", 'opt.sgd: "lr" is missing', "lr: a number > 0"),
        ("null", "C03", '"lr" is missing', ""),
        ("[1]", "C03", "opt.sgd.lr: expected a number > 0, got a list", ""),
        ("{lr: {a: 1}}", "C03", "opt.sgd.lr: expected a number > 0, got a mapping", ""),
        ("-1", "C08", "opt.sgd.lr: expected a number > 0, got -1", ""),
        ('{lr: 1, "l\\u0433": 2}', "C01", r'unknown key "l\u0433" in opt.sgd', '"lr"?'),
        ('{lr: 1, "\\e[31mlrx": 2}', "C02", r'unknown key "\x1b[31mlrx" in opt.sgd', ""),
    ],
)  # fmt: skip
def test_C01_C02_C03_C30_refused_arguments(text: str, fault: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bind(sgd, text, ("params",))
    (found,) = caught.value.problems
    assert found.fault == fault
    assert message in found.message
    assert hint in found.hint
    assert found.message.isascii()


def test_C02_a_component_without_parameters() -> None:
    with pytest.raises(ConfigError) as caught:
        bind(lambda: None, "3")
    assert caught.value.problems[0].fault == "C02"
    assert bind(lambda *args, **kwargs: None, "{}") == {}


def test_required_keys_show_their_example() -> None:
    def target(loss: Annotated[str, Example("loss: mse")]) -> None: ...

    with pytest.raises(ConfigError) as caught:
        bind(target, "{}")
    assert caught.value.problems[0].hint == "for example   loss: mse"


def test_dataclass_parameters_use_fresh_defaults() -> None:
    first, second = (parameters(Window)["tags"].default for _ in range(2))
    assert first is not None
    assert second is not None
    assert first() == second() == {}
    assert first() is not second()


def component(text: str, kind: Any = layers, **options: Any) -> Component:
    problems = Problems()
    found = schema.component(kind, node(text), problems, "model.layers[0]", **options)
    problems.raise_if_any()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("relu", {"relu": {}}),
        ("{relu: }", {"relu": {}}),
        ("{linear: 128}", {"linear": {"units": 128, "bias": True}}),
        ("{linear: {units: 128, bias: false}}", {"linear": {"units": 128, "bias": False}}),
        ("dropout", {"dropout": {"p": 0.5}}),
        ("{linear: $data.classes}", {"linear": {"units": "$data.classes", "bias": True}}),
        (
            "{block: {width: 3, norm: {eps: 1e-6}}}",
            {"block": {"width": 3, "norm": {"kind": "layer", "eps": 1e-6, "axes": [-1]}}},
        ),
    ],
)
def test_C29_components_read_and_show_themselves(text: str, plain: dict[str, Any]) -> None:
    found = component(text)
    assert found.plain() == plain
    assert component(json.dumps(plain)) == found
    assert found.name in found.where
    assert found.target is layers[found.name]


@pytest.mark.parametrize(
    ("text", "fault", "message", "hint"),
    [
        ("rulu", "C01", 'no layer is called "rulu"', 'did you mean "relu"?   there are: block, '),
        ("{zzzz: 1}", "C01", 'no layer is called "zzzz"',
         "there are: block, dropout, linear, relu, residual"),
        ("os.system", "C01", 'no layer is called "os.system"', ""),
        ('"r\\u0435lu"', "C01", r'no layer is called "r\u0435lu"', '"relu"'),
        ("{linear: 3, bias: true}", "C03", 'one layer, got the keys "linear", "bias"', "inside"),
        ("{}", "C03", "expected the name of a layer, got a mapping", ""),
        ("3", "C03", "expected the name of a layer, got 3", ""),
        ("[relu]", "C03", "expected the name of a layer, got a list", ""),
        ("null", "C03", "expected the name of a layer, got null", ""),
        ("linear", "C03", 'model.layers[0].linear: "units" is missing',
         "units: a whole number >= 1"),
        ("{linear: {in_features: 3, units: 4}}", "C02", '"in_features" in', "leave it out"),
        ("{linear: {units: 4, p: 1}}", "C02", 'unknown key "p" in', "linear takes: units, bias"),
    ],
)  # fmt: skip
def test_C01_C02_C03_refused_components(text: str, fault: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        component(text)
    (found,) = caught.value.problems
    assert found.fault == fault
    assert message in found.message
    assert hint in found.hint


def test_supplied_parameters_may_be_named_or_computed() -> None:
    expected = {"k": 5}
    for supplied in ([], lambda target: ()):
        assert component("top_k", registry.metrics, supplied=supplied).arguments == expected
    assert "lr" in component("adam", registry.optimizers, supplied=("params",)).arguments
    names = [component("cosine", registry.schedules).arguments, ["warmup"]]
    assert list(names[0]) == names[1]


def test_a_component_places_the_problems_of_its_construction() -> None:
    found = component("{linear: {units: 128, bias: true}}")
    assert found.problem("too wide", "units", fault="C24", hint="less") == Problem(
        "C24", "model.layers[0].linear: too wide", "run.yaml", 1, 21,
        "x: {linear: {units: 128, bias: true}}", 3, "less",
    )  # fmt: skip
    assert found.problem("bad").column == 5
    assert found.problem("bad", "in_features").column == 5


def test_layers_may_take_layers() -> None:
    found = component("{residual: [relu, {residual: [{linear: $data.classes}]}]}")
    inner = found.arguments["layers"][1].arguments["layers"][0]
    assert inner.where == "model.layers[0].residual.layers[1].residual.layers[0].linear"
    assert component(json.dumps(found.plain())) == found
    solved = schema.resolve_references(found, {"data": {"classes": 10}}, Problems())
    assert solved.plain()["residual"]["layers"][1]["residual"]["layers"][0]["linear"]["units"] == 10
    with pytest.raises(ConfigError, match=r"residual.layers\[0\]: no layer is called"):
        component("{residual: [nope]}")


# ----------------------------------------------------------------------------------- references


def test_references_wait_for_their_scope() -> None:
    found = convert("[1, $data.classes]", list[Count])
    assert isinstance(found[1], Reference)
    assert to_plain(found) == [1, "$data.classes"]
    assert schema.resolve_references(found, {"data": {"classes": 3}}, Problems()) == [1, 3]
    for text in ("$HOME", "${env}", "$(id)", "$", "$5.3", "a$b.c"):
        assert convert(text, str) == text


@pytest.mark.parametrize(
    ("scope", "fault", "message", "hint"),
    [
        ({"data": {"clases": 3, "size": 1}}, "C01", "$data.classes is not known here",
         'did you mean "clases"?   there is: $data.clases, $data.size'),
        ({}, "C01", "$data.classes is not known here", "there is: nothing"),
        ({"data": 3}, "C01", "$data.classes is not known here", ""),
        ({"data": {"classes": 2.5}}, "C09", "here: expected a whole number >= 1, got 2.5", ""),
        ({"data": {"classes": 0}}, "C08", "here: expected a whole number >= 1, got 0", ""),
        ({"data": {"classes": ["a"]}}, "C03", "got a list", ""),
    ],
)  # fmt: skip
def test_references_are_checked_when_they_are_resolved(
    scope: dict[str, Any], fault: str, message: str, hint: str
) -> None:
    reference = convert("$data.classes", Count | None)
    problems = Problems()
    schema.resolve_references({"a": (reference,)}, scope, problems)
    (found,) = problems.sorted()
    assert (found.fault, found.column, found.width) == (fault, 4, 13)
    assert message in found.message
    assert hint in found.hint


def test_references_keep_the_range_of_a_list() -> None:
    found = convert("[$data.n]", Annotated[list[int], Range(low=5)])
    problems = Problems()
    schema.resolve_references(found, {"data": {"n": 4}}, problems)
    assert [p.fault for p in problems.sorted()] == ["C08"]


def test_a_dataclass_takes_no_references() -> None:
    assert refused("{low: $data.classes}", Window).message.startswith("here.low: the reference")


# ----------------------------------------------------------------------------- words and places


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Positive | None, "a number > 0 or null"),
        (list[int], "a list (each item a whole number)"),
        (tuple[int, int], "a list of 2"),
        (list, "a list"),
        (Literal["a"], "a"),
        (Annotated[Any, layers], "the name of a layer"),
        (Annotated[Any, Choice(layers)], "the name of a layer"),
        (Any, "a value"),
        (Window, "a mapping"),
        (Share, "share"),
    ],
)
def test_types_in_words(hint: Any, words: str) -> None:
    assert describe(hint) == words


def test_C30_names_and_values_are_shown_escaped_and_cut() -> None:
    assert quote("a\x1b[31m\n") == r'"a\x1b[31m\n"'
    assert quote("Größe") == '"Größe"'
    assert quote("Größe", name=True) == r'"Gr\xf6\xdfe"'
    assert len(quote("x" * 1000)) == 62
    assert refused("'\x85\u202e'", int).message.isprintable()


def test_C01_short_names_are_suggested_too() -> None:
    for name in ("rl", "l", "lrr", "ls"):
        assert suggest(name, ["momentum", "lr"]) == 'did you mean "lr"?'
    assert suggest("x", ["lr"]) == ""


def test_problems_come_in_file_order_once_each() -> None:
    root = yaml.parse("a: 1\nb: 2\n", "run.yaml")
    assert isinstance(root, Mapping)
    problems = Problems()
    for key in ("b", "a", "b"):
        problems.add("C01", root.entries[key].key_mark, key)
    assert [p.message for p in problems.sorted()] == ["a", "b"]
    assert len(problems) == 2
