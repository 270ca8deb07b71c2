"""graph(t): what is in it, and what it looks like as text, dot, Mermaid and JSON."""

from __future__ import annotations

import gc
import json
import re
import weakref
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import Function, Tensor, nn
from dgrad.core.modes import detect_anomaly, saved_tensors_hooks
from dgrad.core.node import next_seq
from dgrad.errors import DtypeError, GraphError
from dgrad.functional import Graph, graph, record_layers

DEEP = 100_000


def leaf(*shape: int, dtype: str = "float64") -> Tensor:
    return Tensor(np.ones(shape, dtype), requires_grad=True)


def chain(length: int) -> Tensor:
    t = leaf()
    for _ in range(length // 2):
        t = np.tanh(t) * 1.0
    return t


def example() -> tuple[Graph, Tensor]:
    x, w = leaf(2, 3), leaf(3)
    out = (np.exp(x) * w).sum(axis=1)
    return graph(out, {"x": x, "w": w}), out


# ---------------------------------------------------------------------------------------- the data


def test_nodes_are_numbered_by_creation_with_what_they_are() -> None:
    found, _ = example()
    assert [(n.number, n.op, n.name) for n in found.nodes] == [
        (1, "leaf", "x"),
        (2, "leaf", "w"),
        (3, "exp", None),
        (4, "multiply", None),
        (5, "sum", None),
    ]
    assert [n.results for n in found.nodes][2:] == [
        (((2, 3), "float64"),),
        (((2, 3), "float64"),),
        (((2,), "float64"),),
    ]
    assert found.nodes[4].params["axis"] == 1
    assert found.outputs == ((5, 0),)
    assert [tuple(edge) for edge in found.edges] == [
        (1, 0, 3, "x"),
        (3, 0, 4, "x"),
        (2, 0, 4, "y"),
        (4, 0, 5, "x"),
    ]


def test_numbers_do_not_depend_on_what_was_recorded_before() -> None:
    first = [render(example()[0]) for render in RENDERED]
    chain(50)
    next_seq()
    assert [render(example()[0]) for render in RENDERED] == first


def test_a_tensor_used_twice_is_one_node_with_two_edges() -> None:
    x = leaf(3)
    found = graph(x * x)
    assert [tuple(edge) for edge in found.edges] == [(1, 0, 2, "x"), (1, 0, 2, "y")]
    assert graph(x).nodes[0].is_leaf


def test_inputs_without_gradient_are_no_edges() -> None:
    found = graph(np.where(np.array([True, False]), leaf(2), 0.0))
    assert [(e.source, e.target, e.slot) for e in found.edges] == [(1, 2, "x")]


def test_variadic_ops_name_their_inputs_by_number() -> None:
    found = graph(dgrad.concatenate([leaf(2), Tensor(np.ones(1)), leaf(3)]))
    slots = [edge.slot for edge in found.edges]
    assert [re.sub(r"\D", "", slot) for slot in slots] == ["0", "2"]


class Both(Function):
    @staticmethod
    def forward(ctx: Any, x: Any, label: str) -> Any:
        ctx.save_for_backward(x)
        return x + 1, label, x.sum()

    @staticmethod
    def backward(ctx: Any, g: Any, _: Any, h: Any) -> Any:
        return g + h, None


def test_several_outputs_are_one_node_and_edges_say_which() -> None:
    x = leaf(2)
    a, _, b = Both.apply(x, "label")
    found = graph(a * b)
    both = found.nodes[1]
    assert both.op == "Both"
    assert list(map(str, both.results)) == ["float64 (2,)", "-", "float64 ()"]
    assert [tuple(e) for e in found.edges][1:] == [(2, 0, 3, "x"), (2, 2, 3, "y")]
    assert graph([b, a]).outputs == ((2, 2), (2, 0))
    assert "multiply   x=2, y=2[2]" in str(found)


def test_bytes_are_counted_once_by_the_memory_behind_views() -> None:
    x = leaf(10)
    h = np.exp(x)  # keeps its result, 80 bytes
    a = h[:5] * h[5:]  # keep the same memory
    assert [n.kept for n in graph(a).nodes if n.op in ("exp", "multiply")] == [80, 0]
    whole = np.ones(1000)
    assert graph(x * whole[:10]).kept == 8000  # a view keeps all of it


def test_leaves_are_no_bytes_kept() -> None:
    x, w = leaf(10), leaf(10)
    assert graph(x * w).kept == 0
    y = w * x
    del w  # now y alone keeps it
    assert graph(y).kept == 80


def test_bytes_of_index_arrays_and_of_custom_functions() -> None:
    index = np.array([0, 2])
    assert graph(leaf(4)[index]).kept == index.nbytes
    x = leaf(4)
    assert graph(Both.apply(x * 1.0, "label")[0]).kept == 4 * 8


def test_freed_values_are_told() -> None:
    x = leaf(3)
    loss = np.exp(x).sum()
    loss.backward()
    found = graph(loss)
    assert (found.kept, [n.freed for n in found.nodes]) == (0, [False, True, True])
    assert re.search(r"exp .* freed", str(found))


def test_packed_values_count_by_what_they_were_packed_into() -> None:
    x = leaf(4)
    half = saved_tensors_hooks(
        lambda t: Tensor(t.data.astype(np.float32)), lambda t: Tensor(t.data.astype(np.float64))
    )
    with half:
        y = np.exp(x)
    assert graph(y).kept == 4 * 4


def test_names_of_parameters_and_of_other_tensors() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    out = net(np.ones((4, 3), np.float32))
    named = [n.name for n in graph(out, net).nodes if n.is_leaf]
    assert named == ["0.weight", "0.bias", "1.weight", "1.bias"]
    h = leaf(2) * 2
    assert graph(h + 1, {"hidden": h}).nodes[1].name == "hidden"


def test_layers_are_told_by_their_path() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            return np.tanh(self.inner(x * 2)) + 1

    net, loss = nn.Sequential({"first": Block(), "act": nn.ReLU()}), nn.MSELoss()
    with record_layers(net, loss=loss) as layers:
        out = loss(net(leaf(2, 3, dtype="float32")) * 3, Tensor(np.ones((2, 3), np.float32)))
    told = [(n.op, n.layer) for n in graph(out, net, layers=layers).nodes if not n.is_leaf]
    assert told[:6] == [
        ("multiply", "first"),
        ("linear", "first.inner"),
        ("tanh", "first"),
        ("add", "first"),
        ("relu", "act"),
        ("multiply", None),
    ]
    assert {layer for _, layer in told[6:]} == {"loss"}
    assert all(module._hooks is None or not module._hooks.before for module in net.modules())
    assert graph(net(leaf(2, 3, dtype="float32")), layers=layers).nodes[-1].layer is None


def test_layers_after_a_forward_that_failed() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    with record_layers(net) as layers:
        with pytest.raises(dgrad.errors.ShapeError):
            net(np.ones((1, 4), np.float32))
        with layers.span("again"):
            out = net(np.ones((1, 3), np.float32))
        after = out * 2
    told = [n.layer for n in graph(after, layers=layers).nodes if not n.is_leaf]
    assert told[:2] == ["0", "1"]


def test_lines_are_told_under_detect_anomaly() -> None:
    x = leaf(3)
    with detect_anomaly():
        y = np.exp(x)
    told = graph(y * 2).nodes
    assert told[1].source is not None
    assert re.search(r"test_graph\.py:\d+$", told[1].source)
    assert told[2].source is None


def test_the_recorded_backward_is_a_graph_as_well() -> None:
    x = leaf(3)
    y = np.exp(x).sum()
    (g,) = dgrad.grad(y, x, create_graph=True)
    found = graph([y, g])
    assert found.outputs == ((3, 0), (len(found.nodes), 0))
    assert [n.op for n in found.nodes[:3]] == ["leaf", "exp", "sum"]
    assert (2, len(found.nodes)) in {(e.source, e.target) for e in found.edges}  # g keeps exp(x)


def test_what_has_no_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="output 1 does not require grad"):
        graph([leaf(2) * 1, Tensor([1.0])])
    with pytest.raises(DtypeError, match=r"graph: takes a Tensor, .* output 0 is float"):
        graph([3.0])  # type: ignore[list-item]


