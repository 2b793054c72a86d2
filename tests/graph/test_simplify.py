"""Simplification: the same results from fewer nodes, for random graphs and for each rule by itself."""

import numpy as np
import pytest
from graphs import call, graph_of, random_graph, random_values, variable
from hypothesis import given, settings
from hypothesis import strategies as st

import weft as mx
from weft.frontend.graph import simplify
from weft.frontend.graph.gradient import add_gradient
from weft.frontend.graph.infer import infer
from weft.frontend.graph.interpret import interpret

number = st.integers(0, 1000)
programs = st.lists(st.tuples(number, number, number), min_size=1, max_size=14)
PASSES = (simplify.remove_identities, simplify.merge_common, simplify.fold_constants, simplify.eliminate_dead, simplify.simplify)


def run(graph, values):
    # Copies, because operators may write auxiliary states; one seed, so that random operators draw the same.
    mx.random.seed(5)
    return [result.asnumpy() for result in interpret(graph, {name: value.copy() for name, value in values.items()})]


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("function", PASSES, ids=[function.__name__ for function in PASSES])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(program=programs)
def test_inference_graphs_compute_the_same(function, program):
    graph = random_graph(program)
    before = [(node, list(node.inputs)) for node in graph.nodes]
    smaller = function(graph)
    assert [(node, list(node.inputs)) for node in graph.nodes] == before, "the argument was changed"
    values = random_values(graph)
    assert_equal(run(smaller, values), run(graph, values))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(program=programs)
def test_training_graphs_compute_the_same(program):
    # Without dropout: when a node that draws numbers is dropped, those after it draw others.
    graph = add_gradient(random_graph(program, train=True, dropout=False), ["a", "b", "c"])
    smaller = simplify.simplify(graph)
    values = random_values(graph)
    assert_equal(run(smaller, values), run(graph, values))
    assert len(smaller.nodes) <= len(graph.nodes)


def operators(graph):
    return [node.op.name for node in graph.nodes if node.op is not None]


def simplified(*heads, train=False, **shapes):
    graph = graph_of(*heads)
    graph.train = train
    return simplify.simplify(infer(graph, shapes))


def test_nothing_to_do_returns_the_argument():
    graph = infer(graph_of(call("exp", [variable("x")])), {"x": (2,)})
    for function in PASSES:
        assert function(graph) is graph


def test_chains_of_identities_disappear():
    x = variable("x")
    y = call("exp", [call("_copy", [call("BlockGrad", [call("_mul_scalar", [x], scalar=1.0)])])])
    assert operators(simplified(y, x=(2, 3))) == ["exp"]


def test_a_head_that_is_a_copy_of_a_variable_stays():
    graph = simplified(call("_copy", [variable("x")]), x=(2,))
    assert operators(graph) == ["_copy"]


def test_dropout_goes_in_inference_only():
    y = call("exp", [call("Dropout", [variable("x")], p=0.5)])
    assert operators(simplified(y, x=(2, 3))) == ["exp"]
    graph = graph_of(y)
    graph.nodes[1].attrs = graph.nodes[1].attrs.with_(train=True)
    assert operators(simplify.simplify(infer(graph, {"x": (2, 3)}))) == ["Dropout", "exp"]
    always = call("exp", [call("Dropout", [variable("x")], p=0.5, mode="always")])
    assert operators(simplified(always, x=(2, 3))) == ["Dropout", "exp"]


def test_reshapes_and_transpositions_join():
    x = variable("x")
    y = call("exp", [call("Reshape", [call("Flatten", [x])], shape=(4, 3, 2))])
    graph = simplified(y, x=(2, 3, 4))
    assert operators(graph) == ["Reshape", "exp"] and graph.nodes[1].attrs.shape == (4, 3, 2)
    y = call("exp", [call("transpose", [call("transpose", [x], axes=(1, 2, 0))], axes=(2, 0, 1))])
    assert operators(simplified(y, x=(2, 3, 4))) == ["exp"]


