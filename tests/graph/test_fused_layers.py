"""Folded batch norm, fused results, blocked layouts: graphs compute the same before and after each pass."""

import numpy as np
import pytest

import weft as mx
from weft.frontend.graph import Graph, interpret, set_mode
from weft.frontend.graph.conv_bn import fold_batch_norm
from weft.frontend.graph.gradient import add_gradient
from weft.frontend.graph.infer import infer
from weft.frontend.graph.layout import block_layouts
from weft.frontend.graph.norm_relu import fuse_norm_relu
from weft.frontend.graph.postops import fuse_results
from weft.frontend.graph.recompute import recompute
from weft.ops.cpu import onednn

blocks = pytest.mark.skipif(onednn.preferred_block() not in (8, 16), reason="this CPU or installation likes no blocks")
sym = mx.sym


def conv_norm(net, filters, kernel, stride, name, relu=True, **more):
    net = sym.Convolution(
        net, kernel=(kernel,) * 2, stride=(stride,) * 2, pad=(kernel // 2,) * 2, num_filter=filters, name=f"{name}_conv", **more
    )
    net = sym.BatchNorm(net, fix_gamma=False, eps=1e-5, name=f"{name}_bn")
    return sym.Activation(net, act_type="relu", name=f"{name}_relu") if relu else net


def residual_net():
    """A small ResNet: stem, pooling, a block with and one without a convolution on its short cut, a classifier."""
    net = conv_norm(sym.Variable("data"), 32, 7, 2, "stem")
    net = sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
    for k, stride in enumerate((1, 2)):
        short = net if stride == 1 else conv_norm(net, 64, 1, stride, f"short{k}", relu=False)
        body = conv_norm(net, 32 * stride, 3, stride, f"a{k}", no_bias=True)
        body = conv_norm(body, 32 * stride, 3, 1, f"b{k}", relu=False)
        net = sym.relu(body + short, name=f"out{k}")
    net = sym.Pooling(net, global_pool=True, pool_type="avg", kernel=(1, 1))
    net = sym.FullyConnected(net, num_hidden=24, name="hidden")
    net = sym.Activation(net, act_type="relu", name="hidden_relu")
    return sym.SoftmaxOutput(sym.FullyConnected(net, num_hidden=10, name="classes"), name="softmax")


def branches_net():
    """Branches joined along the channels, functions other than relu, an element-wise chain, two heads."""
    data = sym.Variable("data")
    net = sym.Convolution(data, kernel=(3, 3), pad=(1, 1), num_filter=32, name="first")
    left = sym.LeakyReLU(sym.Convolution(net, kernel=(1, 1), num_filter=16, name="left"), act_type="leaky", slope=0.2)
    right = sym.Activation(sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=24, name="right"), act_type="tanh")
    net = sym.Concat(left, right, dim=1)
    odd = sym.Convolution(net, kernel=(3, 3), num_filter=13, name="odd")
    net = sym.clip(sym.Convolution(net, kernel=(3, 3), num_filter=16, name="last") * 2 + 1, a_min=-1, a_max=1)
    net = sym.Pooling(net, kernel=(2, 2), stride=(2, 2), pool_type="avg")
    return sym.Group([sym.BatchNorm(net, fix_gamma=True, name="norm"), odd])


def plain_net():
    net = sym.Convolution(sym.Variable("data"), kernel=(5, 5), num_filter=20, name="one")
    net = sym.Pooling(sym.Activation(net, act_type="tanh"), kernel=(2, 2), stride=(2, 2), pool_type="max")
    return sym.FullyConnected(net, num_hidden=10, name="classes")


NETS = {"residual": (residual_net, (3, 3, 33, 35)), "branches": (branches_net, (2, 16, 13, 12)), "plain": (plain_net, (2, 1, 14, 14))}
every_net = pytest.mark.parametrize("name", NETS)


