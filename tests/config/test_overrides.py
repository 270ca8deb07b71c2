"""`key=value` and `~key` arguments: what they change, and where their problems are shown."""

from pathlib import Path
from typing import Any

import pytest

from dgrad.config import yaml
from dgrad.config.marks import COMMAND_LINE, Problems
from dgrad.config.overrides import apply_overrides
from dgrad.config.tree import Mapping, plain
from dgrad.errors import ConfigError

BASE = """\
seed: 0
data: &data
  csv: {path: a.csv}
again: *data
model:
  layers:
    - linear: 64
    - relu
optimizer: adam
train:
  epochs: 5
nothing:
"""


def applied(*arguments: str) -> Mapping:
    problems = Problems()
    tree = apply_overrides(yaml.parse(BASE, "run.yaml"), arguments, problems)
    problems.raise_if_any()
    return tree


def changed(*arguments: str) -> dict[str, Any]:
    """The top-level keys that differ from the file's."""
    before, after = plain(yaml.parse(BASE, "run.yaml")), plain(applied(*arguments))
    keys = [*before, *(key for key in after if key not in before)]
    return {key: after.get(key, "gone") for key in keys if before.get(key) != after.get(key)}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["train.epochs=7"], {"train": {"epochs": 7}}),
        (["train.batch_size=32"], {"train": {"epochs": 5, "batch_size": 32}}),
        (["train.checkpoint.keep=1"], {"train": {"epochs": 5, "checkpoint": {"keep": 1}}}),
        (["seed=3", "seed=4"], {"seed": 4}),
        (["name=x"], {"name": "x"}),
        (["nothing.a.b=true"], {"nothing": {"a": {"b": True}}}),
        (["model.layers.0.linear=128"], {"model": {"layers": [{"linear": 128}, "relu"]}}),
        (["model.layers.1=gelu"], {"model": {"layers": [{"linear": 64}, "gelu"]}}),
        (["model.layers[1]=gelu"], {"model": {"layers": [{"linear": 64}, "gelu"]}}),
        (["model.layers[0].linear=128"], {"model": {"layers": [{"linear": 128}, "relu"]}}),
        (["model.layers.1.relu.p=.1"],
         {"model": {"layers": [{"linear": 64}, {"relu": {"p": 0.1}}]}}),
        (["optimizer.adam.lr=0.1"], {"optimizer": {"adam": {"lr": 0.1}}}),
        (["optimizer={sgd: {lr: 1}}"], {"optimizer": {"sgd": {"lr": 1}}}),
        (["optimizer=sgd", "optimizer.sgd.lr=1"], {"optimizer": {"sgd": {"lr": 1}}}),
        (["again.csv.path=b.csv"], {"again": {"csv": {"path": "b.csv"}}}),
        (["~train.epochs"], {"train": {}}),
        (["~train"], {"train": "gone"}),
        (["~model.layers.0"], {"model": {"layers": ["relu"]}}),
        (["x=a=b: c #d"], {"x": "a=b: c #d"}),
        (["x=[1, a, {b: 1e-2}]"], {"x": [1, "a", {"b": 0.01}]}),
        (["x='1'", 'y="a\\tb"', "seed=null"], {"x": "1", "y": "a\tb", "seed": None}),
        (["x=$data.classes", "y=-1", "z= 5 "], {"x": "$data.classes", "y": -1, "z": 5}),
        (["x=''"], {"x": ""}),
    ],
)  # fmt: skip
def test_C25_what_overrides_change(arguments: list[str], expected: dict[str, Any]) -> None:
    assert changed(*arguments) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-2", 1e-2), ("010", "010"), ("1_000", "1_000"), ("no", "no"), ("on", "on"),
     ("True", "True"), ("true", True), ("0x1F", 31), ("-.5", -0.5), ("2024-01-01", "2024-01-01")],
)  # fmt: skip
def test_C25_values_read_as_in_the_file(text: str, value: object) -> None:
    found = plain(applied(f"x={text}"))["x"]
    assert found == value
    assert type(found) is type(value)
    assert plain(yaml.parse(f"x: {text}", "f"))["x"] == value


