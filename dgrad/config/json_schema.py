"""The JSON Schema of configs, from the same signatures that read them: for editors and checks."""

from __future__ import annotations

import dataclasses
import inspect
import math
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from dgrad import registry
from dgrad.config.blocks import BlockDefinition
from dgrad.config.catalog import KINDS
from dgrad.config.document import Config, Sections, Split, register_shipped
from dgrad.config.extending import KEY
from dgrad.config.signature import LISTS, MAPPINGS, Choice, Partial, describe, parameters, writable
from dgrad.config.values import to_plain
from dgrad.registry import LayerList, Range, Registry

__all__ = ["json_schema"]

Schema = dict[str, Any]

_REFERENCE: Schema = {"type": "string", "pattern": r"^\$(vars|data|params)\.\w+$"}
_LAYER_KEYS: dict[str, Schema] = {
    "id": {"type": "string", "description": "A name by which later layers can mean this one."},
    "from": {
        "description": "What it takes, by ids: by default the result of the layer before.",
        "anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ],
    },
    "tie": {"type": "string", "description": "The id of the layer whose weight it shares."},
}
_REUSE: Schema = {"type": "string", "description": "The id of the layer that it is once more."}


def json_schema(config: Config | None = None) -> Schema:
    """The JSON Schema (2020-12) of every config; with `config`, also of its plugins and blocks.

    It says what a key may be called and hold. What only building finds out (shapes, contradictions
    between keys) is for `dgrad check`.
    """
    register_shipped()
    blocks = {} if config is None else config.model.blocks
    kinds = {name: known for name, known in KINDS.items() if known is not registry.ops}
    definitions = {known.kind: _components(known, blocks) for known in kinds.values()}
    own = {"data": _data(), "model": _model()}
    sections = {
        name: own.get(name) or _described(_hinted(parameter.hint), parameter.default)
        for name, parameter in parameters(Sections).items()
    }
    optional = ("name", "schedule")  # which have defaults that are no Python values
    required = [
        name
        for name, parameter in parameters(Sections).items()
        if parameter.default is None and name not in optional
    ]
    sections[KEY] = {"type": "string", "description": "The config that this one changes."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "dgrad config",
        "type": "object",
        "properties": sections,
        "anyOf": [{"required": [KEY]}, {"required": required}],
        "additionalProperties": False,
        "$defs": definitions,
    }


# -------------------------------------------------------------------------------- the two sections


def _data() -> Schema:
    names = list(registry.readers)
    own: Schema = {
        "split": _hinted(Split),
        "transforms": {"type": "array", "items": _component(registry.transforms)},
    }
    given = {name: _arguments(registry.readers[name]) for name in names}
    return {
        "type": "object",
        "properties": given | own,
        "oneOf": [{"required": [name]} for name in names],
        "additionalProperties": False,
    }


def _model() -> Schema:
    block: Schema = {
        "type": "object",
        "properties": {
            "params": {
                "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "object"}]
            },
            "inputs": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "layers": _layer_list(may_be_empty=False),
        },
        "required": ["layers"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "layers": _layer_list(may_be_empty=False),
            "blocks": {"type": "object", "additionalProperties": block},
        },
        "required": ["layers"],
        "additionalProperties": False,
    }


def _layer_list(*, may_be_empty: bool) -> Schema:
    schema: Schema = {"type": "array", "items": {"$ref": "#/$defs/layer"}}
    return schema if may_be_empty else schema | {"minItems": 1}


# -------------------------------------------------------------------------------------- components


def _components(known: Registry[Any], blocks: typing.Mapping[str, BlockDefinition]) -> Schema:
    """A component of one kind: its bare name, or {name: arguments}."""
    names: dict[str, Schema] = {name: _arguments(known[name]) for name in known}
    bare = [name for name in known if not _required(known[name])]
    beside: dict[str, Schema] = {}
    if known is registry.layers:
        names |= {name: _block(block) for name, block in blocks.items()}
        bare += [name for name, block in blocks.items() if not block.required]
        names["reuse"] = _REUSE
        beside = _LAYER_KEYS
    one = {
        "type": "object",
        "properties": names | beside,
        "oneOf": [{"required": [name]} for name in names],
        "additionalProperties": False,
    }
    return {"anyOf": [{"enum": bare}, one]}


def _component(known: Registry[Any]) -> Schema:
    return {"$ref": f"#/$defs/{known.kind}"}


def _required(target: Callable[..., Any]) -> list[str]:
    return [n for n, p in writable(target).items() if p.default is None and not p.data]