def prepare(name, train=False):
    """Return a graph with specs and values for its variables."""
    build, shape = NETS[name]
    graph = set_mode(infer(Graph.from_entries(build()._entries), {"data": shape}), train)
    rng = np.random.default_rng(3)
    values = {}
    for node in graph.variables():
        spec = node.specs[0]
        low, high = (0.5, 1.5) if node.name.endswith(("_var", "gamma")) else (-0.5, 0.5)
        values[node.name] = mx.nd.array(rng.uniform(low, high, spec.shape).astype(spec.dtype))
        if node.name.endswith("label"):
            values[node.name] = mx.nd.array(rng.integers(0, 10, spec.shape).astype(spec.dtype))
    return graph, values


def operators(graph):
    return [node.op.name for node in graph.nodes if node.op is not None]


def agree(before, after, values, tolerance=1e-4):
    copies = {name: value.copy() for name, value in values.items()}
    expected = interpret(before, values)
    got = interpret(after, copies)
    assert len(expected) == len(got)
    for a, b in zip(got, expected):
        a, b = a.asnumpy(), b.asnumpy()
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, np.abs(b).max()))
    for name, value in values.items():  # auxiliary states too
        np.testing.assert_allclose(copies[name].asnumpy(), value.asnumpy(), rtol=tolerance, atol=tolerance)


def check_order(graph):
    seen = set()
    for place, node in enumerate(graph.nodes):
        assert node.id == place
        assert all(source in seen for source, _ in node.inputs)
        seen.add(node)
    assert len({node.name for node in graph.nodes}) == len(graph.nodes)


@every_net
@pytest.mark.parametrize(
    "passes",
    [(fold_batch_norm,), (fuse_results,), (block_layouts,), (fold_batch_norm, fuse_results, block_layouts)],
    ids=lambda passes: "+".join(f.__name__ for f in passes),
)
def test_inference_is_the_same(name, passes):
    before, values = prepare(name)
    names = [node.name for node in before.nodes]
    after = before
    for function in passes:
        made = function(after)
        assert made is after or made.notes[: len(after.notes)] == after.notes and len(made.notes) == len(after.notes) + 1
        after = made
    check_order(after)
    agree(before, after, values)
    assert [node.name for node in before.nodes] == names and operators(before) == operators(prepare(name)[0])


def test_batch_norm_is_gone():
    graph = fold_batch_norm(prepare("residual")[0])
    assert "BatchNorm" not in operators(graph)
    cached = [node for node in graph.nodes if node.cached]
    assert cached and all(source.op is None or source.cached for node in cached for source, _ in node.inputs)
    assert graph.explain().splitlines()[-1] == "conv_bn: 6 batch normalizations folded into the layers before them"
    assert {node.name for node in graph.variables()} == {node.name for node in prepare("residual")[0].variables()}


def test_batch_norm_stays_where_others_read_the_convolution():
    net = sym.Convolution(sym.Variable("data"), kernel=(1, 1), num_filter=4, name="conv")
    net = sym.BatchNorm(net, name="norm") + net
    graph = set_mode(infer(Graph.from_entries(net._entries), {"data": (1, 2, 3, 3)}), False)
    assert fold_batch_norm(graph) is graph


def test_training_graphs_are_not_folded():
    graph, _ = prepare("residual", train=True)
    assert fold_batch_norm(graph) is graph and fuse_results(graph) is graph


def test_results_are_fused():
    graph = fuse_results(fold_batch_norm(prepare("residual")[0]))
    names = operators(graph)
    assert "Activation" not in names and "relu" not in names and "elemwise_add" not in names
    fused = [node for node in graph.nodes if node.op is not None and node.op.name == "_fused_Convolution"]
    assert sorted(node.attrs.act_type for node in fused) == ["relu"] * 5
    assert sum(node.attrs.residual for node in fused) == 2
    assert names.count("_fused_FullyConnected") == 1


@blocks
def test_layout_changes_only_at_the_borders():
    size = onednn.preferred_block()
    graph = block_layouts(fuse_results(fold_batch_norm(prepare("residual")[0])))
    names = operators(graph)
    assert names.count("_blocked_Convolution") == 6 and "Convolution" not in names
    assert names.count("_to_blocked") == 0  # three channels are read as they are
    assert names.count("_from_blocked") == 1
    assert names.count("_pack_weight") == 6
    assert all(node.cached for node in graph.nodes if node.op is not None and node.op.name == "_pack_weight")
    assert f"blocks of {size} channels" in graph.explain()


