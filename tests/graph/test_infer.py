"""Inference: MXNet's recorded answers, both directions, errors that name nodes, and cost that grows with the graph only."""

import json
import pathlib

import numpy as np
import pytest
from graphs import call, from_json, graph_of, variable

import weft as mx
from weft.frontend.graph.infer import infer, infer_partial, infer_shapes, infer_types
from weft.ops import registry

DATA = pathlib.Path(__file__).parents[1] / "data" / "mxnet" / "inference.json"
CASES = json.loads(DATA.read_text())

# MXNet also raises where it knows too little for a rule of its own; weft goes on.
IGNORANCE = ("must be known", "must have specified type")


def cases(kind):
    chosen = [case for case in CASES if case["kind"] == kind]
    return pytest.mark.parametrize("case", chosen, ids=[f"{i}-{case['name']}" for i, case in enumerate(chosen)])


def contains_any(text, parts):
    return any(part in text for part in parts)


def entries_of(graph, case):
    nodes = {node.name: (node, 0) for node in graph.nodes if node.is_variable}
    return [[nodes[name] for name in case["arguments"]], graph.outputs, [nodes[name] for name in case["states"]]]


@cases("shape")
def test_shapes_are_at_least_what_mxnet_knows(case):
    graph = from_json(case["symbol"])
    given = {name: tuple(shape) for name, shape in case["given"].items()}
    if "error" in case and not contains_any(case["error"], IGNORANCE):
        with pytest.raises(mx.MXNetError, match="Error in operator " + case["error"].split("operator ")[1].split(":")[0]):
            infer_shapes(graph, given)
        return
    found = infer_shapes(graph, given)
    for entries, shapes in zip(entries_of(graph, case), case.get("found") or ()):
        for (node, index), theirs in zip(entries, shapes):
            if not theirs:
                continue
            ours = found[node, index]
            assert ours is not None and len(ours) == len(theirs), (node.name, ours, theirs)
            assert all(not b or a == b for a, b in zip(ours, theirs)), (node.name, ours, theirs)


@cases("type")
def test_types_are_at_least_what_mxnet_knows(case):
    graph = from_json(case["symbol"])
    if "error" in case and not contains_any(case["error"], IGNORANCE):
        with pytest.raises(mx.MXNetError, match="Error in operator"):
            infer_types(graph, case["given"])
        return
    found = infer_types(graph, case["given"])
    for entries, dtypes in zip(entries_of(graph, case), case.get("found") or ()):
        for (node, index), theirs in zip(entries, dtypes):
            assert theirs is None or found[node, index] == np.dtype(theirs), node.name


def chain(count, op="exp"):
    entry = (variable("x"), 0)
    for i in range(count):
        entry = call(op, [entry], f"n{i}")
    return entry


def dense(data, units, name, **attrs):
    inputs = [data, variable(f"{name}_weight")] + ([] if attrs.get("no_bias") else [variable(f"{name}_bias")])
    return call("FullyConnected", inputs, name, num_hidden=units, **attrs)


def by_name(graph):
    return {node.name: node for node in graph.nodes}


def test_infer_fills_specs_and_leaves_its_argument_alone():
    graph = graph_of(dense(variable("data"), 4, "fc"))
    done = infer(graph, {"data": (2, 3)}, {"data": "float16"})
    specs = {node.name: node.specs[0] for node in done.nodes}
    assert {name: spec.shape for name, spec in specs.items()} == {"data": (2, 3), "fc_weight": (4, 3), "fc_bias": (4,), "fc": (2, 4)}
    assert {spec.dtype.name for spec in specs.values()} == {"float16"}
    assert all(node.specs is None for node in graph.nodes) and not graph.notes
    assert done.notes[0][0] == "infer"


def test_variables_that_nothing_constrains_are_float32():
    graph = graph_of(call("elemwise_add", [call("Cast", [variable("a")], dtype="float64"), variable("b")]))
    done = by_name(infer(graph, {"a": (3,)}))
    assert done["a"].specs[0].dtype == np.float32 and done["b"].specs[0].dtype == np.float64


def test_knowledge_travels_back_through_a_long_chain():
    graph = graph_of(call("elemwise_add", [chain(2000), variable("y")]))
    shapes = infer_shapes(graph, {"y": (3, 4)})
    assert shapes[graph.nodes[0], 0] == (3, 4)


