"""The catalog: every component has documentation and parameters that can be told in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from dgrad import registry
from dgrad.config import document
from dgrad.config.catalog import KINDS, Entry, catalog, find
from dgrad.errors import UnknownNameError
from tests.toys import forgetting


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


document.register_shipped()
ENTRIES = catalog()


def test_every_registry_is_in_the_catalog() -> None:
    there = [each for each in vars(registry).values() if isinstance(each, registry.Registry)]
    assert {id(each) for each in there} == {id(each) for each in KINDS.values()}
    assert [(e.kind, e.name) for e in catalog()] == [
        (known.kind, name) for known in KINDS.values() for name in known
    ]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: f"{e.kind}-{e.name}")
def test_a_component_has_documentation_and_its_parameters_are_told(entry: Entry) -> None:
    assert len(entry.summary) >= 5
    assert entry.summary[-1] in ".?!)" or "->" in entry.summary or "=" in entry.summary
    if entry.kind == "op":
        return
    for parameter in entry.parameters:
        words = parameter.takes  # not the repr of a Python type, nor anything at all
        assert words
        assert not re.search(r"<class|typing|\bAny\b|^a value$", words), f"{entry.name}: {words}"
        if not parameter.required:
            json.dumps(parameter.default, allow_nan=False)


def test_what_the_program_fills_in_is_no_parameter() -> None:
    def names(name: str, kind: str) -> list[str]:
        return [p.name for p in find(name, [kind])[0].parameters]

    assert names("linear", "layers") == ["out_features", "bias", "init"]
    assert "params" not in names("adamw", "optimizers")
    assert "tensor" not in names("normal", "initialisers")
    (embedding,) = find("embedding", ["layers"])
    told = {p.name: (p.required, p.default) for p in embedding.parameters}
    assert told["num_embeddings"] == (False, "$data.vocab")
    assert embedding.parameters[0].name == "embedding_dim"


def test_a_name_of_several_kinds_is_found_in_each() -> None:
    assert [entry.kind for entry in find("linear")] == ["layer", "schedule", "op"]
    assert [entry.kind for entry in find("linear", ["ops"])] == ["op"]


def test_C01_an_unknown_name_is_told_with_what_is_near() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'linear'"):
        find("linaer")
    with pytest.raises(UnknownNameError, match="nothing is called 'linear'"):
        find("linear", ["optimizers"])
