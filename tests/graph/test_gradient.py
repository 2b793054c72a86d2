"""Gradient graphs against the tape of imperative calls: the same functions write both, so results are equal to the bit."""

import collections

import mxnet_differences
import numpy as np
import pytest
from graphs import call, graph_of, imperative, random_graph, random_values, variable
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_calls import RecordedCall, family

import weft as mx
from weft.frontend.graph.gradient import add_gradient, head_gradient_names
from weft.frontend.graph.infer import infer
from weft.frontend.graph.interpret import interpret
from weft.frontend.graph.ir import BACKWARD, Graph
from weft.ops import registry

FAMILIES = ("unary", "binary", "scalar", "reduce", "ordering", "shape", "indexing", "linalg", "nn", "loss", "sequence", "contrib")


def differentiable_cases():
    """Recorded calls of operators with a gradient: as many as there are of each operator, up to four."""
    seen = collections.Counter()
    for name in FAMILIES:
        for case in family(name)[0]:
            op = registry.find(case["op"].split(".")[-1])
            if "grad_of" not in case or "grad_error" in case or "out" in case or op is None or op.random:
                continue
            if mxnet_differences.differs(name, case["id"], "gradient") or seen[op.name] >= 4:
                continue
            seen[op.name] += 1
            yield pytest.param(name, case, id=f"{name}-{case['id']}")


def values_of(recorded, graph):
    """Return values for all variables of a gradient graph of a recorded call."""
    heads = recorded.heads([node.specs[i] for node, i in graph.outputs[: graph.n_heads]])
    used = {node.name for node in graph.head_grads}
    given = {name: head for name, head in zip(head_gradient_names(graph), heads) if name in used}
    return {f"x{i}": array for i, array in enumerate(recorded.new_arrays())} | given


def assert_same(found, expected, what):
    found, expected = found.asnumpy(), expected.asnumpy()
    assert found.dtype == expected.dtype and found.shape == expected.shape, what
    np.testing.assert_array_equal(found, expected, err_msg=what)


@pytest.mark.parametrize(("name", "case"), list(differentiable_cases()))
def test_gradient_graph_equals_the_tape(name, case):
    recorded = RecordedCall(name, case)
    _, results, gradients = recorded.imperative()
    graph = add_gradient(recorded.graph(), [f"x{i}" for i in recorded.wanted])
    found = interpret(graph, values_of(recorded, graph))
    for i, result in enumerate(results):
        assert_same(found[i], result, f"result {i}")
    for i, number in enumerate(recorded.wanted):
        assert_same(found[graph.n_heads + i], gradients[number], f"gradient of input {number}")


number = st.integers(0, 1000)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(program=st.lists(st.tuples(number, number, number), min_size=1, max_size=12))
def test_random_graphs_equal_the_tape(program):
    graph = add_gradient(random_graph(program, train=True, dropout=False), ["a", "b", "c"])
    values = random_values(graph)
    found = interpret(graph, values)
    arrays = {name: values[name] for name in "abc"}
    for array in arrays.values():
        array.attach_grad()
    with mx.autograd.record():
        results = imperative(graph, arrays)
    heads = [values.get(name) for name in head_gradient_names(graph)]
    recorded = [(r, h) for r, h in zip(results, heads) if h is not None]
    if recorded:
        mx.autograd.backward([r for r, _ in recorded], [h for _, h in recorded])
    for name, gradient in zip("abc", found[graph.n_heads :]):
        assert_same(gradient, arrays[name].grad, name)


def differentiated(head, wrt, **shapes):
    return add_gradient(infer(graph_of(head), shapes), wrt)


def evaluate(graph, **values):
    return [result.asnumpy().tolist() for result in interpret(graph, {name: mx.nd.array(v) for name, v in values.items()})]


def test_a_variable_used_twice_gets_the_sum():
    x = variable("x")
    graph = differentiated(call("elemwise_mul", [x, x]), ["x"], x=(2,))
    assert evaluate(graph, x=[2.0, 3.0], elemwise_mul_output_grad=[1.0, 10.0]) == [[4.0, 9.0], [4.0, 60.0]]


def test_zeros_where_nothing_flows():
    y = call("elemwise_add", [call("BlockGrad", [variable("x")]), variable("z")])
    graph = differentiated(y, ["x", "z"], x=(2,))
    assert evaluate(graph, x=[1.0, 2.0], z=[0.0, 0.0], elemwise_add_output_grad=[3.0, 4.0])[1:] == [[0.0, 0.0], [3.0, 4.0]]