def test_begin_states_find_their_batch_size():
    state = call("_zeros", [], "begin", shape=(0, 8))
    step = call("elemwise_add", [dense(variable("data"), 8, "i2h"), dense(state, 8, "h2h")], "step")
    done = by_name(infer(graph_of(step), {"data": (5, 3)}))
    assert done["begin"].specs[0].shape == (5, 8) and done["begin"].attrs.shape == (5, 8)
    assert done["h2h_weight"].specs[0].shape == (8, 8)


def test_conflicts_name_the_node_and_both_shapes():
    graph = graph_of(dense(variable("data"), 4, "fc1"))
    with pytest.raises(mx.MXNetError, match=r"Error in operator fc1: .*weight has shape \(4, 5\), expected \(4, 3\)"):
        infer(graph, {"data": (2, 3), "fc1_weight": (4, 5)})
    with pytest.raises(mx.MXNetError, match="Error in operator fc1: .*float64"):
        infer(graph, {"data": (2, 3)}, {"data": "float16", "fc1_weight": "float64"})


def test_what_stays_unknown_is_named():
    graph = graph_of(dense(variable("data"), 4, "fc1"))
    with pytest.raises(mx.MXNetError, match=r"data: \(0, 3\)"):
        infer(graph, {"data": (0, 3)})
    with pytest.raises(mx.MXNetError, match="fc1_weight"):
        infer(graph)
    half = by_name(infer(graph, {"data": (0, 3)}, partial=True))
    assert half["data"].specs == (None,) and half["fc1_weight"].specs[0].shape == (4, 3)


@pytest.mark.parametrize("shape", ["(2,", "three", (2, -3), (2.5,)])
def test_impossible_shapes_name_the_variable(shape):
    with pytest.raises(mx.MXNetError, match="variable x"):
        infer_shapes(graph_of(chain(1)), {"x": shape})


def test_names_that_are_not_in_the_graph_are_errors():
    with pytest.raises(mx.MXNetError, match="'datta' is not an argument .*: x"):
        infer_partial(graph_of(chain(1)), {"datta": (2, 3)})
    with pytest.raises(mx.MXNetError, match="'datta'"):
        infer(graph_of(chain(1)), {"x": (2,)}, {"datta": "float32"})


def test_annotations_count_unless_something_is_given():
    x = variable("x", __shape__="(2, 0)", __dtype__="1")
    shapes, dtypes = infer_partial(graph_of(call("elemwise_add", [x, variable("y")])), {"y": (0, 3)})
    assert set(shapes.values()) == {(2, 3)} and {dtype.name for dtype in dtypes.values()} == {"float64"}
    shapes, dtypes = infer_partial(graph_of((x, 0)), {"x": (7,)}, {"x": "int32"})
    assert list(shapes.values()) == [(7,)] and list(dtypes.values()) == [np.int32]


def test_rules_are_asked_once_for_calls_that_repeat():
    asked = infer(graph_of(chain(500)), {"x": (2, 3)}).notes[0][1]
    assert asked.endswith("1 different calls")


def test_rules_of_shapes_are_asked_once(monkeypatch):
    """Keras asks for the shapes of the whole graph after each layer: what a rule said is remembered, except of custom operators."""
    op = registry.get("LRN")
    asked, rule = [], op.infer_partial
    monkeypatch.setattr(op, "infer_partial", lambda *arguments: asked.append(arguments) or rule(*arguments))
    y = mx.sym.LRN(mx.sym.var("x"), nsize=97)
    for _ in range(3):
        assert y.infer_shape_partial(x=(0, 3, 5, 5))[1] == [(0, 3, 5, 5)]
    n_asked = len(asked)
    assert 0 < n_asked <= 2
    assert y.infer_shape(x=(2, 3, 5, 5))[1] == [(2, 3, 5, 5)] and len(asked) > n_asked
    for _ in range(2):  # refusals are not remembered as answers
        with pytest.raises(mx.MXNetError, match="big"):
            mx.sym.Convolution(mx.sym.var("x"), kernel=(9, 9), num_filter=2, name="big").infer_shape(x=(1, 3, 5, 5))

    questions = []

    @mx.operator.register("counts_questions")
    class Counts(mx.operator.CustomOpProp):
        def infer_shape(self, in_shape):
            questions.append(in_shape)
            return in_shape, in_shape, []

    z = mx.sym.Custom(mx.sym.var("x"), op_type="counts_questions")
    for _ in range(2):
        n_questions = len(questions)
        assert z.infer_shape(x=(2,))[1] == [(2,)]
        assert len(questions) > n_questions