@pytest.mark.parametrize(
    ("argument", "fault", "column", "width", "message"),
    [
        ("foo", "C25", 1, 3, '"foo" is not an override'),
        ("", "C25", 1, 1, "is not an override"),
        ("~foo=3", "C25", 1, 6, "is not an override"),
        ("=3", "C25", 1, 1, "a name is missing"),
        ("~", "C25", 2, 1, "a name is missing"),
        ("a..b=1", "C25", 3, 1, "a name is missing"),
        ("train.=1", "C25", 7, 1, "a name is missing"),
        ("train. epochs=1", "C25", 7, 7, "a name is missing"),
        ("train.epochs=", "C25", 14, 1, "there is no value after ="),
        ("seed.x=1", "C25", 6, 1, 'seed is 1, it has no key "x"'),
        ("optimizer.sgd.lr=1", "C25", 11, 3, '"adam", it has no key "sgd"'),
        ("model.layers.2=x", "C25", 14, 1, 'is a list of 2, it has no item "2"'),
        ("model.layers[2]=x", "C25", 14, 1, 'is a list of 2, it has no item "2"'),
        ("model.layers.-1=x", "C25", 14, 2, "it has no item"),
        ("model.layers.one=x", "C25", 14, 3, "it has no item"),
        ("model.layers.\u0661=x", "C25", 14, 1, "it has no item"),
        ("model.layers." + "1" * 5000 + "=x", "C25", 14, 387, "no item"),
        ("~model.layers.2", "C25", 15, 1, "it has no item"),
        ("~tarin", "C25", 2, 5, "there is no tarin to remove"),
        ("~seed.x", "C25", 7, 1, "there is no seed.x to remove"),
        ("~name.x", "C25", 2, 4, "there is no name to remove"),
        ("x=[1, 2", "C16", 8, 1, "not valid YAML"),
        ("x=[1] 2", "C16", 7, 1, "not valid YAML"),
        ("x=!!int 3", "C15", 3, 7, "tag"),
        ("x=*a", "C14", 3, 2, "no anchor"),
        ("x={a: 1, a: 2}", "C11", 10, 1, "already set"),
        ("x=" + "[" * 40, "C13", 35, 1, "deeper"),
        ("x=99999999999999999999", "C10", 3, 20, "64 bits"),
        ("x=a\x1bb", "C18", 4, 1, "U+001B"),
        ("x=a\udcffb", "C18", 4, 1, "U+DCFF"),
        ("x=a\nb", "C25", 1, 5, "one line"),
    ],
)  # fmt: skip
def test_C25_refused_overrides_show_the_argument(
    argument: str, fault: str, column: int, width: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        applied("seed=1", argument)
    (found,) = caught.value.problems
    assert (found.fault, found.file, found.line) == (fault, COMMAND_LINE, 2)
    assert (found.column, found.width) == (column, width)
    assert message in found.message
    assert found.excerpt.isprintable()


def test_C25_all_overrides_are_reported_and_the_good_ones_applied() -> None:
    problems = Problems()
    tree = apply_overrides(yaml.parse(BASE, "run.yaml"), ["a", "seed=9", "b"], problems)
    assert [found.line for found in problems.sorted()] == [1, 3]
    assert plain(tree)["seed"] == 9


def test_C25_a_removed_key_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        applied("~tarin")
    assert caught.value.problems[0].hint == 'did you mean "train"?'


def test_overrides_leave_the_tree_before_and_its_places_alone() -> None:
    before = yaml.parse(BASE, "run.yaml")
    after = apply_overrides(before, ["train.epochs=7", "again.csv.path=b"], Problems())
    assert before == yaml.parse(BASE, "run.yaml")
    train = after.entries["train"]
    assert (train.key_mark.file, train.key_mark.line) == ("run.yaml", 10)
    epochs = train.value.entries["epochs"]  # type: ignore[union-attr]
    assert (epochs.key_mark.file, epochs.value.mark.file) == ("run.yaml", COMMAND_LINE)
    assert (epochs.value.mark.column, epochs.value.mark.width) == (14, 1)
    assert epochs.value.mark.source.base == Path.cwd()


def test_new_keys_are_placed_at_their_name_in_the_argument() -> None:
    found = applied("train.epocks=5").entries["train"].value
    mark = found.entries["epocks"].key_mark  # type: ignore[union-attr]
    assert (mark.file, mark.line, mark.column, mark.width) == (COMMAND_LINE, 1, 7, 6)
