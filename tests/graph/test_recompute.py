"""Recomputation: the same gradients to the bit, less memory, and only what may be repeated is repeated."""

import numpy as np
import pytest
from graphs import call, graph_of, random_graph, random_values, variable
from hypothesis import given, settings
from hypothesis import strategies as st

import weft as mx
from weft.frontend.graph import pipeline
from weft.frontend.graph.gradient import add_gradient
from weft.frontend.graph.infer import infer
from weft.frontend.graph.interpret import interpret
from weft.frontend.graph.ir import BACKWARD
from weft.frontend.graph.memory import plan_memory
from weft.frontend.graph.recompute import recompute

number = st.integers(0, 1000)
programs = st.lists(st.tuples(number, number, number), min_size=2, max_size=16)


def run(graph, values):
    mx.random.seed(5)
    return [result.asnumpy() for result in interpret(graph, {name: value.copy() for name, value in values.items()})]


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", ["mirror", "sublinear"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(program=programs)
def test_random_graphs_compute_the_same(mode, program):
    graph = add_gradient(random_graph(program, train=True), ["a", "b", "c"])
    values = random_values(graph)
    assert_equal(run(recompute(graph, mode, most_time=1.0), values), run(graph, values))


def layers(count, kind="dense", annotations=None):
    x = variable("data")
    for i in range(count):
        if kind == "dense":
            x = call("FullyConnected", [x, variable(f"w{i}"), variable(f"b{i}")], f"fc{i}", num_hidden=64)
        else:
            x = call("Convolution", [x, variable(f"w{i}"), variable(f"b{i}")], f"conv{i}", kernel=(3, 3), pad=(1, 1), num_filter=8)
            states = [variable(f"{name}{i}") for name in ("gamma", "beta", "mean", "var")]
            x = call("BatchNorm", [x, *states], f"bn{i}", fix_gamma=False)
            x[0].annotations = annotations
        x = call("Activation", [x], f"act{i}", act_type="relu")
        x[0].annotations = annotations
    if kind == "drop":
        x = call("Dropout", [x], "drop")
    return call("SoftmaxOutput", [call("Flatten", [x]), variable("label")], "softmax")


def training(head, **shapes):
    graph = pipeline.set_mode(graph_of(head), True)
    graph = infer(graph, shapes)
    wanted = [node.name for node in graph.arguments() if node.name not in ("data", "label")]
    return add_gradient(graph, wanted)


def planned(graph):
    return plan_memory(graph, graph.outputs).total


@pytest.mark.parametrize(("mode", "kind", "shape", "share"), [
    ("sublinear", "dense", (64, 64), 0.5),
    ("mirror", "norm", (4, 3, 16, 16), 0.8),
    ("sublinear", "norm", (4, 3, 16, 16), 0.6),
])  # fmt: skip
def test_memory_shrinks_and_results_stay(mode, kind, shape, share):
    graph = training(layers(24, kind), data=shape)
    smaller = recompute(graph, mode)
    assert planned(smaller) < share * planned(graph)
    values = random_values(graph)
    assert_equal(run(smaller, values), run(graph, values))
    assert "computed again" in smaller.explain()


def test_moving_statistics_move_once():
    graph = training(layers(6, "norm"), data=(4, 3, 8, 8))
    smaller = recompute(graph, "mirror")
    assert any(node.op is not None and node.op.name == "BatchNorm" and node.part == BACKWARD for node in smaller.nodes)
    values, again = random_values(graph), random_values(graph)
    interpret(graph, values)
    interpret(smaller, again)
    for name, value in values.items():
        np.testing.assert_array_equal(value.asnumpy(), again[name].asnumpy(), err_msg=name)


def test_copies_run_late_and_random_nodes_never_twice():
    x = variable("data")
    for i in range(12):
        x = call("FullyConnected", [x, variable(f"w{i}"), variable(f"b{i}")], f"fc{i}", num_hidden=64)
        x = call("Dropout", [call("Activation", [x], f"act{i}", act_type="tanh")], f"drop{i}")
    graph = training(call("SoftmaxOutput", [x, variable("label")], "softmax"), data=(64, 64))
    smaller = recompute(graph, "sublinear", most_time=1.0)
    copies = [node for node in smaller.nodes if node.name.endswith("_again")]
    assert copies and not any(node.op.random for node in copies)
    for node in copies:
        from_copies = any(source in copies for source, _ in node.inputs)
        assert from_copies or all(late.part == BACKWARD and late.id < node.id for late in node.controls)


def test_annotations_force_and_forbid():
    def repeated(graph, mode):
        return {node.name for node in recompute(graph, mode).nodes if node.name.endswith("_again")}

    forced = training(layers(4, "norm", {"__force_mirroring__": "True"}), data=(4, 3, 8, 8))
    assert {"bn1_again", "act1_again"} <= repeated(forced, "")
    plain = training(layers(4, "norm"), data=(4, 3, 8, 8))
    assert recompute(plain, "") is plain
    assert {"bn1_again", "act1_again"} <= repeated(plain, "mirror")
    kept = training(layers(4, "norm", {"__force_mirroring__": "False"}), data=(4, 3, 8, 8))
    assert not repeated(kept, "mirror") & {"bn1_again", "act1_again"}


def test_the_environment_chooses(monkeypatch):
    graph = training(layers(24), data=(64, 64))
    assert recompute(graph) is graph
    monkeypatch.setenv("WEFT_RECOMPUTE", "sublinear")
    assert planned(recompute(graph)) < planned(graph)
    monkeypatch.setenv("WEFT_RECOMPUTE", "sometimes")
    with pytest.raises(ValueError, match="WEFT_RECOMPUTE"):
        recompute(graph)
    with pytest.raises(ValueError, match="mode='sometimes'"):
        recompute(graph, "sometimes")


def test_inference_graphs_are_left_alone():
    graph = infer(graph_of(layers(3)), {"data": (2, 64)})
    assert recompute(graph, "sublinear") is graph


@pytest.mark.parametrize("mode", ["mirror", "sublinear"])
def test_bound_graphs_train_the_same(mode, monkeypatch):
    net = mx.sym.Variable("data")
    for i in range(8):
        net = mx.sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=8, name=f"conv{i}")
        net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, name=f"bn{i}"), act_type="relu", name=f"act{i}")
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=4, name="fc"), name="softmax")
    shapes = {"data": (4, 3, 12, 12), "softmax_label": (4,)}
    results, totals = [], []
    for asked in ("0", mode):
        monkeypatch.setenv("WEFT_RECOMPUTE", asked)
        executor = net.simple_bind(mx.cpu(), **shapes)
        rng = np.random.default_rng(3)
        for array in executor.arg_dict.values():
            array[:] = rng.uniform(-0.4, 0.4, array.shape)
        executor.arg_dict["softmax_label"][:] = mx.nd.array([0, 1, 2, 3])
        for _ in range(2):
            executor.forward_backward()
        arrays = {**executor.grad_dict, **executor.aux_dict, **executor.output_dict}
        results.append({name: array.asnumpy() for name, array in arrays.items() if array is not None})
        totals.append(executor.memory_plan().total)
    assert totals[1] < totals[0]
    for name, value in results[0].items():
        np.testing.assert_array_equal(value, results[1][name], err_msg=name)
