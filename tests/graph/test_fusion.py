"""Point-wise fusion: which nodes are joined, and that results stay the same to the bit."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest

import weft as mx
from weft.frontend.graph.fusion import MOST_STEPS, fuse_pointwise
from weft.frontend.graph.gradient import add_gradient
from weft.frontend.graph.infer import infer
from weft.frontend.graph.interpret import interpret
from weft.frontend.graph.ir import Graph
from weft.frontend.graph.memory import plan_memory
from weft.frontend.graph.pipeline import optimize, set_mode

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import nets


def graph_of(symbol, train=False, wrt=(), **shapes):
    graph = set_mode(Graph.from_entries(symbol._entries), train)
    return add_gradient(infer(graph, shapes, {}), list(wrt))


def fused_nodes(graph):
    return [node for node in graph.nodes if node.op is not None and node.op.name == "_fused"]


def run(graph, seed=0):
    rng = np.random.default_rng(seed)
    values = {}
    for node in graph.nodes:
        if node.op is None and node.name not in graph.constants:
            array = rng.uniform(0.5, 1.5, node.specs[0].shape).astype(node.specs[0].dtype)
            values[node.name] = mx.nd.array(array, dtype=array.dtype)
    mx.random.seed(7)
    results = [result.asnumpy() for result in interpret(graph, values)]
    return results, {name: value.asnumpy() for name, value in values.items()}


def check(graph, expected_groups=None):
    """Fuse; compare results, and what was written to the variables, to the bit."""
    fused = fuse_pointwise(graph)
    ids = {node: index for index, node in enumerate(fused.nodes)}
    for node in fused.nodes:
        assert all(ids[source] < ids[node] for source, _ in node.inputs)
        assert node.id == ids[node]
    (results, values), (got, got_values) = run(graph), run(fused)
    assert len(results) == len(got)
    for one, other in zip(results, got):
        np.testing.assert_array_equal(one, other)
    for name, value in values.items():
        np.testing.assert_array_equal(value, got_values[name])
    if expected_groups is not None:
        assert len(fused_nodes(fused)) == expected_groups
    return fused


x, y = mx.sym.Variable("x"), mx.sym.Variable("y")


def test_chain():
    net = mx.sym.exp(mx.sym.tanh(x * 2 + 1))
    graph = graph_of(net, x=(3, 4))
    fused = check(graph, 1)
    assert len(fused.nodes) == 2 and fused.notes[-1] == ("fusion", "joined 4 element-wise operators into 1")
    assert "fused_" in fused_nodes(fused)[0].name
    assert len(graph.nodes) == 5  # the graph that was given is as it was


def test_nothing_to_join():
    graph = graph_of(mx.sym.exp(x), x=(3, 4))
    assert fuse_pointwise(graph) is graph
    graph = graph_of(mx.sym.dot(mx.sym.exp(x), mx.sym.tanh(x)), x=(4, 4))
    assert fuse_pointwise(graph) is graph
    assert len(check(graph_of(mx.sym.tanh(mx.sym.exp(x)), x=(1,)), 1).nodes) == 2


def test_results_that_others_read():
    a = mx.sym.exp(x)
    b = mx.sym.tanh(a)
    fused = check(graph_of(mx.sym.Group([mx.sym.sqrt(b), mx.sym.dot(a, a), b]), x=(4, 4)), 1)
    assert len(fused_nodes(fused)[0].specs) == 3


def test_no_cycle_through_other_operators():
    a = mx.sym.exp(x)
    between = mx.sym.dot(a, a)
    net = mx.sym.tanh(a) + mx.sym.sqrt(between)
    # exp and tanh may go together, the sum may not: it waits for dot, which waits for exp.
    fused = check(graph_of(net, x=(4, 4)))
    assert [len(node.inputs) for node in fused_nodes(fused)] == [1, 2]


def test_shapes_stay_apart_but_broadcasts_come_in():
    row = mx.sym.exp(mx.sym.tanh(y))
    net = mx.sym.relu(mx.sym.broadcast_add(mx.sym.exp(x), row)) * 2
    fused = check(graph_of(net, x=(5, 4), y=(1, 4)), 2)
    small, large = fused_nodes(fused)
    assert small.specs[0].shape == (1, 4) and large.specs[0].shape == (5, 4)


def test_dtypes_and_where():
    half = mx.sym.cast(mx.sym.exp(x), dtype="float16") * 0.1
    back = mx.sym.cast(half + 1, dtype="float32")
    check(graph_of(mx.sym.where(back > 1.2, back, x), x=(50, 40)), 1)


def test_activations():
    net = mx.sym.Activation(mx.sym.LeakyReLU(x + 1, act_type="gelu"), act_type="softrelu")
    check(graph_of(mx.sym.clip(net, 0.1, 0.9), x=(5, 4)), 1)
    graph = set_mode(graph_of(mx.sym.LeakyReLU(x, act_type="rrelu")[0] + 1, x=(5, 4)), True)
    assert fuse_pointwise(graph) is graph  # draws its slopes
    check(graph_of(mx.sym.LeakyReLU(x, y, act_type="prelu") * 2, x=(5, 4), y=(4,)))


def test_long_chains_are_cut():
    net = x
    for _ in range(2 * MOST_STEPS + 1):
        net = mx.sym.sqrt(net)
    fused = check(graph_of(net, x=(20,)))
    assert len(fused.nodes) == 4  # the variable, two groups, and one operator left over


def test_order_of_effects():
    # The moving statistics are read before and after the node that moves them.
    mean, var = mx.sym.Variable("mean"), mx.sym.Variable("var")
    net = mx.sym.BatchNorm(mx.sym.exp(x) + 1, mx.sym.Variable("gamma"), mx.sym.Variable("beta"), mean, var, fix_gamma=False)
    head = mx.sym.MakeLoss(mx.sym.exp(net * 2))
    graph = graph_of(head, True, ["x", "gamma"], x=(4, 3, 5))
    fused = check(graph)
    assert all((source.name not in ("mean", "var")) for node in fused_nodes(fused) for source, _ in node.inputs)


def test_parts_contexts_and_cached_nodes_stay_apart():
    graph = graph_of(mx.sym.exp(mx.sym.tanh(mx.sym.sqrt(x))), x=(4,)).copy()
    graph.nodes[1].cached = True
    assert len(fused_nodes(fuse_pointwise(graph))[0].inputs) == 1 and len(fuse_pointwise(graph).nodes) == 3
    graph.nodes[2].context = mx.cpu(1)
    assert fuse_pointwise(graph) is graph


def test_dynamic_numbers_follow():
    graph = graph_of((x * 3 + 2) / 5, x=(4,))
    fused = fuse_pointwise(graph)
    assert fused_nodes(fused)[0].attrs.scalars == (3.0, 2.0, 5.0)


def random_symbol(rng, count):
    values = [x, y]
    for _ in range(count):
        a, b = (values[max(0, len(values) - 1 - int(rng.expovariate(0.4)))] for _ in range(2))
        kind = rng.randrange(9)
        if kind < 2:
            values.append(getattr(mx.sym, rng.choice(["exp", "tanh", "sqrt", "relu", "sigmoid", "square"]))(mx.sym.clip(a, 0.01, 2)))
        elif kind < 5:
            values.append(rng.choice([lambda p, q: p + q, lambda p, q: p * q, lambda p, q: p - q])(a, b))
        elif kind == 5:
            values.append(mx.sym.dot(a, b) * 0.1)
        elif kind == 6:
            values.append(mx.sym.broadcast_mul(a, mx.sym.mean(b, axis=0, keepdims=True)))
        elif kind == 7:
            values.append(mx.sym.softmax(a))
        else:
            values.append(a / (mx.sym.abs(b) + 1))
    return mx.sym.Group([values[-1], rng.choice(values[2:])]) if rng.random() < 0.5 else values[-1]


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed):
    rng = random.Random(seed)
    symbol = random_symbol(rng, rng.randint(2, 40))
    names = symbol.list_arguments()
    shapes = dict.fromkeys(names, (6, 6))
    check(graph_of(symbol, **shapes))
    loss = mx.sym.MakeLoss(mx.sym.sum(symbol[0]))
    names = loss.list_arguments()
    check(graph_of(loss, True, names, **dict.fromkeys(names, (6, 6))))


SMALL = {
    "LeNet": {"batch": 2},
    "ResNet-18": {"batch": 2, "image": 32, "classes": 10},
    "LSTM, 35 steps": {"batch": 3, "steps": 4, "words": 20, "width": 8},
    "MLP": {"batch": 4},
}


@pytest.mark.parametrize("name", SMALL)
def test_training_networks(name):
    symbol, shapes = nets.NETS[name](mx, **SMALL[name])
    wrt = [argument for argument in symbol.list_arguments() if argument not in shapes]
    graph = graph_of(symbol, True, wrt, **shapes)
    fused = check(graph)
    before, after = (plan_memory(g, g.outputs).total for g in (graph, fused))
    assert after <= before * 1.1


@pytest.mark.parametrize("name", [*nets.NETS])
@pytest.mark.parametrize("train", [True, False])
def test_planned_memory(name, train):
    """What issue 3 asks for, on the networks it names (and no worse than half and a half on tiny ones)."""
    symbol, shapes = nets.NETS[name](mx)
    wrt = [argument for argument in symbol.list_arguments() if argument not in shapes] if train else []
    graph = optimize(graph_of(symbol, train, wrt, **shapes), ["conv_bn", "postops", "layout"])
    plan = plan_memory(graph, graph.outputs, lent=graph.outputs)
    assert plan.total <= 1.05 * plan.lower_bound
    if name not in ("MLP", "LeNet"):
        assert plan.total <= plan.no_reuse * (0.5 if train else 0.25)


def test_groups_that_differ_in_the_sign_of_a_zero_keep_theirs():
    x, y = mx.sym.Variable("x"), mx.sym.Variable("y")
    graph = graph_of(mx.sym.Group([x * 0.0 + y, x * -0.0 + y]), x=(3,), y=(3,))
    fused = check(graph, expected_groups=2)
    results = interpret(fused, {"x": mx.nd.ones((3,)), "y": mx.nd.array([-0.0] * 3)})
    assert [np.signbit(result.asnumpy()).all() for result in results] == [False, True]