def test_a_graph_keeps_no_tensor_alive() -> None:
    gc.disable()
    try:
        x = leaf(3)
        y = np.exp(x)
        found, held = graph(y), (weakref.ref(x), weakref.ref(y))
        del x, y
        assert [ref() for ref in held] == [None, None]
        assert len(found.nodes) == 2
    finally:
        gc.enable()


# --------------------------------------------------------------------------------------- the forms

RENDERED = (str, Graph.dot, Graph.mermaid, Graph.json)


def test_the_table() -> None:
    text = str(example()[0])
    lines = text.splitlines()
    assert re.split(r" {2,}", lines[0].strip()) == [
        "#", "operation", "inputs", "result", "keeps", "where",
    ]  # fmt: skip
    assert [line.split()[:2] for line in lines[1:-1]] == [
        ["1", "leaf"], ["2", "leaf"], ["3", "exp"], ["4", "multiply"], ["5", "sum(axis=1)"],
    ]  # fmt: skip
    assert re.search(r"^3  exp +x=1 +float64 \(2, 3\) +48 B$", text, re.MULTILINE)
    assert lines[-1] == "5 nodes: 3 operations, 2 leaves of 9 elements; 48 B kept for backward"


def test_a_long_table_is_cut_in_the_middle_and_says_so() -> None:
    found = graph(chain(1000))
    lines = found.text(10).splitlines()
    assert len(lines) == 1 + 5 + 1 + 5 + 1
    assert lines[6] == "... 991 nodes left out ..."
    assert [line.split()[0] for line in lines[1:6]] == ["1", "2", "3", "4", "5"]
    assert lines[11].split()[0] == "1001"
    assert len(str(found).splitlines()) == 203
    assert len(found.text(None).splitlines()) == 1003


