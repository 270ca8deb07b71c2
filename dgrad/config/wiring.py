"""What every layer of a model takes: names followed, and every name that leads nowhere reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dgrad.config.layer_list import INPUT, PREVIOUS, Layer, LayerList, Name, Wiring
from dgrad.config.marks import Problems, quote, suggest
from dgrad.config.values import Component
from dgrad.nn.composition import Composite

__all__ = ["captured_by", "inputs_of", "layer_names", "lists_in", "wire"]


def wire(
    layers: LayerList, problems: Problems, is_used: Callable[[str], bool] = lambda id: False
) -> LayerList:
    """The model's layers with their wiring; problems of the names in it are noted.

    is_used: whether an id stands elsewhere in the config.

    C22: an id that is unknown, taken, used nowhere, or leads in a circle; a result that nothing
    uses; more or fewer inputs than a layer takes.
    """
    return _List(layers, (INPUT,), {}, problems, is_used).wired()


def lists_in(component: Component) -> Iterator[LayerList]:
    """The lists of layers among a component's arguments."""
    for value in component.arguments.values():
        found = value if isinstance(value, list | tuple) else (value,)
        yield from (each for each in found if isinstance(each, LayerList))


def captured_by(component: Component | None) -> tuple[str, ...]:
    """The names that the lists in a component use from outside of it, each once, in order."""
    names: dict[str, None] = {}
    for listed in lists_in(component) if component else ():
        if listed.wiring is not None:
            names |= dict.fromkeys(listed.wiring.captured)
    return tuple(names)


def inputs_of(component: Component) -> tuple[str, ...]:
    """What the lists in a component call the values that it is given."""
    target: Any = component.target
    if isinstance(target, type) and issubclass(target, Composite):
        return target.named_inputs(component.arguments)
    return (INPUT,)


def layer_names(kinds: Iterable[str], taken: Collection[str] = ()) -> list[str]:
    """`linear`, `relu`, `linear_2`, ...: another kind in between changes none of them."""
    counts: Counter[str] = Counter()
    names: dict[str, None] = {}
    for kind in kinds:
        counts[kind] += 1
        name = kind if counts[kind] == 1 else f"{kind}_{counts[kind]}"
        while name in names or name in taken:  # a plugin's layer may be called linear_2
            counts[kind] += 1
            name = f"{kind}_{counts[kind]}"
        names[name] = None
    return list(names)


