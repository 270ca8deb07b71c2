"""Any acyclic graph of layers from a config: it trains, and what is wrong has its place."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import from_text, load
from dgrad.config.experiment import Experiment
from dgrad.config.yaml import dump
from dgrad.core.tensor import Tensor
from dgrad.errors import ConfigError, Problem
from dgrad.functional.models import check_model
from dgrad.nn.module import Module
from tests.toys import forgetting, write_toy

CONFIG = """\
data: {csv: {path: classes.csv, target: kind}}
loss: cross_entropy
optimizer: {adam: {lr: 0.05}}
train: {epochs: 12, batch_size: 16, dtype: float64}
model:
"""
HEAD = len(CONFIG.splitlines())

MODELS = {
    "residual": """
  layers:
    - linear: 8
    - residual: [{linear: 8}, tanh]
    - residual: {layers: [{linear: 5}, tanh], shortcut: [{linear: 5}]}
    - linear: $data.classes
""",
    "u-shaped": """
  layers:
    - {linear: 8, id: wide}
    - tanh
    - {linear: 4, id: narrow}
    - tanh
    - linear: 2
    - tanh
    - {concat, from: [previous, narrow]}
    - linear: 4
    - {concat, from: [previous, wide]}
    - linear: $data.classes
""",
    "multi-branch": """
  layers:
    - parallel:
        branches:
          - [{linear: 4}, tanh]
          - [{linear: 4, id: b}, tanh, {linear: 4}, {multiply, from: [previous, b]}]
          - []
        merge: concat
    - linear: $data.classes
""",
    "several ends": """
  layers:
    - {linear: 6, id: left, from: input}
    - {linear: 6, id: right, from: input}
    - {bilinear: 4, from: [left, right]}
    - tanh
    - linear: $data.classes
""",
    "tied": """
  layers:
    - {linear: 8, id: up}
    - tanh
    - linear: 3
    - tanh
    - {linear: {out_features: 8, bias: false}, tie: up}
    - linear: $data.classes
""",
    "twice used": """
  layers:
    - linear: 6
    - {linear: 6, id: step}
    - tanh
    - {reuse: step}
    - tanh
    - repeat: {times: 2, layers: [{reuse: step}, tanh]}
    - linear: $data.classes
""",
    "blocks": """
  blocks:
    dense:
      params: {width: null, slope: 0.1}
      layers: [{linear: $params.width}, {leaky_relu: $params.slope}]
    gate:
      inputs: [x, by]
      layers: [{linear: 6, from: by}, sigmoid, {multiply, from: [previous, x]}]
    deep:
      params: [width]
      layers: [{dense: $params.width}, {dense: {width: $params.width, slope: 0.2}}]
  layers:
    - {deep: 6, id: first}
    - {dense: 6, id: second}
    - {gate, from: [first, second]}
    - linear: $data.classes
""",
    "a block's inputs within its lists": """
  blocks:
    reading:
      inputs: [x, memory]
      layers:
        - residual:
            - {bilinear: 6, from: [previous, memory]}
            - residual: [{linear: 6}, {add, from: [previous, memory]}, tanh]
  layers:
    - {linear: 6, id: memory}
    - tanh
    - {reading, from: [previous, memory]}
    - {reading, from: [previous, memory]}
    - linear: $data.classes
""",
    "outside names": """
  layers:
    - linear: 5
    - {linear: 5, id: shared}
    - {tanh, id: memory}
    - repeat:
        times: 2
        layers:
          - residual: [{linear: 5}, {add, from: [previous, memory]}, tanh]
          - parallel: {branches: [[{reuse: shared, from: memory}], []], merge: add}
    - linear: $data.classes
