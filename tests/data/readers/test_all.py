"""What holds for every reader: read twice it gives the same, and a config spells it the same."""

import inspect
import json

import numpy as np
import pytest

from dgrad.config.document import load
from dgrad.data import Dataset
from dgrad.registry import readers
from tests.data.readers.test_idx import IMAGES, LABELS

FILES = {
    "a.csv": b"x,y,kind\n1,2,red\n3,4,blue\n5,6,red\n",
    "images": IMAGES,
    "labels": LABELS,
    "a.txt": "Ein schöner Tag".encode(),
}
CASES = {
    "addition": [{}, {"digits": 2, "rows": 50, "reverse": True, "seed": 3}],
    "blobs": [{}, {"rows": 9, "classes": 4, "features": 5, "std": 0.5, "seed": 3}],
    "csv": [
        {"path": "a.csv", "target": "kind"},
        {"path": "a.csv", "target": ["y"], "task": "number", "features": ["x"]},
    ],
    "friedman": [{}, {"rows": 9, "noise": 0.0, "seed": 3}],
    "idx": [{"images": "images", "labels": "labels"}],
    "moons": [{}, {"rows": 9, "noise": 0.0, "seed": 3}],
    "spirals": [{}, {"rows": 9, "classes": 3, "turns": 2.5, "noise": 0.0, "seed": 3}],
    "text": [{"path": "a.txt", "context": 4}, {"path": "a.txt", "tokenizer": "byte", "context": 3}],
}
EACH = [(name, case) for name, cases in CASES.items() for case in cases]
every_case = pytest.mark.parametrize(("name", "arguments"), EACH)
CONFIG = """\
data: {%s: %s}
model: {layers: [{linear: 3}]}
loss: %s
optimizer: {sgd: {lr: 0.1}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def equal(first, second):
    arrays = [(getattr(first, name), getattr(second, name)) for name in ("inputs", "targets")]
    same = all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in arrays)
    rest = ("class_names", "feature_names", "vocabulary", "overlap", "sources")
    return same and all(getattr(first, name) == getattr(second, name) for name in rest)


def test_every_reader_has_a_case():
    shipped = [name for name in readers if readers[name].__module__.startswith("dgrad.")]
    assert sorted(CASES) == shipped


@every_case
def test_it_reads_the_same_again(name, arguments, folder):
    dataset = readers[name](**arguments)
    assert isinstance(dataset, Dataset)
    assert len(dataset) == len(dataset.targets) > 0
    assert len(dataset.sources) == (2 if name == "idx" else 1)
    assert equal(dataset, readers[name](**arguments))


@every_case
def test_a_config_spells_it_the_same(name, arguments, folder):
    loss = "mse" if readers[name](**arguments).class_names is None else "cross_entropy"
    path = folder / "a.yaml"
    path.write_text(CONFIG % (name, json.dumps(arguments), loss))
    config = load(path)
    assert equal(config.data.reader.make(), readers[name](**arguments))
    shown = config.resolved()["data"][name]
    assert list(shown) == list(inspect.signature(readers[name]).parameters)


@pytest.mark.parametrize("name", CASES)
def test_its_signature_is_a_schema_and_its_docstring_a_help(name):
    assert inspect.getdoc(readers[name])
    for parameter in inspect.signature(readers[name]).parameters.values():
        assert parameter.annotation is not parameter.empty