def test_equal_calls_are_made_once_random_ones_are_not():
    x = variable("x")
    twice = call("elemwise_add", [call("exp", [x], "first"), call("exp", [x], "second")])
    assert operators(simplified(twice, x=(2,))) == ["exp", "elemwise_add"]
    noise = call("elemwise_add", [call("_random_uniform", [], shape=(2,)), call("_random_uniform", [], "u", shape=(2,))])
    assert operators(simplified(noise)).count("_random_uniform") == 2


def test_constants_are_folded_unless_they_would_be_large():
    x = variable("x")
    small = call("_mul_scalar", [call("_arange", [], start=0.0, stop=4.0)], scalar=3.0)
    graph = simplified(call("elemwise_add", [x, small]), x=(4,))
    assert operators(graph) == ["elemwise_add"] and len(graph.constants) == 1
    np.testing.assert_array_equal(next(iter(graph.constants.values())).asnumpy(), [0, 3, 6, 9])
    assert run(graph, {"x": mx.nd.ones(4)})[0].tolist() == [1, 4, 7, 10]
    assert [node.name for node in graph.variables()] == ["x"]
    large = call("broadcast_to", [call("_full", [], shape=(1, 1), value=2.0)], shape=(512, 512))
    graph = simplified(call("elemwise_add", [x, large]), x=(512, 512))
    assert "broadcast_to" in operators(graph)
    assert all(value.size == 1 for value in graph.constants.values())


def test_a_value_that_is_written_later_is_not_bypassed():
    weight, grad = variable("weight"), variable("grad")
    before = call("_copy", [weight])
    update = call("sgd_mom_update", [weight, grad, variable("mom")], lr=0.5, momentum=0.5)
    graph = simplified(before, update, weight=(2,), grad=(2,))
    state = {"weight": mx.nd.ones(2), "grad": mx.nd.ones(2), "mom": mx.nd.zeros(2)}
    assert operators(graph) == ["_copy", "sgd_mom_update"]
    assert interpret(graph, state)[0].asnumpy().tolist() == [1, 1]


def test_unused_nodes_go_and_arguments_stay():
    split = call("SliceChannel", [variable("x")], num_outputs=2, axis=0)
    graph = infer(graph_of(split, call("exp", [variable("y")])), {"x": (2,), "y": (3,)})
    graph.outputs, graph.n_heads = graph.outputs[:1], 1
    smaller = simplify.eliminate_dead(graph)
    assert operators(smaller) == ["SliceChannel"]
    assert [node.name for node in smaller.arguments()] == ["x", "y"]


def test_shapes_alone_do_not_keep_data():
    x = variable("x")
    like = call("elemwise_add", [call("reshape_like", [variable("y"), x]), call("zeros_like", [x])])
    graph = simplified(like, x=(2, 3), y=(6,))
    assert not any(source.name == "x" for node in graph.nodes for source, _ in node.inputs)


def test_notes_say_what_was_done():
    y = call("exp", [call("_copy", [variable("x")])])
    assert "1 identities removed" in simplified(y, x=(2,)).explain()


def test_equal_parameters_of_different_operators_are_different_calls():
    x = variable("x")
    sums = [call(name, [x], axis=1) for name in ("sum", "max", "mean")]
    assert len({id(node.attrs) for node, _ in sums}) < 3, "operators of one family share their records"
    graph = simplify.simplify(infer(graph_of(*sums), {"x": (2, 3)}))
    assert [node.op.name for node, _ in graph.outputs] == ["sum", "max", "mean"]


def test_zeros_of_both_signs_are_different_parameters():
    x = variable("x")
    products = [call("_mul_scalar", [x], scalar=zero) for zero in (0.0, -0.0)]
    graph = simplify.simplify(infer(graph_of(*[call("_rdiv_scalar", [product], scalar=1.0) for product in products]), {"x": (2,)}))
    first, second = (result.asnumpy() for result in interpret(graph, {"x": mx.nd.ones((2,))}))
    assert (first == np.inf).all() and (second == -np.inf).all()


def test_a_disposable_graph_is_changed_in_its_place():
    x = variable("x")
    graph = infer(graph_of(call("exp", [call("_copy", [x])])), {"x": (2,)})
    graph.disposable = True
    assert simplify.simplify(graph) is graph
    assert [node.op and node.op.name for node in graph.nodes] == [None, "exp"]
