"""A whole config: its sections as dataclasses, and `load`, which reads and checks one."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from dgrad.config import yaml
from dgrad.config.blocks import BlockDefinition, read_blocks
from dgrad.config.extending import extended, refuse_late
from dgrad.config.layer_list import LayerList, read_layers
from dgrad.config.marks import Problems, quote, suggest
from dgrad.config.overrides import apply_overrides
from dgrad.config.patterns import mentions
from dgrad.config.plugins import load_plugin
from dgrad.config.scalars import Spot
from dgrad.config.schema import bind, component, convert
from dgrad.config.signature import Choice, Example
from dgrad.config.task import with_task
from dgrad.config.training import Train
from dgrad.config.tree import Entry, Mapping, Node, Scalar, Sequence
from dgrad.config.values import Component, to_plain
from dgrad.config.variables import with_vars
from dgrad.config.wiring import wire
from dgrad.registry import (
    Fraction,
    Range,
    losses,
    metrics,
    optimizers,
    readers,
    schedules,
    transforms,
)
from dgrad.registry import LayerList as LayerListHint
from dgrad.train.run_directory import RUN_NAME_RULE, is_run_name

__all__ = [
    "Config",
    "Data",
    "Model",
    "RunName",
    "Sections",
    "Split",
    "from_text",
    "load",
    "register_shipped",
]


class RunName(str):
    """The name of a run: 1 to 100 of A-Z a-z 0-9 . _ -, no leading dot; it becomes a folder."""

    fault = "C20"
    __slots__ = ()

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema of what `from_config` reads."""
        return {"type": "string", "pattern": r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"}

    @classmethod
    def from_config(cls, value: object) -> RunName:
        """The name, checked. Raises ValueError."""
        if isinstance(value, str) and is_run_name(value):
            return cls(value)
        raise ValueError(f"expected {RUN_NAME_RULE}, got {_shown(value)}")


def _shown(value: object) -> str:
    return quote(value) if isinstance(value, str) else f"{value!r:.60}"


@dataclass(frozen=True, kw_only=True)
class Split:
    """The shares of the examples that are kept for validation and for the test.

    mode: which examples: random ones, or contiguous: the last, test after val. auto: contiguous
    where examples overlap, as the windows of a text do. stratify: random, class by class.
    """

    val: Fraction = 0.15
    test: Fraction = 0.15
    mode: Literal["auto", "random", "contiguous"] = "auto"
    stratify: bool = False

    def __post_init__(self) -> None:
        if self.stratify and self.mode == "contiguous":
            raise ValueError("stratify takes random examples of each class, mode: contiguous none")
        if self.val + self.test >= 1:
            total = self.val + self.test
            raise ValueError(
                f"val and test take {total:g} of the data, nothing is left to train on"
            )


@dataclass(frozen=True, kw_only=True)
class Data:
    """`{READER: {...}, split: {...}, transforms: [...]}`: where the examples come from."""

    reader: Component
    split: Split
    transforms: tuple[Component, ...]

    @classmethod
    def from_node(cls, node: Node, problems: Problems, where: str) -> Data | None:
        """The section that a node holds; None when anything in it is wrong."""
        own = {"split": Split, "transforms": tuple[Annotated[Component, transforms], ...]}
        if not isinstance(node, Mapping):
            hint = f"for example   {where}: {{csv: {{path: data.csv, target: label}}}}"
            problems.add("C03", node.mark, f"{where}: expected a mapping", hint)
            return None
        before = len(problems)
        given = {
            key: convert(node.entries[key].value, hint, problems, f"{where}.{key}")
            for key, hint in own.items()
            if key in node.entries
        }
        reader = _reader(node, set(own), problems, where)
        if len(problems) > before or reader is None:
            return None
        split, steps = given.get("split", Split()), given.get("transforms", ())
        return cls(reader=reader, split=split, transforms=steps)

    def plain(self) -> dict[str, Any]:
        """The section as a config writes it."""
        own = {"split": to_plain(self.split), "transforms": to_plain(self.transforms)}
        return {**self.reader.plain(), **own}


def _reader(node: Mapping, own: set[str], problems: Problems, where: str) -> Component | None:
    """The one reader that the data section names."""
    others = {key: entry for key, entry in node.entries.items() if key not in own}
    named = {key: entry for key, entry in others.items() if key in readers}
    for key, entry in others.items():
        if key not in readers:
            close = suggest(key, {*readers, *own})
            there = f"{where} takes: {', '.join([*sorted(own), *readers])}"
            message = f"unknown key {quote(key, name=True)} in {where}"
            hint = f"{close}   {there}" if close else there
            problems.add("C01" if close else "C02", entry.key_mark, message, hint)
    if len(named) > 1:
        second = list(named.values())[1].key_mark
        problems.add("C22", second, f"{where}: expected one reader, got {' and '.join(named)}")
    elif not others:
        there = f"there are: {', '.join(readers)}"
        problems.add("C03", node.mark, f"{where}: it names no reader", there)
    if len(named) != 1:
        return None
    return component(readers, Mapping(named, node.mark), problems, where)


@dataclass(frozen=True, kw_only=True)
class Model:
    """The layers, first to last; blocks that the config defines stand where they are used.

    What the layers take is told by dgrad.config.wiring, once all of the config is read.
    """

    layers: LayerList
    blocks: dict[str, BlockDefinition] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_node(cls, node: Node, problems: Problems, where: str) -> Model | None:
        """The section that a node holds; None when anything in it is wrong."""
        before = len(problems)
        known = ("layers", "blocks")
        if not isinstance(node, Mapping):
            hint = f"for example   {where}: {{layers: [{{linear: 64}}, relu, {{linear: 10}}]}}"
            problems.add("C03", node.mark, f"{where}: expected a mapping", hint)
            return None
        for key in node.entries.keys() - {*known}:
            hint = f"{suggest(key, known)}   {where} takes: {', '.join(known)}".strip()
            message = f"unknown key {quote(key, name=True)} in {where}"
            problems.add("C01", node.entries[key].key_mark, message, hint)
        if "layers" not in node.entries:
            problems.add("C03", node.mark, f'{where}: "layers" is missing', "a list of layers")
            return None
        at = Spot(problems, where)
        if "blocks" in node.entries:
            blocks = read_blocks(node.entries["blocks"].value, at.inside("blocks"))
            at = dataclasses.replace(at, blocks=blocks)
        layers = read_layers(node.entries["layers"].value, LayerListHint(), at.inside("layers"))
        return cls(layers=layers, blocks={**(at.blocks or {})}) if len(problems) == before else None

    def plain(self) -> dict[str, Any]:
        """The section as a config writes it; blocks stand where they are used."""
        return {"layers": self.layers.plain()}

    def with_values(self, change: Callable[[Any], Any]) -> Model:
        """The same section, with its layers as `change` makes them."""
        return dataclasses.replace(self, layers=change(self.layers))


Seed = Annotated[int, Range(low=0)]  # up to 2^64 - 1: integers beyond 64 bits are not read
_Optimizer = Annotated[
    Component, Choice(optimizers, ("params",)), Example("optimizer: {adamw: {lr: 1e-3}}")
]


@dataclass(frozen=True, kw_only=True)
class Sections:
    """Every key that a config may hold: the schema."""

    seed: Seed = 0
    name: RunName
    plugins: tuple[Path, ...] = ()
    vars: dict[str, bool | int | float | str | None] = field(default_factory=dict)
    data: Annotated[Data, Example("data: {csv: {path: data.csv, target: label}}")]
    model: Annotated[Model, Example("model: {layers: [{linear: 64}, relu, {linear: 10}]}")]
    loss: Annotated[Component, losses, Example("loss: cross_entropy")]
    metrics: tuple[Annotated[Component, metrics], ...] = ()
    optimizer: _Optimizer
    schedule: Annotated[Component, schedules]
    train: Train = field(default_factory=Train)


@dataclass(frozen=True, kw_only=True)
class Config(Sections):
    """A config that passed every check which needs no data; equal when its sections are."""

    path: Path = field(compare=False)
    text: str = field(compare=False, repr=False)
    tree: Mapping = field(compare=False, repr=False)

    def resolved(self) -> dict[str, Any]:
        """Plain data with every default written out: `dump` of it loads as an equal config."""
        return {f.name: to_plain(getattr(self, f.name)) for f in dataclasses.fields(Sections)}


def load(path: str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read a config, apply `key=value` overrides, load its plugins, check everything.

    Raises ConfigError holding all problems, with their places. Values that only the data know
    stay as References (`$data.classes`).
    """
    return from_text(yaml.read_text(path), path, overrides)


def from_text(
    text: str,
    path: str | Path,
    overrides: Iterable[str] = (),
    *,
    plugins: Iterable[Path] | None = None,
) -> Config:
    """As `load`, from the text of a config whose relative paths start at the folder of `path`.

    plugins: load these, and none that the text names, as it may come from a checkpoint; nor is a
    config read that it extends.
    """
    register_shipped()
    path = Path(path)
    problems = Problems()
    limits = None if plugins is None else yaml.STORED
    tree = yaml.parse(text, str(path), path.absolute().parent, limits)
    if plugins is None:  # what a checkpoint holds is whole
        tree = extended(tree, path)
    tree = apply_overrides(tree, overrides, problems)
    refuse_late(tree)
    tree = with_vars(_completed(tree, path))
    _load_plugins(tree, plugins, problems)
    arguments = bind(Sections, tree, problems, "")
    if arguments.get("data") and "loss" in arguments:
        data = arguments["data"]
        reader = with_task(data.reader, arguments["loss"], problems)
        arguments["data"] = dataclasses.replace(data, reader=reader)
    if arguments.get("model"):
        model, optimizer = arguments["model"], arguments.get("optimizer")
        wired = wire(model.layers, problems, functools.partial(mentions, optimizer))
        arguments["model"] = dataclasses.replace(model, layers=wired)
    problems.raise_if_any()
    config = Config(**arguments, path=path, text=text, tree=tree)
    model = tree.entries["model"]
    yaml.check_stored(config.resolved(), model.key_mark)
    return config


def register_shipped() -> None:
    """Import what registers the components that dgrad ships."""
    import dgrad.data
    import dgrad.nn
    import dgrad.optim
    import dgrad.train.metrics  # noqa: F401 (imported for what it registers)


def _completed(tree: Mapping, path: Path) -> Mapping:
    """`tree` with the two defaults that are no Python values: the run's name, the schedule."""
    stem = re.sub("[^A-Za-z0-9._-]+", "-", path.name.removesuffix(path.suffix)).lstrip(".")[:100]
    entries = dict(tree.entries)
    for key, text in {"name": stem or "run", "schedule": "constant"}.items():
        entries.setdefault(key, Entry(tree.mark, Scalar(text, text, False, tree.mark)))
    return Mapping(entries, tree.mark)


def _load_plugins(tree: Mapping, instead: Iterable[Path] | None, problems: Problems) -> None:
    """Run the plugins; stop if one fails, as its components would be reported as unknown."""
    failed = Problems()
    if instead is not None:
        for path in instead:
            load_plugin(Path(path).resolve(), tree.mark, failed)
    elif "plugins" in tree.entries:
        node = tree.entries["plugins"].value
        paths = convert(node, tuple[Path, ...], failed, "plugins")
        if not len(failed) and isinstance(node, Sequence):
            for path, item in zip(paths, node.items, strict=True):
                load_plugin(path, item.mark, failed)
    if len(failed):
        problems.extend(failed.sorted())
        problems.raise_if_any()