@dataclass
class _List:
    """One list of layers while its names are followed.

    inputs: what it calls the values it is given. outer: what it can see outside of it by name:
    layers, and None for the inputs of a block around it.
    """

    layers: LayerList
    inputs: tuple[str, ...]
    outer: Mapping[str, Layer | None]
    problems: Problems
    is_used: Callable[[str], bool]
    used: set[str] = field(default_factory=set)  # ids, of it and from outside, that stand somewhere
    captured: dict[str, None] = field(default_factory=dict)

    def wired(self) -> LayerList:
        """The list with its wiring, and with that of the lists in its layers."""
        before = len(self.problems)
        self.ids = self._ids()
        given = [layer.id.text if layer.id else None for layer in self.layers]
        kinds = [layer.name for layer, name in zip(self.layers, given, strict=True) if not name]
        taken = {*self.outer, *self.ids, *self.inputs}
        made = iter(layer_names(kinds, taken))
        self.labels = tuple(name or next(made) for name in given)
        visible = {**self.outer, **{name: None for name in self.inputs if name != INPUT}}
        sources, layers, results = [], [], set()
        for i, layer in enumerate(self.layers):
            inner, captured = self._inside(layer, visible)
            found = [self._source(i, name) for name in layer.sources] or [self._before(i)]
            self._check_arity(i, inner)
            for name in (layer.tie, layer.reuse):
                if name is not None:
                    self._check_module(i, name)
            sources.append(tuple(label for label in (*found, *captured) if label is not None))
            results |= {*sources[-1]}
            layers.append(inner)
            if layer.id is not None:
                visible[layer.id.text] = inner
        if len(self.problems) == before:  # or what is unused may be what a misspelt name meant
            self._check_use(results)
        wiring = Wiring(self.labels, tuple(sources), tuple(self.captured))
        return LayerList(tuple(layers), wiring)

    def _ids(self) -> dict[str, int]:
        """The number of the layer with an id; an id that is taken is a problem."""
        ids: dict[str, int] = {}
        for i, layer in enumerate(self.layers):
            if layer.id is None:
                continue
            text = layer.id.text
            there = self.layers[ids[text]] if text in ids else self.outer.get(text)
            if there is not None or text in (*self.inputs, *self.outer):
                line = there.id.mark.line if there and there.id else 0
                at = f" at line {line}" if line else ""
                self._note(layer, layer.id, f"the id {quote(text)} is taken{at}", "choose another")
                continue
            ids[text] = i
        return ids

    def _before(self, i: int) -> str:
        return self.labels[i - 1] if i else self.inputs[0]

    def _source(self, i: int, name: Name) -> str | None:
        """The label that a name under `from` stands for."""
        text = name.text
        if text == PREVIOUS:
            return self._before(i)
        if text == INPUT:
            return self.inputs[0]
        if text in self.inputs:
            return text
        if not self._is_before(i, name):
            return None
        if text not in self.ids:
            self.captured[text] = None
        return text

    def _is_before(self, i: int, name: Name) -> bool:
        """Whether a layer before layer i, or outside, has this id; if not, that is a problem."""
        text, layer = name.text, self.layers[i]
        self.used.add(text)
        number = self.ids.get(text)
        if (number is None and text in self.outer) or (number is not None and number < i):
            return True
        if number is None:
            known = [*self.outer, *(n for n, at in self.ids.items() if at < i)]
            there = f"there is: {', '.join([PREVIOUS, *self.inputs, *known])}"
            hint = f"{suggest(text, [PREVIOUS, INPUT, *known])}   {there}".strip()
            self._note(layer, name, f"no layer before it has the id {quote(text)}", hint)
        elif (way := self._way(number, i)) and name in layer.sources:
            hint = "a network cannot go in circles: take an earlier layer"
            self._note(layer, name, f"a cycle: {' -> '.join([*way, way[0]])}", hint)
        else:
            line = self.layers[number].mark.line
            message = f"{quote(text)} comes later, at line {line}"
            self._note(layer, name, message, "move that layer up: a layer takes what is before it")
        return False

    def _way(self, start: int, end: int) -> list[str]:
        """The labels from layer `end` to layer `start`, if what start takes comes from end."""
        ways = {end: [self.labels[end]]}
        for i in range(end + 1, start + 1):
            names = [name.text for name in self.layers[i].sources] or [PREVIOUS]
            for text in names:
                source = i - 1 if text == PREVIOUS else self.ids.get(text, -1)
                if source in ways:
                    ways.setdefault(i, [*ways[source], self.labels[i]])
        return ways.get(start, []) if start != end else ways[end]

    def _inside(
        self, layer: Layer, visible: Mapping[str, Layer | None]
    ) -> tuple[Layer, tuple[str, ...]]:
        """The layer with its lists wired, and the labels they use of this list and outside."""
        component = layer.component
        if component is None or not any(lists_in(component)):
            return layer, ()
        names = inputs_of(component)
        if not getattr(component.target, "sees_outside", True):
            visible = {}

        def inner(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return type(value)([inner(each) for each in value])
            if not isinstance(value, LayerList):
                return value
            listed = _List(value, names, visible, self.problems, self.is_used)
            made = listed.wired()
            self.used |= listed.used - listed.ids.keys()
            return made

        arguments = {key: inner(value) for key, value in component.arguments.items()}
        wired = replace(layer, component=replace(component, arguments=arguments))
        captured = captured_by(wired.component)
        for name in captured:
            if name not in (*self.ids, *self.inputs):
                self.captured[name] = None
        return wired, captured

    def _check_arity(self, i: int, layer: Layer) -> None:
        """A layer must be given as many values as it takes."""
        target = self._target(layer)
        low, high = getattr(target, "arity", (1, 1))
        count = len(layer.sources) or 1
        if low <= count and (high is None or count <= high):
            return
        name = layer.name if layer.component else f"{layer.reuse.text}" if layer.reuse else ""
        if count < low:
            message = f"{name} takes {low} inputs{'' if high else ' or more'}, it gets {count}"
            hint = f"name them: from: [{PREVIOUS}, ID]"
        else:
            takes = f"{high} input{'s' if high != 1 else ''}"
            message = f"{name} takes {takes}, but from lists {count}"
            hint = "merge them first:   {concat: {dim: 1}, from: [...]}, or add, or multiply"
        mark = layer.sources[0] if layer.sources else Name("", layer.mark)
        self.problems.extend([mark.problem(layer.where, message, hint)])

    def _target(self, layer: Layer) -> Any:
        """What makes the layer, or the one that it is once more."""
        if layer.component is not None:
            return layer.component.target
        text = layer.reuse.text if layer.reuse else ""
        there = self.layers[self.ids[text]] if text in self.ids else self.outer.get(text)
        return there.component.target if there and there.component else None

    def _check_module(self, i: int, name: Name) -> None:
        """`tie` and `reuse` name a layer that is made before this one."""
        text, values = name.text, (PREVIOUS, INPUT, *self.inputs)
        if text in values or (text in self.outer and self.outer[text] is None):
            message = f"{quote(text)} is a value, not a layer"
            self._note(self.layers[i], name, message, "name a layer by its id")
        else:
            self._is_before(i, name)

    def _check_use(self, results: Collection[str]) -> None:
        """Every id must be used somewhere, and every result but the last by another layer."""
        for i, (layer, label) in enumerate(zip(self.layers, self.labels, strict=True)):
            last = i == len(self.layers) - 1
            text = layer.id.text if layer.id else None
            if layer.id and text and text not in self.used and not self.is_used(text):
                hint = "remove it, or name it in a later layer's from, tie or reuse"
                self._note(layer, layer.id, f"the id {quote(text)} is used nowhere", hint)
            elif not last and label not in results:
                message = "nothing uses its result: the next layer takes another one"
                hint = "give it an id that a later layer names in its from, or remove it"
                self.problems.extend([Name("", layer.mark).problem(layer.where, message, hint)])

    def _note(self, layer: Layer, name: Name, message: str, hint: str) -> None:
        self.problems.extend([name.problem(layer.where, message, hint)])