@blocks
def test_a_lone_pointwise_convolution_stays_plain():
    net = sym.Convolution(sym.Variable("data"), kernel=(1, 1), num_filter=16)
    graph = infer(Graph.from_entries(net._entries), {"data": (1, 16, 28, 28)})
    assert block_layouts(graph) is graph


@blocks
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_blocked_convolutions_have_fast_kernels(channels):
    """oneDNN computes some cases by plain loops: there the graph does not ask for blocks."""
    from weft.frontend.graph.gradient import add_gradient
    from weft.ops.builders import ShapeSpec

    net = sym.Activation(sym.Convolution(sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=16, name="one"), act_type="relu")
    net = sym.Convolution(net, kernel=(3, 3), pad=(1, 1), num_filter=32, name="two")
    graph = set_mode(infer(Graph.from_entries(net._entries), {"data": (8, channels, 8, 8)}), True)
    graph = block_layouts(add_gradient(graph, [node.name for node in graph.arguments()]))
    for node in graph.nodes:
        if node.op is not None and "blocked_Convolution" in node.op.name:
            ins = [ShapeSpec(source.specs[index].shape, source.specs[index].dtype) for source, index in node.inputs]
            outs = [ShapeSpec(spec.shape, spec.dtype) for spec in node.specs]
            assert node.op.cpu[0](node.attrs, ins, outs) is not None, node


@every_net
def test_training_in_blocks(name):
    graph, values = prepare(name, train=True)
    wanted = [node.name for node in graph.arguments() if not node.name.endswith("label")]
    before = add_gradient(graph, wanted)
    for node in before.head_grads:
        values[node.name] = mx.nd.array(np.random.default_rng(5).uniform(-1, 1, node.specs[0].shape).astype("float32"))
    after = block_layouts(before)
    check_order(after)
    if name != "plain" and onednn.preferred_block():
        assert "_backward_blocked_Convolution" in operators(after)
    agree(before, after, values, tolerance=1e-3)


def training(build, shape):
    """Return the graph of a step with all gradients, and values."""
    NETS["under test"] = build, shape
    graph, values = prepare("under test", train=True)
    del NETS["under test"]
    graph = add_gradient(graph, [node.name for node in graph.arguments() if not node.name.endswith("label")])
    for node in graph.head_grads:
        values[node.name] = mx.nd.array(np.random.default_rng(5).uniform(-1, 1, node.specs[0].shape).astype("float32"))
    return graph, values


@blocks
@pytest.mark.parametrize("mode", ["", "mirror", "sublinear"])
def test_normalizations_apply_relu(mode):
    graph, values = training(*NETS["residual"])
    before = block_layouts(recompute(graph, mode))
    after = fuse_norm_relu(before)
    check_order(after)
    # Stem, and the first convolution of both blocks; what is computed again is joined as well.
    joined = [node for node in after.nodes if node.op is not None and node.op.name == "_blocked_BatchNorm" and node.attrs.relu]
    assert len({node.name.removesuffix("_again") for node in joined}) == 3
    assert len(operators(after)) < len(operators(before))
    assert "batch normalizations apply the relu that follows" in after.explain()
    agree(before, after, values, tolerance=1e-5)


@blocks
@pytest.mark.parametrize("reader", ["nobody", "sum", "head"])
def test_normalizations_that_others_read_stay(reader):
    def build():
        net = sym.Convolution(sym.Variable("data"), kernel=(3, 3), pad=(1, 1), num_filter=32, name="conv")
        norm = sym.BatchNorm(net, fix_gamma=False, name="norm")
        net = sym.Convolution(sym.relu(norm), kernel=(3, 3), num_filter=32, name="next")
        if reader == "sum":
            net = sym.broadcast_add(net, sym.mean(norm, axis=(1, 2, 3), keepdims=True))
        return sym.Group([net, norm]) if reader == "head" else sym.Group([net])

    graph, values = training(build, (2, 16, 9, 9))
    before = block_layouts(graph)
    assert "_blocked_BatchNorm" in operators(before)
    after = fuse_norm_relu(before)
    assert (after is before) == (reader != "nobody")
    agree(before, after, values, tolerance=1e-5)
