"""Nodes, graphs, building them from values, the pass table and the interpreter."""

import numpy as np
import pytest

import weft as mx
from weft.frontend.graph import BACKWARD, Graph, GraphBuilder, Node, interpret, optimize, pipeline, set_mode
from weft.frontend.graph.ir import topological_order
from weft.ops import registry
from weft.ops.array import spec
from weft.ops.functions import F


def variable(name, shape=None):
    node = Node(None, None, name)
    if shape is not None:
        node.specs = (spec(shape, "float32"),)
    return node


def call(name, *inputs, node_name=None, **params):
    op = registry.get(name)
    return Node(op, op.attrs(params), node_name or name, [entry if isinstance(entry, tuple) else (entry, 0) for entry in inputs])


def test_order_is_depth_first_by_inputs():
    a, b, c = variable("a"), variable("b"), variable("c")
    left = call("elemwise_add", a, b, node_name="left")
    right = call("elemwise_add", c, a, node_name="right")
    top = call("elemwise_mul", left, right, node_name="top")
    assert [node.name for node in topological_order([(top, 0)])] == ["a", "b", "left", "c", "right", "top"]


def test_a_graph_with_a_user_before_its_input_is_refused():
    x = variable("x")
    first = call("exp", x, node_name="first")
    graph = Graph.from_entries([(call("sin", first, node_name="second"), 0)])
    graph.nodes.reverse()
    graph.number()
    with pytest.raises(mx.MXNetError, match="'first' is used by one that comes before it"):
        graph.copy()


def test_copies_follow_the_list_of_nodes_whatever_their_numbers():
    x = variable("x")
    first = call("exp", x, node_name="first")
    second = call("elemwise_add", first, x, node_name="second")
    first.controls = [x]
    graph = Graph.from_entries([(second, 0), (first, 0)])
    for node in graph.nodes:
        node.id = -1
    copied = graph.copy()
    assert [node.name for node in copied.nodes] == ["x", "first", "second"]
    assert [node.id for node in copied.nodes] == [0, 1, 2]
    assert copied.outputs == [(copied.nodes[2], 0), (copied.nodes[1], 0)]
    assert copied.nodes[2].inputs == [(copied.nodes[1], 0), (copied.nodes[0], 0)]
    assert copied.nodes[1].controls == [copied.nodes[0]]


def test_a_cycle_is_named():
    a = variable("a")
    first = call("exp", a, node_name="first")
    second = call("exp", first, node_name="second")
    first.inputs[0] = (second, 0)
    with pytest.raises(mx.MXNetError, match="cycle through node 'second'"):
        topological_order([(second, 0)])


def test_deep_graphs_need_no_recursion():
    node = variable("x")
    for i in range(30000):
        node = call("exp", node, node_name=f"n{i}")
    graph = Graph.from_entries([(node, 0)])
    assert len(graph.nodes) == 30001
    assert graph.copy().nodes[-1].name == "n29999"


def test_graphs_own_their_nodes():
    x = variable("x")
    y = call("exp", x, node_name="y")
    graph = Graph.from_entries([(y, 0)])
    copy = graph.copy()
    copy.nodes[1].name = "changed"
    copy.nodes[1].inputs[0] = (copy.nodes[0], 0)
    assert y.name == graph.nodes[1].name == "y"
    assert graph.nodes[1].inputs == [(graph.nodes[0], 0)]
    assert [node.id for node in graph.nodes] == [0, 1]


def test_reorder_drops_what_nothing_needs_and_respects_controls():
    x = variable("x")
    first, second = call("exp", x, node_name="first"), call("sin", x, node_name="second")
    graph = Graph.from_entries([(first, 0), (second, 0)])
    first, second = graph.nodes[1], graph.nodes[2]
    first.controls = [second]
    graph.outputs = graph.outputs[:1]
    graph.reorder()
    assert [node.name for node in graph.nodes] == ["x", "second", "first"]
    first.controls = None
    graph.reorder()
    assert [node.name for node in graph.nodes] == ["x", "first"]


def test_auxiliary_states_are_found_by_use():
    data, gamma, beta, mean, var = (variable(name) for name in ("data", "gamma", "beta", "mean", "var"))
    graph = Graph.from_entries([(call("BatchNorm", data, gamma, beta, mean, var), 0)])
    assert [node.name for node in graph.auxiliaries()] == ["mean", "var"]
    assert [node.name for node in graph.arguments()] == ["data", "gamma", "beta"]


def test_consumers_list_every_use():
    x = variable("x")
    graph = Graph.from_entries([(call("elemwise_mul", x, x), 0)])
    assert graph.consumers() == [[(graph.nodes[1], 0), (graph.nodes[1], 1)], []]


def built(function, *shapes):
    """The graph of a function of values, and the values' arrays."""
    variables = [variable(f"v{i}", shape) for i, shape in enumerate(shapes)]
    graph = Graph.from_entries([(node, 0) for node in variables])
    with GraphBuilder(graph) as builder:
        result = function(*[builder.value(entry) for entry in graph.outputs])
    graph.outputs = [value.entry for value in (result if isinstance(result, list) else [result])]
    graph.n_heads = len(graph.outputs)
    return graph


def evaluate(graph, *arrays):
    outputs = interpret(graph, {f"v{i}": mx.nd.array(array) for i, array in enumerate(arrays)})
    return [output.asnumpy() for output in outputs]


OPERATORS = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a % b, lambda a, b: a**b,
    lambda a, b: a + 2, lambda a, b: 2 - a, lambda a, b: 2 / a, lambda a, b: 3 % a, lambda a, b: 2**a, lambda a, b: a**2,
    lambda a, b: -a, lambda a, b: a == b, lambda a, b: a != b, lambda a, b: a < 1.5, lambda a, b: a <= b, lambda a, b: a > b,
    lambda a, b: a >= 1.5,
]  # fmt: skip