""",
}


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


def built(folder: Path, model: str) -> Experiment:
    return Experiment.build(load(write_toy(folder, CONFIG + model.lstrip("\n"))))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_graph_trains_has_right_gradients_and_comes_back(model: str, tmp_path: Path) -> None:
    experiment = built(tmp_path, model)
    trainer = experiment.trainer
    inputs, targets = next(iter(trainer.batches.epoch(0)))
    checks = check_model(trainer.model, trainer.loss, inputs[:4], targets[:4], order=1, seed=0)
    assert {check.verdict for check in checks} == {"ok"}
    before = trainer.evaluate("train")["loss"]
    assert trainer.fit() == "done"
    assert trainer.evaluate("train")["loss"] < before / 2
    config = experiment.config
    again = from_text(dump(config.resolved()), config.path)
    assert again == config
    other = Experiment.build(again).trainer.model
    other.load_state_dict(trainer.model.state_dict())
    x = Tensor(inputs)
    np.testing.assert_array_equal(other.eval()(x).data, trainer.model.eval()(x).data)


def model_of(folder: Path, name: str) -> Module:
    return built(folder, MODELS[name]).trainer.model


def test_tied_layers_share_one_weight_and_reused_ones_all_parameters(tmp_path: Path) -> None:
    tied = dict(model_of(tmp_path, "tied").named_parameters())
    assert list(tied) == ["up.weight", "up.bias", "linear.weight", "linear.bias",
                          "linear_3.weight", "linear_3.bias"]  # fmt: skip
    twice = dict(model_of(tmp_path, "twice used").named_parameters())
    assert [name for name in twice if "weight" in name] == [
        "linear.weight", "step.weight", "linear_2.weight",
    ]  # fmt: skip


def test_a_block_goes_by_its_name_and_an_id_names_a_layer(tmp_path: Path) -> None:
    names = [name for name, _ in model_of(tmp_path, "blocks").named_children()]
    assert names == ["first", "second", "gate", "linear"]
    inside = [name for name, _ in model_of(tmp_path, "blocks").named_parameters()]
    assert "first.layers.dense_2.layers.linear.weight" in inside


def test_residual_is_what_it_says(tmp_path: Path) -> None:
    model = model_of(tmp_path, "residual").eval()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 3))
    state = model.state_dict()

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    h = linear("linear", x)
    h = h + np.tanh(linear("residual.layers.linear", h))
    h = linear("residual_2.shortcut.linear", h) + np.tanh(linear("residual_2.layers.linear", h))
    np.testing.assert_allclose(model(Tensor(x)).data, linear("linear_2", h), rtol=1e-12)


# (layers, line counted from `layers`, column, fault, words of the message, of the hint)
MALFORMED = {
    "unknown id": (
        "- {linear: 4, id: left}\n- tanh\n- {add, from: [previous, lefft]}\n- linear: 3",
        3, 26, "C22", 'no layer before it has the id "lefft"', 'did you mean "left"?',
    ),
    "unknown id of a tie": (
        "- linear: 4\n- {linear: 3, tie: up}",
        2, 20, "C22", 'no layer before it has the id "up"', "there is: previous, input",
    ),
    "unknown id of a reuse": (
        "- linear: 4\n- {reuse: up}\n- linear: 3",
        2, 11, "C22", 'no layer before it has the id "up"', "there is: previous, input",
    ),
    "cycle of two": (
        "- linear: 4\n- {add, id: a, from: [previous, b]}\n- {tanh, id: b, from: a}\n- linear: 3",
        2, 33, "C22", "a cycle: a -> b -> a", "cannot go in circles",
    ),
    "cycle through a layer without id": (
        "- linear: 4\n- {add, id: a, from: [previous, b]}\n- tanh\n- {tanh, id: b}\n"
        "- {add, from: [a, previous]}\n- linear: 3",
        2, 33, "C22", "a cycle: a -> tanh -> b -> a", "cannot go in circles",
    ),
    "a layer of itself": (
        "- linear: 4\n- {tanh, id: a, from: a}\n- linear: 3",
        2, 23, "C22", "a cycle: a -> a", "cannot go in circles",
    ),
    "later layer": (
        "- {linear: 4, id: a}\n- {add, from: [a, b]}\n- {linear: 4, id: b, from: input}\n"
        "- {add, from: [previous, a]}",
        2, 19, "C22", '"b" comes later, at line 9', "move that layer up",
    ),
    "unused id": (
        "- {linear: 4, id: left}\n- tanh\n- linear: 3",
        1, 19, "C22", 'the id "left" is used nowhere', "remove it",
    ),
    "unused result": (
        "- {linear: 4, id: left}\n- tanh\n- {linear: 3, from: left}",
        2, 3, "C22", "nothing uses its result", "give it an id",
    ),
    "taken id": (
        "- {linear: 4, id: a}\n- {linear: 4, id: a}\n- {linear: 3, from: a}",
        2, 19, "C22", 'the id "a" is taken at line 7', "choose another",
    ),
    "id taken outside": (
        "- {linear: 4, id: a}\n- residual: [{linear: 4, id: a}, {add, from: [previous, a]}]\n"
        "- {add, from: [previous, a]}\n- linear: 3",
        2, 30, "C22", 'the id "a" is taken at line 7', "choose another",
    ),
    "id of a name that there is": (
        "- {linear: 4, id: previous}\n- linear: 3",
        1, 19, "C22", '"previous" is a name that every list has already', "choose another",
    ),
    "id that is no name": (
        "- {linear: 4, id: a.b}\n- linear: 3", 1, 19, "C03", 'got "a.b"', "",
    ),
    "id inside another layer": (
        "- linear: 4\n- residual: [{linear: 4, id: in}, tanh, {add, from: [previous, in]}]\n"
        "- {add, from: [previous, in]}\n- linear: 3",
        3, 26, "C22", 'no layer before it has the id "in"', "there is",
    ),
    "missing merge": (
        "- {linear: 4, id: a}\n- {linear: 4, id: b}\n- {linear: 3, from: [a, b]}",
        3, 22, "C22", "linear takes 1 input, but from lists 2", "merge them first",
    ),
    "missing merge of a parallel": (
        "- parallel: {branches: [[tanh], []]}\n- linear: 3",
        1, 13, "C03", '"merge" is missing', "one of add, concat, multiply",
    ),
    "merge of one": (
        "- {linear: 4, id: a}\n- {add, from: a}\n- linear: 3",
        2, 15, "C22", "add takes 2 inputs or more, it gets 1", "from: [previous, ID]",
    ),
    "merge without from": (
        "- linear: 4\n- concat\n- linear: 3",
        2, 3, "C22", "concat takes 2 inputs or more, it gets 1", "from: [previous, ID]",
    ),
    "empty from": ("- {linear: 4, from: []}", 1, 21, "C22", "it lists nothing", "leave it out"),
    "from is a number": ("- {linear: 4, from: 3}", 1, 21, "C03", "expected the id of one", ""),
    "shape clash of a residual": (
        "- linear: 4\n- residual: [{linear: 5}]\n- linear: 3",
        2, 3, "C23", "its layers make (batch, 5), but what they are added to is (batch, 4)", "",
    ),
    "shape clash of an add": (
        "- {linear: 4, id: a}\n- {linear: 5, id: b}\n- {add, from: [a, b]}\n- linear: 3",
        3, 4, "C23", "input is (batch, 4) and (batch, 5): add: needs inputs of one shape", "",
    ),
    "shape clash of a concat": (
        "- {linear: 4, id: a}\n- tanh\n- {concat: {dim: 2}, from: [a, previous]}\n- linear: 3",
        3, 4, "C23", "differ at most in axis 2", "",
    ),
    "shape clash within": (
        "- linear: 4\n- residual: [tanh, {parallel: {branches: [[{linear: 2}], []], merge: add}}]\n"
        "- linear: 3",
        2, 21, "C23", "model.layers[1].residual.layers[1].parallel: input is (batch, 4)", "",
    ),
    "shape clash of a reuse": (
        "- {linear: 4, id: a}\n- {reuse: a}\n- linear: 3",
        2, 4, "C23", "model.layers[1].reuse: input is (batch, 4)", "",
    ),
    "shape clash of a tie": (
        "- {linear: 4, id: a}\n- {linear: 3, tie: a}",
        2, 20, "C23", "its weight is (3, 4), that of a is (4, 3)", "",
    ),
    "tie to a layer without weight": (
        "- linear: 4\n- {tanh, id: a}\n- {linear: 3, tie: a}",
        3, 20, "C22", "a has no parameter called weight", "",
    ),
    "tie to a value": (
        "- linear: 4\n- {linear: 3, tie: input}", 2, 20, "C22", '"input" is a value', "by its id",
    ),
    "tie to a block's input": (
        "- {block: {layers: [{residual: [{linear: 3, tie: x}]}], inputs: [x]}}",
        1, 50, "C22", '"x" is a value, not a layer', "by its id",
    ),
    "keys among the arguments": (
        "- linear: {out_features: 3, id: a}",
        1, 29, "C02", '"id" stands beside the layer', "write   - {linear: ..., id: ...}",
    ),
    "two layers in one": (
        "- {linear: 3, tanh, id: a}", 1, 15, "C03", "the name of one layer, got the keys", "",
    ),
    "misspelt from": (
        "- {linear: 3, form: input}", 1, 15, "C01", 'unknown key "form" beside linear',
        'did you mean "from"?   beside a layer stand id, from, tie',
    ),
    "misspelt previous": (
        "- {linear: 3, from: previos}", 1, 21, "C22", "no layer before it", 'mean "previous"?',
    ),
    "inputs among the arguments": (
        "- {linear: 3, id: a}\n- {concat: [a, previous]}\n- {linear: 3, from: a}",
        2, 12, "C02", "what it takes stands under from", "write   - {concat, from: [...]}",
    ),
    "id alone": ("- {id: a}\n- linear: 3", 1, 3, "C03", "the name of a layer", ""),
    "reuse with a layer": (
        "- {linear: 3, id: a}\n- {reuse: a, tanh}", 2, 4, "C22", "the reuse of another one", "",
    ),
    "reuse with a tie": (
        "- {linear: 3, id: a}\n- {reuse: a, tie: a}",
        2, 14, "C22", "reuse shares all parameters", "leave out tie",
    ),
    "empty residual": ("- residual: []", 1, 13, "C22", "at least one layer", ""),
    "layers as a mapping": ("- residual: {layers: {linear: 3}}", 1, 22, "C03", "a list", ""),
    "parameter outside of a block": (
        "- linear: $params.width", 1, 11, "C01", "$params.width is not known outside", "",
    ),
}  # fmt: skip


def problem(folder: Path, model: str) -> Problem:
    """The only thing that is wrong with the model."""
    with pytest.raises(ConfigError) as error:
        built(folder, model)
    (found,) = error.value.problems
    return found


@pytest.mark.parametrize(
    ("layers", "line", "column", "fault", "message", "hint"), MALFORMED.values(), ids=MALFORMED
)
def test_C23_what_is_wrong_with_a_graph_has_its_place(
    layers: str, line: int, column: int, fault: str, message: str, hint: str, tmp_path: Path
) -> None:
    indented = "".join(f"    {each}\n" for each in layers.splitlines())
    found = problem(tmp_path, f"  layers:\n{indented}")
    assert message in found.message
    assert hint in found.hint
    place = (found.fault, found.line - HEAD - 1, found.column - 4)
    assert place == (fault, line, column), found


# (blocks and layers, line counted from `blocks`, column, fault, words of the message, of the hint)
BLOCKS = {
    "unknown argument": (
        "blocks: {dense: {params: [width], layers: [{linear: $params.width}]}}\n"
        "layers: [{dense: {widht: 3}}]",
        2, 19, "C01", 'unknown key "widht"', 'did you mean "width"?   dense takes: width',
    ),
    "missing argument": (
        "blocks: {dense: {params: [width], layers: [{linear: $params.width}]}}\nlayers: [dense]",
        2, 10, "C03", '"width" is missing', "dense takes: width",
    ),
    "argument of a wrong kind": (
        "blocks: {dense: {params: [width], layers: [{linear: $params.width}]}}\n"
        "layers: [{dense: wide}]",
        2, 18, "C03", "expected a whole number >= 1, got \"wide\"", "",
    ),
    "argument of a block that takes none": (
        "blocks: {dense: {layers: [{linear: 3}]}}\nlayers: [{dense: 3}]",
        2, 18, "C02", "it takes no arguments", "write its name alone",
    ),
    "unknown parameter": (
        "blocks: {dense: {params: [width], layers: [{linear: $params.size}]}}\n"
        "layers: [{dense: 3}]",
        1, 53, "C01", "$params.size is no parameter of this block", "there is: $params.width",
    ),
    "unknown key of a block": (
        "blocks: {dense: {layer: [{linear: 3}], layers: [{linear: 3}]}}\nlayers: [dense]",
        1, 18, "C01", 'unknown key "layer"', 'did you mean "layers"?',
    ),
    "block without layers": (
        "blocks: {dense: {params: [width]}}\nlayers: [{linear: 3}]",
        1, 10, "C03", '"layers" is missing', "a list of layers",
    ),
    "name of a layer": (
        "blocks: {linear: {layers: [tanh]}}\nlayers: [{linear: 3}]",
        1, 10, "C22", '"linear" is a layer already', "choose another name",
    ),
    "block within itself": (
        "blocks: {a: {layers: [b]}, b: {layers: [{linear: 3}, a]}}\nlayers: [a]",
        1, 54, "C22", "the block contains itself: a -> b -> a", "",
    ),
    "too few inputs": (
        "blocks: {join: {inputs: [x, y], layers: [{add, from: [x, y]}]}}\n"
        "layers: [{linear: 3}, join]",
        2, 23, "C23", "takes 2 inputs (x, y), not 1", "",
    ),
    "names from outside of a block": (
        "blocks: {dense: {layers: [{linear: 3}, {add, from: [previous, a]}]}}\n"
        "layers: [{linear: 3, id: a}, dense, {add, from: [previous, a]}]",
        1, 63, "C22", 'no layer before it has the id "a"', "there is: previous, input",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "line", "column", "fault", "message", "hint"), BLOCKS.values(), ids=BLOCKS
)
def test_C02_what_is_wrong_with_a_block_has_its_place(
    model: str, line: int, column: int, fault: str, message: str, hint: str, tmp_path: Path
) -> None:
    indented = "".join(f"  {each}\n" for each in model.splitlines())
    found = problem(tmp_path, indented)
    assert message in found.message
    assert hint in found.hint
    place = (found.fault, found.line - HEAD, found.column - 2)
    assert place == (fault, line, column), found


def test_C12_blocks_within_blocks_do_not_explode(tmp_path: Path) -> None:
    names = [f"b{i}" for i in range(30)]
    wide = "".join(f"    {a}: {{layers: [{b}, {b}]}}\n" for a, b in pairwise(names))
    found = problem(tmp_path, f"  blocks:\n{wide}    b29: {{layers: [tanh]}}\n  layers: [b0]\n")
    assert (found.fault, "more than 1000 uses" in found.message) == ("C12", True)
    names = [f"b{i}" for i in range(200)]
    deep = "".join(f"    {a}: {{layers: [{b}]}}\n" for a, b in pairwise(names))
    found = problem(tmp_path, f"  blocks:\n{deep}    b199: {{layers: [tanh]}}\n  layers: [b0]\n")
    assert (found.fault, "32 deep" in found.message) == ("C12", True)


def test_C29_a_deep_or_long_model_comes_back_from_its_checkpoint(tmp_path: Path) -> None:
    chain = "".join(f"    b{i}: {{layers: [{{residual: [b{i + 1}]}}]}}\n" for i in range(7))
    deep = f"  blocks:\n{chain}    b7: {{layers: [{{linear: 3}}]}}\n  layers: [b0, {{linear: 3}}]\n"
    long = "  layers:\n" + "    - linear: 3\n" * 1200
    for model in (deep, long):
        config = load(write_toy(tmp_path, CONFIG + model))
        again = from_text(dump(config.resolved()), config.path, plugins=())
        assert again == config


def test_C13_what_a_checkpoint_could_not_hold_is_refused_before(tmp_path: Path) -> None:
    chain = "".join(
        f"    b{i}: {{layers: [{{residual: [{{residual: [{{residual: [b{i + 1}]}}]}}]}}]}}\n"
        for i in range(12)
    )
    deep = (
        f"  blocks:\n{chain}    b12: {{layers: [{{linear: 3}}]}}\n  layers: [b0, {{linear: 3}}]\n"
    )
    found = problem(tmp_path, deep)
    assert (found.fault, "too deep or too large" in found.message) == ("C13", True)


def test_C24_repeats_within_repeats_do_not_explode(tmp_path: Path) -> None:
    inner = "{repeat: {times: 1000000000, layers: [{repeat: {times: 1000, layers: [tanh]}}]}}"
    found = problem(tmp_path, f"  layers: [{inner}, {{linear: 3}}]\n")
    assert (found.fault, "more than 5,000 layers" in found.message) == ("C24", True)


def test_all_names_that_lead_nowhere_are_told_at_once(tmp_path: Path) -> None:
    layers = "[{linear: 3, from: a}, {tanh, tie: b}, {reuse: c}]"
    with pytest.raises(ConfigError) as error:
        built(tmp_path, f"  layers: {layers}\n")
    assert len(error.value.problems) == 3