def test_heads_that_are_blocked_or_losses_ask_for_no_gradient():
    x = variable("x")
    loss = call("SoftmaxOutput", [call("FullyConnected", [x, variable("w")], num_hidden=3, no_bias=True), variable("label")])
    graph = add_gradient(infer(graph_of(loss, call("BlockGrad", [x])), {"x": (2, 4)}), ["x", "w"])
    assert graph.head_grads == [] and graph.n_heads == 2 and graph.gradients == ["x", "w"]
    assert [node.name for node in graph.arguments()] == ["x", "w", "label"]


def test_the_gradient_of_a_head_may_pass_straight_through():
    x = variable("x")
    graph = differentiated((x, 0), ["x"], x=(2,))
    assert [node.name for node in graph.head_grads] == ["x_grad"]
    assert evaluate(graph, x=[1.0, 2.0], x_grad=[5.0, 6.0]) == [[1.0, 2.0], [5.0, 6.0]]


def test_parts_and_annotations():
    dense = call("FullyConnected", [variable("x"), variable("w")], "fc", num_hidden=3, no_bias=True)
    dense[0].annotations = {"__ctx_group__": "left"}
    graph = differentiated(dense, ["w"], x=(2, 4))
    backward = [node for node in graph.nodes if node.part == BACKWARD and node.op is not None]
    assert backward and all(node.name.startswith("fc_") and node.annotation("__ctx_group__") == "left" for node in backward)
    # Only what is asked for is computed.
    assert [len(node.specs) for node in backward] == [1]


def test_an_operator_without_gradient_is_named():
    y = call("argmax_channel", [variable("x")], "best")
    with pytest.raises(mx.MXNetError, match="Error in operator best: argmax_channel has no gradient"):
        differentiated(y, ["x"], x=(2, 3))


def test_names_that_are_no_variables_are_errors():
    with pytest.raises(mx.MXNetError, match="'y'"):
        differentiated(call("exp", [variable("x")]), ["y"], x=(2,))


def test_the_argument_is_not_changed():
    graph = infer(graph_of(call("exp", [variable("x")])), {"x": (2,)})
    nodes = list(graph.nodes)
    add_gradient(graph, ["x"])
    assert graph.nodes == nodes and graph.n_heads == len(graph.outputs) == 1
    assert add_gradient(graph, []) is graph


def gradient_only(graph):
    """Return the graph whose heads are the gradients of another."""
    result = Graph.from_entries(graph.outputs[graph.n_heads :])
    result.train = graph.train
    return result


SECOND = {
    "exp": lambda x: call("exp", [x]),
    "products": lambda x: call("elemwise_mul", [call("sin", [x]), call("elemwise_mul", [x, x])]),
    "dense": lambda x: call(
        "FullyConnected", [call("tanh", [x]), call("cos", [x])], num_hidden=3, no_bias=True
    ),
    "convolution": lambda x: call(
        "Convolution",
        [call("Reshape", [call("tanh", [x])], shape=(1, 1, 3, 4)), call("Reshape", [call("sin", [x])], shape=(3, 1, 2, 2))],
        kernel=(2, 2), num_filter=3, no_bias=True,
    ),
    "softmax": lambda x: call("softmax", [call("elemwise_mul", [x, x])], axis=-1),
    "reduction": lambda x: call("sum", [call("elemwise_mul", [x, call("exp", [x])])], axis=1),
    "activation": lambda x: call("Activation", [call("elemwise_mul", [x, x])], act_type="sigmoid"),
}  # fmt: skip


@pytest.mark.parametrize("name", SECOND)
def test_second_order_equals_the_tape(name):
    first = gradient_only(differentiated(SECOND[name](variable("x")), ["x"], x=(3, 4)))
    head = next(node.name for node in first.variables() if node.name.endswith("_grad"))
    second = add_gradient(infer(first), ["x"])
    values = random_values(second)
    found = interpret(second, values)[second.n_heads]

    x = values["x"]
    x.attach_grad()
    forward = graph_of(SECOND[name](variable("x")))
    with mx.autograd.record():
        result = imperative(forward, {"x": x})
        gradient = mx.autograd.grad(result, [x], [values[head]], create_graph=True, retain_graph=True)[0]
    gradient.backward(values[head_gradient_names(second)[0]])
    # Sums may run in another order here: the tape goes by the order of calls.
    np.testing.assert_allclose(found.asnumpy(), x.grad.asnumpy(), rtol=1e-5, atol=1e-6)