@pytest.mark.parametrize("function", OPERATORS)
def test_values_compute_what_arrays_compute(function):
    a = np.array([[0.5, 1.5, 2.5]], np.float32)
    b = np.array([[1.5], [0.5]], np.float32)
    (result,) = evaluate(built(function, a.shape, b.shape), a, b)
    np.testing.assert_array_equal(result, function(mx.nd.array(a), mx.nd.array(b)).asnumpy())


def test_values_know_their_shapes_and_take_operators_as_methods():
    graph = built(lambda a: a.reshape(shape=(3, 2)).sum(axis=1), (2, 3))
    node, index = graph.outputs[0]
    assert node.specs[index] == spec((3,), "float32")
    np.testing.assert_array_equal(evaluate(graph, np.arange(6).reshape(2, 3))[0], [1, 5, 9])


def test_operators_without_inputs_join_the_open_graph_only():
    graph = built(lambda a: F.elemwise_add(a, F._ones(shape=(2,))), (2,))
    assert [node.op.name for node in graph.nodes if node.op] == ["_ones", "elemwise_add"]
    assert isinstance(F._ones(shape=(2,)), mx.nd.NDArray)


def test_hidden_outputs_and_the_training_mode():
    graph = set_mode(Graph.from_entries([(variable("x", (2, 3)), 0)]), True)
    builder = GraphBuilder(graph)
    builder.part = BACKWARD
    x = builder.value(graph.outputs[0])
    assert not isinstance(builder.call("Dropout", [x]), list)
    out, mask = builder.call_all("Dropout", [x])
    assert out.node.attrs.train
    assert out.node.part == BACKWARD
    assert out.shape == mask.shape


def test_names_are_unique():
    graph = Graph.from_entries([(variable("exp0", (2,)), 0)])
    builder = GraphBuilder(graph)
    x = builder.value(graph.outputs[0])
    names = [builder.call("exp", [x]).node.name, builder.call("exp", [x], None, "mine").node.name]
    names.append(builder.call("exp", [x], None, "mine").node.name)
    assert names == ["exp1", "mine", "mine0"]


def test_misfits_name_the_node():
    graph = Graph.from_entries([(variable("a", (2, 3)), 0), (variable("b", (4,)), 0)])
    builder = GraphBuilder(graph)
    with pytest.raises(mx.MXNetError, match="Error in operator sum_of_both: .*elemwise_add"):
        builder.call("elemwise_add", [builder.value(entry) for entry in graph.outputs], None, "sum_of_both")
    with pytest.raises(TypeError, match="must be values of the graph, got float"):
        builder.call("exp", [1.0])


def test_interpret_names_what_is_missing_and_what_fails():
    x, y = variable("x"), variable("y")
    graph = Graph.from_entries([(call("elemwise_add", x, y, node_name="total"), 0)])
    with pytest.raises(mx.MXNetError, match="variable 'y' has no value; given are x"):
        interpret(graph, {"x": mx.nd.ones(2)})
    with pytest.raises(mx.MXNetError, match="Error in operator total"):
        interpret(graph, {"x": mx.nd.ones(2), "y": mx.nd.ones(3)})


def test_interpret_shows_every_node_and_writes_states():
    data, gamma, beta, mean, var = (variable(name) for name in ("data", "gamma", "beta", "mean", "var"))
    norm = call("BatchNorm", data, gamma, beta, mean, var, node_name="norm")
    graph = Graph.from_entries([(call("exp", norm, node_name="top"), 0)])
    seen = []
    values = {name: mx.nd.ones(3) for name in ("gamma", "beta", "mean", "var")}
    values["data"] = mx.nd.ones((2, 3))
    outputs = interpret(graph, values, visit=lambda node, arrays: seen.append((node.name, len(arrays))))
    assert seen == [("norm", 3), ("top", 1)]
    assert outputs[0].shape == (2, 3)


def test_mode_reaches_the_operators_that_ask_for_it():
    graph = Graph.from_entries([(call("Dropout", variable("x"), p=0.9), 0)])
    trained = set_mode(graph, True)
    assert trained.nodes[1].attrs.train
    assert not graph.nodes[1].attrs.train
    assert set_mode(trained, True) is trained
    data = mx.nd.ones((50, 50))
    assert (interpret(graph, {"x": data})[0].asnumpy() == 1).all()
    assert (interpret(trained, {"x": data})[0].asnumpy() == 0).any()


def test_passes_run_in_order_where_they_belong(monkeypatch):
    ran = []

    def recorder(name):
        def run(graph):
            ran.append(name)
            return graph

        return run

    class Row(pipeline.Pass):
        def load(self):
            return recorder(self.name)

    rows = [Row("first", "", "both"), Row("training", "", "train"), Row("last", "", "inference")]
    monkeypatch.setattr(pipeline, "PASSES", rows)
    optimize(Graph())
    optimize(set_mode(Graph(), True), disabled=["first"])
    monkeypatch.setenv("WEFT_GRAPH_PASSES", "-last")
    optimize(Graph())
    assert ran == ["first", "last", "training", "first"]
    monkeypatch.setenv("WEFT_GRAPH_PASSES", "none")
    optimize(Graph())
    assert len(ran) == 4
    monkeypatch.setenv("WEFT_GRAPH_PASSES", "fusion")
    with pytest.raises(ValueError, match="names with a minus"):
        optimize(Graph())
    monkeypatch.setenv("WEFT_GRAPH_PASSES", "-none_such")
    with pytest.raises(ValueError, match="no graph pass none_such"):
        optimize(Graph())