def _arguments(target: Callable[..., Any]) -> Schema:
    """What may stand under a component's name: a mapping, or the first parameter's value."""
    taken = writable(target)
    whole: Schema = {
        "type": "object",
        "properties": {
            name: _described(_or_reference(_hinted(each.hint)), each.default)
            for name, each in taken.items()
        },
        "additionalProperties": False,
    }
    required = _required(target)
    if required:
        whole["required"] = required
    ways = [whole] if required else [whole, {"type": "null"}]
    if taken and required in ([], [next(iter(taken))]):
        first = next(iter(taken.values()))
        ways.append(_or_reference(_hinted(first.hint)))
    text = (inspect.getdoc(target) or "").partition("\n\n")[0]
    return {"description": " ".join(text.split()), "anyOf": ways}


def _block(block: BlockDefinition) -> Schema:
    """A use of one of the config's blocks: what its parameters hold is for the layers to say."""
    whole: Schema = {
        "type": "object",
        "properties": {name: {} for name in block.params},
        "additionalProperties": False,
    }
    if block.required:
        whole["required"] = block.required
    scalar = {"type": ["string", "number", "boolean", "array", "null"]}
    return {"anyOf": [whole, scalar]}


# ------------------------------------------------------------------------------------------- hints


def _described(schema: Schema, default: Callable[[], Any] | None) -> Schema:
    """With its default, where it has one that JSON can hold."""
    if default is None:
        return schema
    value = to_plain(default())
    if isinstance(value, float) and not math.isfinite(value):
        return schema
    plain = value is None or isinstance(value, bool | int | float | str | list | dict)
    return schema | {"default": value} if plain else schema


def _or_reference(schema: Schema) -> Schema:
    return {"anyOf": [schema, _REFERENCE]}


def _hinted(hint: Any, ranges: tuple[Range, ...] = ()) -> Schema:
    """The schema of a value that is read for a parameter annotated `hint`."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        for extra in parts[1:]:
            if isinstance(extra, LayerList):
                return _layer_list(may_be_empty=extra.may_be_empty)
            if isinstance(extra, Partial):
                return _partial(extra.keys)
            if isinstance(extra, Registry | Choice):
                return _component(extra.registry if isinstance(extra, Choice) else extra)
        return _hinted(parts[0], tuple(each for each in parts[1:] if isinstance(each, Range)))
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_hinted(part, ranges) for part in parts]}
    if origin is typing.Literal:
        return {"enum": list(parts)}
    if (origin or hint) in LISTS:
        return _listed(hint, parts)
    if hint in _SCALARS:
        return _SCALARS[hint] | (_limits(ranges) if hint in (int, float) else {})
    if hasattr(hint, "json_schema"):
        return dict(hint.json_schema())
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint)
    if (origin or hint) in MAPPINGS:
        item = parts[1] if parts else Any
        return {"type": "object", "additionalProperties": _hinted(item)}
    return {"description": describe(hint)}  # a type that reads itself: from any value


_SCALARS: dict[Any, Schema] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    str: {"type": "string"},
    Path: {"type": "string", "minLength": 1},
    type(None): {"type": "null"},
    Any: {},
    object: {},
}


def _limits(ranges: tuple[Range, ...]) -> Schema:
    found: Schema = {}
    for each in ranges:
        if each.low != -math.inf:
            found["exclusiveMinimum" if each.low_open else "minimum"] = each.low
        if each.high != math.inf:
            found["exclusiveMaximum" if each.high_open else "maximum"] = each.high
    return found


def _listed(hint: Any, parts: tuple[Any, ...]) -> Schema:
    is_tuple = (typing.get_origin(hint) or hint) is tuple
    if is_tuple and parts and parts[-1] is not Ellipsis:
        items = [_or_reference(_hinted(part)) for part in parts]
        size = len(items)
        return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}
    return {"type": "array", "items": _or_reference(_hinted(parts[0] if parts else Any))}


def _dataclass(hint: Any) -> Schema:
    taken = parameters(hint)
    schema: Schema = {
        "type": "object",
        "properties": {n: _described(_hinted(p.hint), p.default) for n, p in taken.items()},
        "additionalProperties": False,
    }
    required = [name for name, each in taken.items() if each.default is None]
    return schema | ({"required": required} if required else {})


def _partial(keys: Any) -> Schema:
    schema = _dataclass(keys)
    plain = {name: _hinted(each.hint) for name, each in parameters(keys).items()}
    return schema | {"properties": plain}