def test_json_is_complete_and_strict() -> None:
    found, _ = example()
    told = json.loads(found.json())
    assert told == json.loads(json.dumps(found.to_dict()))
    assert told["format"] == 1
    assert told["outputs"] == [{"node": 5, "output": 0}]
    assert told["kept_bytes"] == 48
    assert told["edges"][0] == {"source": 1, "output": 0, "target": 3, "slot": "x"}
    assert told["nodes"][2] == {
        "number": 3, "op": "exp", "name": None, "params": {}, "kept_bytes": 48, "freed": False,
        "results": [{"shape": [2, 3], "dtype": "float64"}], "layer": None, "source": None,
    }  # fmt: skip


def test_static_parameters_of_every_kind_are_plain() -> None:
    x = leaf(4, 3)
    y = x[::2, ..., np.array([0, 2])].clip(max=np.inf).astype(np.float32)
    params = [n.params for n in graph(y).nodes]
    assert params[1]["index"] == ["::2", "...", "int64[2]"]
    assert params[2]["max"] == "inf"
    assert "float32" in params[3].values()
    json.loads(graph(y).json(), parse_constant=pytest.fail)


def test_dot_escapes_what_it_shows() -> None:
    x = leaf(2)
    text = graph(x * 2, {'a"b\\c\nd\x1b': x}).dot()
    assert 'n1 [label="leaf a\\"b\\\\c\\\\nd\\\\x1b\\nfloat64 (2,)", shape=box];' in text
    assert 'n1 -> n2 [label="x"];' in text
    assert "peripheries=2" in text.splitlines()[3]
    assert (text.count("{"), text.count("}")) == (1, 1)


def test_mermaid_escapes_what_it_shows() -> None:
    x = leaf(2)
    text = graph(x * 2, {'a"b<i>#`\n': x}).mermaid()
    first = text.splitlines()[1]
    assert first == '  n1["leaf a#34;b#60;i#62;#35;#96;#10;<br/>float64 (2,)"]'
    assert '  n1 -->|"x"| n2' in text


@pytest.mark.parametrize("length", [0, 1])
def test_the_smallest_graphs(length: int) -> None:
    out = chain(2 * length)
    for render in RENDERED:
        assert render(graph(out))


def test_P08_a_graph_of_many_nodes_needs_no_recursion() -> None:
    gc.disable()  # looking through a million objects again and again takes most of the time
    try:
        found = graph(chain(2 * DEEP))
        assert len(found.nodes) == 2 * DEEP + 1
        assert len(str(found).splitlines()) == 203
        text = found.json()
        assert text.count('"op": ') == 2 * DEEP + 1
        assert text.count('"slot": ') == 2 * DEEP
    finally:
        gc.enable()


def test_what_is_no_tensor_is_refused() -> None:
    with pytest.raises(DtypeError, match="graph: takes a Tensor, or several of them, got int"):
        graph(3)
    with pytest.raises(DtypeError, match=r"graph: names must be a Module or a dict .* got int"):
        graph(leaf(2), 3)  # type: ignore[arg-type]
