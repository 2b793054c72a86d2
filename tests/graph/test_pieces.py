"""Wide heads in pieces of rows: the same gradients, less memory, and only where rows do not depend on each other."""

import sys
from pathlib import Path

import numpy as np
import pytest
from graphs import call, graph_of, random_values, variable

import weft as mx
from weft.frontend.graph import pipeline
from weft.frontend.graph.gradient import add_gradient
from weft.frontend.graph.infer import infer
from weft.frontend.graph.interpret import interpret
from weft.frontend.graph.memory import plan_memory
from weft.frontend.graph.pieces import split_rows

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import nets

ROWS, FEATURES, CLASSES = 96, 16, 400


def layer(flatten=True):
    return call("FullyConnected", [variable("data"), variable("weight"), variable("bias")], "fc", num_hidden=CLASSES, flatten=flatten)


def softmax_output(**attrs):
    return call("SoftmaxOutput", [layer(), variable("label")], "softmax", **attrs)


def cross_entropy():
    chosen = call("pick", [call("log_softmax", [layer()], "log"), variable("label")], "pick")
    return call("MakeLoss", [call("negative", [call("mean", [chosen], "mean")], "minus")], "loss")


def element_wise():
    scaled = call("broadcast_mul", [call("Activation", [layer()], "tanh", act_type="tanh"), variable("scale")], "scaled")
    return call("MakeLoss", [call("square", [scaled], "square")], "loss")


HEADS = {
    "plain": softmax_output,
    "batch": lambda: softmax_output(normalization="batch", grad_scale=3.0),
    "ignore": lambda: softmax_output(use_ignore=True, ignore_label=3.0, smooth_alpha=0.1),
    "head gradient": lambda: softmax_output(out_grad=True),
    "cross entropy": cross_entropy,
    "element-wise": element_wise,
    "three axes": lambda: call("MakeLoss", [call("square", [layer(False)], "square")], "loss"),
}


def known(head, shapes):
    names = {node.name for node in graph_of(head).arguments()}
    return {name: shape for name, shape in shapes.items() if name in names}


def make(name, wanted=("data", "weight", "bias"), **shapes):
    shapes = {"data": (ROWS, FEATURES), "label": (ROWS,), "scale": (1, CLASSES), **shapes}
    head = HEADS[name]()
    graph = infer(pipeline.set_mode(graph_of(head), True), known(head, shapes))
    return add_gradient(graph, list(wanted))


def planned(graph):
    return plan_memory(graph, graph.outputs, lent=graph.outputs[: graph.n_heads]).total


def run(graph):
    values = random_values(graph)
    if "label" in values:
        values["label"][:] = mx.nd.array(np.arange(ROWS) % 7)
    return [result.asnumpy() for result in interpret(graph, values)]


@pytest.mark.parametrize("wanted", [("data", "weight", "bias"), ("weight",), ("data", "bias")], ids="-".join)
@pytest.mark.parametrize("name", HEADS)
def test_gradients_stay_and_memory_shrinks(name, wanted):
    graph = make(name, wanted, **({"data": (ROWS, 3, FEATURES)} if name == "three axes" else {}))
    smaller = split_rows(graph, "sublinear")
    # Without a head that is the result itself, forward keeps arrays of that size too.
    assert planned(smaller) < (0.6 if "softmax" in str(graph.outputs[0][0]) else 0.9) * planned(graph)
    assert "pieces of 96 rows" in smaller.explain()
    for a, b in zip(run(smaller), run(graph), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5 * np.abs(b).max())


def test_rows_are_those_of_the_whole():
    """What is not summed over rows is the same to the bit."""
    graph = make("batch", ("data",))
    for a, b in zip(run(split_rows(graph, "sublinear")), run(graph), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("count", [2, 5])
def test_pieces_follow_each_other(count):
    graph = split_rows(make("plain"), "sublinear", [count])
    cuts = [node for node in graph.nodes if node.op is not None and node.op.name == "slice_axis"]
    assert sum(node.attrs.end - node.attrs.begin for node in cuts if len(node.specs[0].shape) == 1) == ROWS
    for node in cuts:
        assert bool(node.controls) == (node.attrs.begin > 0)
        assert all(before.id < node.id for before in node.controls or ())


def test_what_depends_on_other_rows_is_left_alone():
    head = softmax_output(normalization="valid")
    graph = add_gradient(infer(pipeline.set_mode(graph_of(head), True), {"data": (ROWS, FEATURES)}), ["weight"])
    assert split_rows(graph, "sublinear") is graph
    # The gradient of the scores is wanted itself.
    scores = variable("scores")
    head = call("SoftmaxOutput", [scores, variable("label")], "softmax")
    graph = add_gradient(infer(pipeline.set_mode(graph_of(head), True), {"scores": (ROWS, CLASSES)}), ["scores"])
    assert split_rows(graph, "sublinear") is graph


def test_only_with_the_option(monkeypatch):
    graph = make("plain")
    assert split_rows(graph) is graph
    assert split_rows(graph, "mirror") is graph
    monkeypatch.setenv("WEFT_RECOMPUTE", "sublinear")
    assert split_rows(graph) is not graph
    assert "pieces" in pipeline.optimize(graph).explain()
    assert "pieces" not in pipeline.optimize(graph, ["pieces"]).explain()


def test_a_bound_language_model(monkeypatch):
    """The arena of the LSTM of issue 3, whose scores of 10,000 words are most of it, in small."""
    symbol, shapes = nets.lstm(mx, batch=32, steps=6, words=2000, width=16)
    plans, gradients = [], []
    for asked in ("0", "sublinear"):
        monkeypatch.setenv("WEFT_RECOMPUTE", asked)
        executor = symbol.simple_bind(mx.cpu(), **shapes)
        rng = np.random.default_rng(3)
        for name, array in executor.arg_dict.items():
            array[:] = rng.integers(0, 2000, array.shape) if name in ("data", "softmax_label") else rng.uniform(-0.3, 0.3, array.shape)
        executor.forward_backward()
        plans.append(executor.memory_plan().total)
        gradients.append({name: array.asnumpy() for name, array in executor.grad_dict.items()})
    assert plans[1] < 0.5 * plans[0]
    for name, gradient in gradients[0].items():
        np.testing.assert_allclose(gradients[1][name], gradient, rtol=1e-4, atol=1e-5 * np.abs(gradient).max(), err_msg=name)
