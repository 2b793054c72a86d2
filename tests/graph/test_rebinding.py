"""Graphs that are bound again: what the passes made of them is used again, for equal ones only."""

import numpy as np
import pytest

import weft as mx
from weft import engine
from weft.frontend.graph import compiled as module
from weft.frontend.graph.compiled import Compiled, Plans
from weft.frontend.graph.ir import Graph


@pytest.fixture(autouse=True)
def plans():
    module.plans.clear()
    yield module.plans
    module.plans.clear()


def net(hidden=4, function="tanh", name="fc", ctx_group=None):
    with mx.AttrScope(**({"ctx_group": ctx_group} if ctx_group else {})):
        y = mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=hidden, name=name)
    return scaled(mx.sym.Activation(y, act_type=function, name="act"), 0.5)


def scaled(symbol, factor):
    with mx.name.NameManager():  # which begins to count anew
        return symbol * factor


def train_graph(symbol, grad_req="write", dtype="float32", shape=(2, 3), **more):
    executor = symbol.simple_bind(mx.cpu(), grad_req, type_dict={"data": dtype}, data=shape, **more)
    return executor._get(True, True).graph


def fill(executor, seed):
    rng = np.random.default_rng(seed)
    for array in executor.arg_arrays:
        array[:] = rng.uniform(-1, 1, array.shape)
    return {name: array.asnumpy() for name, array in executor.arg_dict.items()}


def expected(values):
    y = np.tanh(values["data"] @ values["fc_weight"].T + values["fc_bias"])
    return y * 0.5, (0.5 * (1 - y * y)).T @ values["data"]


@pytest.mark.parametrize("composed_anew", [False, True])
def test_an_equal_graph_with_other_arrays_uses_what_was_made_before(composed_anew):
    symbol = net()
    one = symbol.simple_bind(mx.cpu(), data=(2, 3))
    other = (net() if composed_anew else symbol).simple_bind(mx.cpu(), data=(2, 3))
    sides = [(executor, fill(executor, seed)) for seed, executor in enumerate((one, other))]
    for executor, _ in sides:
        executor.forward(is_train=True)
    # Both are between their halves now: what one keeps there is no matter of the other's.
    for executor, values in reversed(sides):
        executor.backward(mx.nd.ones((2, 4)))
        output, gradient = expected(values)
        np.testing.assert_allclose(executor.outputs[0].asnumpy(), output, rtol=1e-5)
        np.testing.assert_allclose(executor.grad_dict["fc_weight"].asnumpy(), gradient, rtol=1e-5, atol=1e-6)
    assert one._get(True, True).graph is other._get(True, True).graph
    assert one._get(True, True).program is not other._get(True, True).program
    assert one.explain() == other.explain()


@pytest.mark.parametrize(
    "change",
    [
        lambda: train_graph(net(hidden=5)),
        lambda: train_graph(net(function="sigmoid")),
        lambda: train_graph(net(name="other")),
        lambda: train_graph(scaled(net(), 2.0)),
        lambda: train_graph(scaled(net().get_children()[0], -0.5)),
        lambda: train_graph(net(), shape=(3, 3)),
        lambda: train_graph(net(), dtype="float64"),
        lambda: train_graph(net(), "add"),
        lambda: train_graph(net(), {"data": "null", "fc_weight": "write", "fc_bias": "write"}),
        lambda: train_graph(net(ctx_group="first"), group2ctx={"first": mx.cpu(1)}),
        lambda: train_graph(net(ctx_group="first"), group2ctx={"first": mx.cpu(0)}),
        lambda: net().simple_bind(mx.cpu(), data=(2, 3))._get(False, False).graph,
        lambda: net().simple_bind(mx.cpu(), data=(2, 3))._get(True, False).graph,
    ],
    ids=["parameter", "word", "name", "node", "number", "shape", "dtype", "add", "null", "group", "annotation", "inference", "no gradients"],
)
def test_whatever_is_another_graph_is_made_anew(change, plans):
    first = train_graph(net())
    assert change() is not first
    assert train_graph(net()) is first
    assert len(plans) == 2


@pytest.mark.parametrize("name, value", [("WEFT_GRAPH_PASSES", "-fusion"), ("WEFT_RECOMPUTE", "mirror")])
def test_switches_of_passes_count(monkeypatch, name, value):
    first = train_graph(net())
    monkeypatch.setenv(name, value)
    second = train_graph(net())
    assert second is not first and train_graph(net()) is second
    assert ("fusion" in second.explain()) == (name != "WEFT_GRAPH_PASSES")
    monkeypatch.delenv(name)
    assert train_graph(net()) is first


def test_another_number_of_cores_begins_anew():
    first = train_graph(net())
    cores = engine.settings()["cores"]
    try:
        engine.configure(cores=1 if cores > 1 else 2)
        assert train_graph(net()) is not first
    finally:
        engine.configure(cores=cores)


def test_objects_of_programs_are_never_taken_for_each_other(plans):
    class Twice(mx.operator.CustomOp):
        def forward(self, is_train, req, in_data, out_data, aux):
            self.assign(out_data[0], req[0], in_data[0] * 2)

    @mx.operator.register("rebinding_twice")
    class TwiceProp(mx.operator.CustomOpProp):
        def create_operator(self, ctx, shapes, dtypes):
            return Twice()

    symbol = mx.sym.Custom(mx.sym.Variable("data"), op_type="rebinding_twice")
    for value in (1, 2):
        executor = symbol.simple_bind(mx.cpu(), "null", data=(2,))
        assert executor.forward(data=mx.nd.full((2,), value))[0].asnumpy().tolist() == [2 * value] * 2
    assert len(plans) == 0


def test_graphs_for_monitors_are_not_kept(plans):
    executor = net().simple_bind(mx.cpu(), "null", data=(2, 3))
    seen = []
    executor.set_monitor_callback(lambda name, array: seen.append(name))
    executor.forward()
    assert seen and len(plans) == 0


def test_the_ones_asked_for_last_are_kept():
    kept = Plans(most_nodes=10)
    graphs = {name: Compiled(Graph(), [], {}) for name in "abcd"}
    for name in "abc":
        kept.put(name, graphs[name], 4, None)
        assert kept.get("a") is graphs["a"]
    assert kept.get("b") is None and kept.get("c") is graphs["c"]
    kept.put("d", graphs["d"], 11, None)
    assert kept.get("d") is None and len(kept) == 2
